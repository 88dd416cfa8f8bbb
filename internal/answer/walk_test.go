package answer

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// records parses a section in zone file syntax, a record a line.
func records(t testing.TB, section string) []dns.RR {
	t.Helper()
	var out []dns.RR
	for line := range strings.Lines(section) {
		rr, err := dns.NewRR(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if rr != nil {
			out = append(out, rr)
		}
	}
	return out
}

// question splits "a.example. AAAA".
func question(t testing.TB, q string) (name string, qtype uint16) {
	t.Helper()
	name, typ, _ := strings.Cut(q, " ")
	qtype, ok := dns.StringToType[typ]
	if !ok {
		t.Fatalf("no type in %q", q)
	}
	return name, qtype
}

// describe is a walk in one line: addresses with their TTLs ("~" for a hint),
// names, links and what else is set.
func describe(w *Walk) string {
	var parts []string
	for _, a := range w.Addrs {
		hint := ""
		if a.Hint {
			hint = "~"
		}
		parts = append(parts, fmt.Sprintf("%s%v/%.0f", hint, a.Addr, a.TTL.Seconds()))
	}
	parts = append(parts, "|", strings.Join(w.Names, " "), "|")
	for _, l := range w.Links {
		kind := map[Kind]string{LinkCNAME: "cname", LinkDNAME: "dname", LinkSVCB: "svcb"}[l.Kind]
		parts = append(parts, fmt.Sprintf("%s:%s>%s/%.0f", kind, l.Owner, l.Target, l.TTL.Seconds()))
	}
	parts = append(parts, fmt.Sprintf("| least %.0f", w.Least.Seconds()))
	for _, flag := range []struct {
		set  bool
		name string
	}{{w.Uneven, "uneven"}, {w.Stray, "stray"}, {w.Broken, "broken"}, {w.Signed, "signed"}} {
		if flag.set {
			parts = append(parts, flag.name)
		}
	}
	return strings.Join(strings.Fields(strings.Join(parts, " ")), " ")
}

const sigTail = "8 1 3600 20300101000000 20250101000000 1 example. c2ln"

func TestRead(t *testing.T) {
	for _, test := range []struct {
		name, question, answer string
		authority, additional  string
		want                   string
	}{
		{
			name: "two addresses", question: "a. A",
			answer: "a. 60 A 192.0.2.1\na. 60 A 192.0.2.2",
			want:   "192.0.2.1/60 192.0.2.2/60 | a. | | least 60",
		},
		{
			name: "empty", question: "a. A",
			authority: "a. 60 SOA a. a. 1 1 1 1 1",
			want:      "| a. | | least 0",
		},
		{
			name: "the other family is a stray", question: "a. AAAA",
			answer: "a. 60 A 192.0.2.1\na. 60 AAAA 2001:db8::1",
			want:   "2001:db8::1/60 | a. | | least 60 stray",
		},
		{
			name: "any asks for all", question: "a. ANY",
			answer: "a. 60 A 192.0.2.1\na. 60 AAAA 2001:db8::1\na. 60 HTTPS 1 . ipv4hint=192.0.2.2\na. 9 TXT x",
			want:   "192.0.2.1/60 2001:db8::1/60 ~192.0.2.2/60 | a. | | least 60",
		},
		{
			name: "another type leads to no address", question: "a. MX",
			answer: "a. 60 MX 1 b.\nb. 60 A 192.0.2.1",
			want:   "| a. | | least 0 stray",
		},
		{
			name: "case does not matter", question: "WWW.Example. A",
			answer: "wWw.eXample. 60 CNAME B.Example.\nb.EXAMPLE. 60 A 192.0.2.1",
			want:   "192.0.2.1/60 | www.example. b.example. | cname:www.example.>b.example./60 | least 60",
		},
		{
			name: "another class is another world", question: "a. A",
			answer: "a. 60 CH CNAME b.\na. 60 CH A 192.0.2.1\na. 60 A 192.0.2.2",
			want:   "192.0.2.2/60 | a. | | least 60 stray",
		},
		{
			name: "chain", question: "a. A",
			answer: "a. 60 CNAME b.\nb. 60 CNAME c.\nc. 60 A 192.0.2.1",
			want:   "192.0.2.1/60 | a. b. c. | cname:a.>b./60 cname:b.>c./60 | least 60",
		},
		{
			name: "chain in any order", question: "a. A",
			answer: "c. 60 A 192.0.2.1\nb. 60 CNAME c.\na. 60 CNAME b.",
			want:   "192.0.2.1/60 | a. b. c. | cname:a.>b./60 cname:b.>c./60 | least 60",
		},
		{
			name: "an unrelated address is a stray", question: "a. A",
			answer: "a. 60 A 192.0.2.1\nevil. 1 A 192.0.2.66",
			want:   "192.0.2.1/60 | a. | | least 60 stray",
		},
		{
			name: "an alias has no address of its own", question: "a. A",
			answer: "a. 60 A 192.0.2.66\na. 60 CNAME b.\nb. 60 CNAME c.\nb. 60 A 192.0.2.67\nc. 60 A 192.0.2.1",
			want:   "192.0.2.1/60 | a. b. c. | cname:a.>b./60 cname:b.>c./60 | least 60 stray",
		},
		{
			name: "an address above the question is a stray", question: "b. A",
			answer: "a. 60 CNAME b.\na. 60 A 192.0.2.66\nb. 60 A 192.0.2.1",
			want:   "192.0.2.1/60 | b. | | least 60 stray",
		},
		{
			name: "only ANSWER counts", question: "a. A",
			answer: "a. 60 CNAME b.", authority: "b. 60 A 192.0.2.1", additional: "b. 60 A 192.0.2.2",
			want: "| a. b. | cname:a.>b./60 | least 60 stray",
		},
		{
			name: "an alias in ADDITIONAL leads nowhere", question: "a. A",
			answer: "b. 60 A 192.0.2.1", additional: "a. 60 CNAME b.",
			want: "| a. | | least 0 stray",
		},
		{
			name: "loop", question: "a. A",
			answer: "a. 60 CNAME b.\nb. 60 CNAME a.\na. 60 A 192.0.2.1\nb. 60 A 192.0.2.2",
			want:   "| a. b. | cname:a.>b./60 | least 60 stray broken",
		},
		{
			name: "alias of itself", question: "a. A",
			answer: "a. 60 CNAME a.\na. 60 A 192.0.2.1",
			want:   "| a. | | least 0 stray broken",
		},
		{
			name: "loop that the question does not reach", question: "a. A",
			answer: "a. 60 A 192.0.2.1\nb. 60 CNAME c.\nc. 60 CNAME b.",
			want:   "192.0.2.1/60 | a. | | least 60",
		},
		{
			name: "alias of two names", question: "a. A",
			answer: "a. 60 CNAME b.\na. 60 CNAME c.\nb. 60 A 192.0.2.1\nc. 60 A 192.0.2.2\na. 60 A 192.0.2.3",
			want:   "| a. | | least 0 stray broken",
		},
		{
			name: "the same alias twice", question: "a. A",
			answer: "a. 60 CNAME b.\na. 30 CNAME B.\nb. 60 A 192.0.2.1",
			want:   "192.0.2.1/30 | a. b. | cname:a.>b./30 | least 30 uneven",
		},
		{
			name: "dname with its cname is one step", question: "x.old. A",
			answer: "old. 60 DNAME new.\nx.old. 60 CNAME x.new.\nx.new. 60 A 192.0.2.1",
			want:   "192.0.2.1/60 | x.old. x.new. | dname:old.>new./60 cname:x.old.>x.new./60 | least 60",
		},
		{
			name: "dname without its cname", question: "X.y.OLD. A",
			answer: "x.y.new. 60 A 192.0.2.1\nOld. 60 DNAME New.",
			want:   "192.0.2.1/60 | x.y.old. x.y.new. | dname:old.>new./60 | least 60",
		},
		{
			name: "a dname does not rewrite its owner", question: "old. A",
			answer: "old. 60 DNAME new.\nold. 60 A 192.0.2.1",
			want:   "192.0.2.1/60 | old. | | least 60",
		},
		{
			name: "a dname rewrites whole labels", question: "xold. A",
			answer: "old. 60 DNAME new.\nxold. 60 A 192.0.2.1",
			want:   "192.0.2.1/60 | xold. | | least 60",
		},
		{
			name: "a dot in a label is no border", question: `x\.old. A`,
			answer: "old. 60 DNAME new.\n" + `x\.old. 60 A 192.0.2.1`,
			want:   `192.0.2.1/60 | x\.old. | | least 60`,
		},
		{
			name: "a backslash at a label's end", question: `x\\.old. A`,
			answer: "old. 60 DNAME new.\n" + `x\\.new. 60 A 192.0.2.1`,
			want:   `192.0.2.1/60 | x\\.old. x\\.new. | dname:old.>new./60 | least 60`,
		},
		{
			name: "dname of the root", question: "x. A",
			answer: ". 60 DNAME new.\nx.new. 60 CNAME end.",
			// x.new. is below the root too, so it has two aliases.
			want: "| x. x.new. | dname:.>new./60 | least 60 broken",
		},
		{
			name: "dname to the root", question: "x.old. A",
			answer: "old. 60 DNAME .\nx.old. 60 CNAME x.\nx. 60 A 192.0.2.1",
			want:   "192.0.2.1/60 | x.old. x. | dname:old.>./60 cname:x.old.>x./60 | least 60",
		},
		{
			name: "dname used twice", question: "x.old. A",
			answer: "old. 60 DNAME new.\nx.new. 60 CNAME y.old.\ny.new. 60 A 192.0.2.1",
			want: "192.0.2.1/60 | x.old. x.new. y.old. y.new. | " +
				"dname:old.>new./60 cname:x.new.>y.old./60 dname:old.>new./60 | least 60",
		},
		{
			name: "dname that contradicts its cname", question: "x.old. A",
			answer: "old. 60 DNAME new.\nx.old. 60 CNAME evil.\nx.new. 60 A 192.0.2.1\nevil. 60 A 192.0.2.66",
			want:   "| x.old. | | least 0 stray broken",
		},
		{
			name: "dnames that contradict each other", question: "x.y.old. A",
			answer: "old. 60 DNAME new.\ny.old. 60 DNAME new.\nx.new. 60 A 192.0.2.1",
			want:   "| x.y.old. | | least 0 stray broken",
		},
		{
			name: "dnames that grow for ever", question: "x.old. A",
			answer: "old. 60 DNAME y.old.",
			want: "| x.old. " + growing(1, 16) + " | " + strings.Repeat("dname:old.>y.old./60 ", 16) +
				"| least 60 broken",
		},
		{
			name: "dname to a name that is too long", question: strings.Repeat("x", 62) + ".old. A",
			answer: "old. 60 DNAME " + strings.Repeat(strings.Repeat("y", 63)+".", 3),
			want:   "| " + strings.Repeat("x", 62) + ".old. | | least 0 broken",
		},
		{
			name: "a question for CNAME is not followed", question: "a. CNAME",
			answer: "a. 60 CNAME b.\nb. 60 CNAME c.\nc. 60 A 192.0.2.1",
			want:   "| a. | cname:a.>b./60 | least 60 stray",
		},
		{
			name: "a question for DNAME is not followed", question: "x.old. DNAME",
			answer: "old. 60 DNAME new.\nx.old. 60 CNAME x.new.",
			want:   "| x.old. | dname:old.>new./60 cname:x.old.>x.new./60 | least 60",
		},
		{
			name: "a link's short life bounds what follows", question: "a. A",
			answer: "a. 300 CNAME b.\nb. 20 CNAME c.\nc. 60 A 192.0.2.1\nc. 10 A 192.0.2.2",
			want:   "192.0.2.1/20 192.0.2.2/10 | a. b. c. | cname:a.>b./300 cname:b.>c./20 | least 10 uneven",
		},
		{
			name: "ttls off the chain don't count", question: "a. A",
			answer: "a. 60 A 192.0.2.1\nb. 1 CNAME c.\na. 5 TXT x\na. 7 RRSIG A " + sigTail,
			want:   "192.0.2.1/60 | a. | | least 60 signed",
		},
		{
			name: "ttl zero", question: "a. A",
			answer: "a. 0 A 192.0.2.1\na. 60 A 192.0.2.2",
			want:   "192.0.2.1/0 192.0.2.2/60 | a. | | least 0 uneven",
		},
		{
			name: "a ttl with the top bit set is zero", question: "a. A",
			answer: "a. 2147483648 A 192.0.2.1",
			want:   "192.0.2.1/0 | a. | | least 0 uneven",
		},
		{
			name: "the longest ttl", question: "a. A",
			answer: "a. 2147483647 A 192.0.2.1",
			want:   "192.0.2.1/2147483647 | a. | | least 2147483647",
		},
		{
			name: "a mapped AAAA is left to the policy", question: "a. AAAA",
			answer: "a. 60 AAAA ::ffff:192.0.2.1",
			want:   "::ffff:192.0.2.1/60 | a. | | least 60",
		},
		{
			name: "https", question: "a. HTTPS",
			answer: "a. 60 HTTPS 1 . alpn=h2 ipv4hint=192.0.2.1,192.0.2.2 ipv6hint=2001:db8::1",
			want:   "~192.0.2.1/60 ~192.0.2.2/60 ~2001:db8::1/60 | a. | | least 60",
		},
		{
			name: "https at the end of a chain", question: "a. HTTPS",
			answer: "b. 60 HTTPS 1 C. ipv4hint=192.0.2.1\na. 20 CNAME b.",
			want:   "~192.0.2.1/20 | a. b. | cname:a.>b./20 svcb:b.>c./60 | least 20 uneven",
		},
		{
			name: "https without hints counts for the ttl", question: "a. HTTPS",
			answer: "a. 60 HTTPS 1 . alpn=h2\na. 20 HTTPS 2 . ipv4hint=192.0.2.1",
			want:   "~192.0.2.1/20 | a. | | least 20 uneven",
		},
		{
			name: "https in alias mode", question: "a. HTTPS",
			answer: "a. 60 HTTPS 0 b. ipv4hint=192.0.2.1",
			want:   "| a. | svcb:a.>b./60 | least 60 stray",
		},
		{
			name: "https that says there is no service", question: "a. HTTPS",
			answer: "a. 60 HTTPS 0 .",
			want:   "| a. | | least 60",
		},
		{
			name: "https to itself is no link", question: "a. HTTPS",
			answer: "a. 60 HTTPS 1 A.",
			want:   "| a. | | least 60",
		},
		{
			name: "svcb is not https", question: "_dns.a. SVCB",
			answer: "_dns.a. 60 SVCB 1 a. ipv4hint=192.0.2.1\n_dns.a. 60 HTTPS 1 a. ipv4hint=192.0.2.66",
			want:   "~192.0.2.1/60 | _dns.a. | svcb:_dns.a.>a./60 | least 60 stray",
		},
		{
			name: "hints in ADDITIONAL are strays", question: "a. HTTPS",
			answer: "a. 60 HTTPS 0 b.", additional: "b. 60 HTTPS 1 . ipv6hint=2001:db8::1",
			want: "| a. | svcb:a.>b./60 | least 60 stray",
		},
		{
			name: "services in ADDITIONAL without hints are none", question: "a. HTTPS",
			answer: "a. 60 HTTPS 0 b.", additional: "b. 60 HTTPS 1 . alpn=h2",
			want: "| a. | svcb:a.>b./60 | least 60",
		},
		{
			name: "hints that nobody asked for", question: "a. A",
			answer: "a. 60 A 192.0.2.1\na. 60 HTTPS 1 . ipv4hint=192.0.2.66",
			want:   "192.0.2.1/60 | a. | | least 60 stray",
		},
		{
			name: "signed addresses", question: "a. A",
			answer: "a. 60 RRSIG A " + sigTail + "\na. 60 A 192.0.2.1",
			want:   "192.0.2.1/60 | a. | | least 60 signed",
		},
		{
			name: "signed chain to an unsigned end", question: "a. A",
			answer: "a. 60 CNAME b.\na. 60 RRSIG CNAME " + sigTail + "\nb. 60 A 192.0.2.1",
			want:   "192.0.2.1/60 | a. b. | cname:a.>b./60 | least 60 signed",
		},
		{
			name: "signed dname", question: "x.old. A",
			answer: "old. 60 DNAME new.\nold. 60 RRSIG DNAME " + sigTail + "\nx.new. 60 A 192.0.2.1",
			want:   "192.0.2.1/60 | x.old. x.new. | dname:old.>new./60 | least 60 signed",
		},
		{
			name: "signatures over something else", question: "a. A",
			answer: "a. 60 A 192.0.2.1\na. 60 RRSIG TXT " + sigTail + "\na. 60 RRSIG AAAA " + sigTail +
				"\nb. 60 RRSIG A " + sigTail + "\na. 60 RRSIG CNAME " + sigTail,
			want: "192.0.2.1/60 | a. | | least 60",
		},
		{
			name: "a signature over an alias that is none", question: "x.old. A",
			answer: "old. 60 DNAME new.\nold. 60 RRSIG CNAME " + sigTail + "\nx.new. 60 A 192.0.2.1",
			want:   "192.0.2.1/60 | x.old. x.new. | dname:old.>new./60 | least 60",
		},
		{
			name: "signatures of another class", question: "a. A",
			answer: "a. 60 CNAME b.\nb. 60 A 192.0.2.1\na. 60 CH RRSIG CNAME " + sigTail + "\nb. 60 CH RRSIG A " + sigTail,
			want:   "192.0.2.1/60 | a. b. | cname:a.>b./60 | least 60",
		},
		{
			name: "a signature over nothing", question: "a. A",
			answer: "a. 60 CNAME b.\nb. 60 RRSIG A " + sigTail,
			want:   "| a. b. | cname:a.>b./60 | least 60",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := &dns.Msg{
				Answer: records(t, test.answer),
				Ns:     records(t, test.authority),
				Extra:  records(t, test.additional),
			}
			name, qtype := question(t, test.question)
			var w Walk
			w.Read(m, name, qtype)
			if got := describe(&w); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// growing are the names that old. DNAME y.old. makes of x.old.
func growing(from, to int) string {
	var names []string
	for i := from; i <= to; i++ {
		names = append(names, "x."+strings.Repeat("y.", i)+"old.")
	}
	return strings.Join(names, " ")
}

// chain is a chain of n links from n0. on, with an address at its end.
func chain(t testing.TB, n int) *dns.Msg {
	t.Helper()
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "n%d. 60 CNAME n%d.\n", i, i+1)
	}
	fmt.Fprintf(&b, "n%d. 60 A 192.0.2.1\n", n)
	return &dns.Msg{Answer: records(t, b.String())}
}

func TestReadLongChain(t *testing.T) {
	var w Walk
	w.Read(chain(t, maxLinks), "n0.", dns.TypeA)
	if w.Broken || len(w.Addrs) != 1 || len(w.Links) != maxLinks || len(w.Names) != maxLinks+1 {
		t.Errorf("%d links: %s", maxLinks, describe(&w))
	}
	w.Read(chain(t, maxLinks+1), "n0.", dns.TypeA)
	if !w.Broken || len(w.Addrs) != 0 || !w.Stray || len(w.Links) != maxLinks {
		t.Errorf("%d links: %s", maxLinks+1, describe(&w))
	}
}

func TestReadTooManyAliases(t *testing.T) {
	read := func(answer string) *Walk {
		var w Walk
		w.Read(&dns.Msg{Answer: records(t, answer)}, "a.", dns.TypeA)
		return &w
	}
	enough := "a. 60 CNAME b.\nb. 60 A 192.0.2.1\n" + strings.Repeat("c. 60 CNAME d.\n", maxAliases-1)
	if w := read(enough); w.Broken || len(w.Addrs) != 1 {
		t.Errorf("%d aliases: %s", maxAliases, describe(w))
	}
	for _, more := range []string{"c. 60 CNAME d.", "c. 60 RRSIG CNAME " + sigTail} {
		if w := read(enough + more); !w.Broken || len(w.Addrs) != 0 || len(w.Links) != 0 || !w.Stray {
			t.Errorf("%d aliases: %s", maxAliases+1, describe(w))
		}
	}
}

// A link leads to a name, whatever it takes to get there.
func TestLinkNext(t *testing.T) {
	m := &dns.Msg{Answer: records(t, "x.a. 60 CNAME x.B.\na. 60 DNAME b.\nB. 60 DNAME C.\nx.c. 60 CNAME d.\nd. 60 HTTPS 0 E.")}
	for _, test := range []struct{ question, want string }{
		{"x.a. HTTPS", "x.b. x.b. x.c. d. e."},
		{"x.a. CNAME", "x.b. x.b."},
		{"x.b. DNAME", "x.c."},
	} {
		name, qtype := question(t, test.question)
		var w Walk
		w.Read(m, name, qtype)
		var next []string
		for _, l := range w.Links {
			next = append(next, l.Next)
		}
		if got := strings.Join(next, " "); got != test.want {
			t.Errorf("%s: got %s, want %s", test.question, got, test.want)
		}
	}
}

// What only plugins make: the wire can't carry it.
func TestReadMalformed(t *testing.T) {
	header := func(name string, rrtype uint16) dns.RR_Header {
		return dns.RR_Header{Name: name, Rrtype: rrtype, Class: dns.ClassINET, Ttl: 60}
	}
	a, aaaa, https := header("a.", dns.TypeA), header("a.", dns.TypeAAAA), header("a.", dns.TypeHTTPS)
	v4, v6 := net.IPv4(192, 0, 2, 1), net.ParseIP("2001:db8::1")
	service := func(values ...dns.SVCBKeyValue) dns.RR {
		return &dns.HTTPS{SVCB: dns.SVCB{Hdr: https, Priority: 1, Target: ".", Value: values}}
	}
	for _, test := range []struct {
		name, want string
		rr         dns.RR
	}{
		{"A of sixteen bytes", "192.0.2.1/60 | a. | | least 60", &dns.A{Hdr: a, A: v4}},
		{"A of four bytes", "192.0.2.1/60 | a. | | least 60", &dns.A{Hdr: a, A: v4.To4()}},
		{"A without address", "| a. | | least 0 stray", &dns.A{Hdr: a}},
		{"A with an IPv6 address", "| a. | | least 0 stray", &dns.A{Hdr: a, A: v6}},
		{"A of five bytes", "| a. | | least 0 stray", &dns.A{Hdr: a, A: make(net.IP, 5)}},
		{"AAAA without address", "| a. | | least 0 stray", &dns.AAAA{Hdr: aaaa}},
		{"AAAA of four bytes", "| a. | | least 0 stray", &dns.AAAA{Hdr: aaaa, AAAA: v4.To4()}},
		{"A that says it is an AAAA", "| a. | | least 0 stray", &dns.A{Hdr: aaaa, A: v4}},
		{"A that says it is an HTTPS", "| a. | | least 0 stray", &dns.A{Hdr: https, A: v4}},
		{"A of unknown make", "| a. | | least 0 stray", &dns.RFC3597{Hdr: a, Rdata: "c0000201"}},
		{"HTTPS of unknown make", "| a. | | least 0 stray", &dns.RFC3597{Hdr: https, Rdata: "000100"}},
		{"HTTPS without data", "| a. | | least 60", &dns.HTTPS{SVCB: dns.SVCB{Hdr: https}}},
		{"hint without address", "| a. | | least 60 stray", service(&dns.SVCBIPv4Hint{})},
		{"hint of the other family", "| a. | | least 60 stray", service(&dns.SVCBIPv4Hint{Hint: []net.IP{v6}})},
		{"mapped hint", "| a. | | least 60 stray", service(&dns.SVCBIPv6Hint{Hint: []net.IP{v4}})},
		{"hint of sixteen bytes", "~192.0.2.1/60 | a. | | least 60", service(&dns.SVCBIPv4Hint{Hint: []net.IP{v4}})},
		{"hint of unknown make", "| a. | | least 60 stray",
			service(&dns.SVCBLocal{KeyCode: dns.SVCB_IPV4HINT, Data: v4.To4()})},
		{"good and bad hints", "~2001:db8::1/60 | a. | | least 60 stray",
			service(&dns.SVCBIPv6Hint{Hint: []net.IP{v4, v6, nil}})},
		{"CNAME without data", "| a. | | least 0", &dns.CNAME{Hdr: header("a.", dns.TypeCNAME)}},
		{"DNAME without data", "| a. | | least 0", &dns.DNAME{Hdr: header(".", dns.TypeDNAME)}},
		{"DNAME without owner", "| a. | | least 0", &dns.DNAME{Hdr: header("", dns.TypeDNAME), Target: "b."}},
		{"RRSIG of unknown make", "| a. | | least 0", &dns.RFC3597{Hdr: header("a.", dns.TypeRRSIG)}},
		{"another form of the name", "| a. | | least 0 stray", &dns.A{Hdr: header(`\097.`, dns.TypeA), A: v4}},
		{"no record", "| a. | | least 0", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			var w Walk
			m := &dns.Msg{Answer: []dns.RR{test.rr}}
			w.Read(m, "a.", dns.TypeANY)
			if got := describe(&w); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			// Nothing of it may leave: it can't be packed, or holds an address.
			out := w.Shape(m, Cut{Keep: all(&w)})
			if left := addresses(out.Answer); w.Stray && left != 0 && len(w.Addrs) == 0 {
				t.Errorf("left in the answer: %v", out.Answer)
			}
		})
	}
}

// A signature over nothing but a malformed address signs nothing.
func TestReadMalformedSigned(t *testing.T) {
	m := &dns.Msg{Answer: records(t, "a. 60 RRSIG A "+sigTail+"\na. 60 A 192.0.2.1")}
	m.Answer[1].(*dns.A).A = nil
	var w Walk
	w.Read(m, "a.", dns.TypeA)
	if w.Signed {
		t.Error(describe(&w))
	}
}

// What nobody can read may hold addresses wherever it stands.
func TestReadUnreadableService(t *testing.T) {
	rr := &dns.RFC3597{Hdr: dns.RR_Header{Name: "b.", Rrtype: dns.TypeHTTPS, Class: dns.ClassINET}, Rdata: "000100"}
	for _, m := range []*dns.Msg{{Answer: []dns.RR{rr}}, {Ns: []dns.RR{rr}}, {Extra: []dns.RR{rr}}} {
		var w Walk
		w.Read(m, "a.", dns.TypeHTTPS)
		out := w.Shape(m, Cut{})
		if !w.Stray || len(out.Answer)+len(out.Ns)+len(out.Extra) != 0 {
			t.Errorf("%s: left %v", describe(&w), out)
		}
	}
}

// all keeps every address.
func all(w *Walk) []bool {
	keep := make([]bool, len(w.Addrs))
	for i := range keep {
		keep[i] = true
	}
	return keep
}

// A Walk that is used again knows nothing of what it has read before.
func TestReadAgain(t *testing.T) {
	var used Walk
	first := &dns.Msg{
		Answer: records(t, "a. 60 CNAME b.\nb. 5 A 192.0.2.1\nb. 60 RRSIG A "+sigTail+"\nc. 5 A 192.0.2.3"),
		Extra:  records(t, "b. 60 AAAA 2001:db8::1"),
	}
	loop := &dns.Msg{Answer: records(t, "a. 60 CNAME a.\na. 60 A 192.0.2.1\na. 60 HTTPS 1 . alpn=h2")}
	second := &dns.Msg{Answer: records(t, "z. 60 A 192.0.2.9")}
	for _, before := range []*dns.Msg{first, loop, second} {
		used.Read(before, "a.", dns.TypeA)
		used.Read(second, "z.", dns.TypeA)
		var fresh Walk
		fresh.Read(second, "z.", dns.TypeA)
		if got, want := describe(&used), describe(&fresh); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if used.Left(nil) {
			t.Error("something is left of an answer without its only address")
		}
	}
}

func TestLeft(t *testing.T) {
	for _, test := range []struct {
		name, question, answer string
		keep                   []bool
		left, emptied          bool
	}{
		{"all cut", "a. A", "a. 60 A 192.0.2.1", []bool{false}, false, true},
		{"no judgement", "a. A", "a. 60 A 192.0.2.1", nil, false, true},
		{"one kept", "a. A", "a. 60 A 192.0.2.1\na. 60 A 192.0.2.2", []bool{false, true}, true, false},
		{"only the chain", "a. A", "a. 60 CNAME b.\nb. 60 A 192.0.2.1", []bool{false}, false, true},
		{"only a stray", "a. A", "b. 60 A 192.0.2.1", nil, false, true},
		{"only a chain all along", "a. A", "a. 60 CNAME b.", nil, false, false},
		{"a service without its hints", "a. HTTPS", "a. 60 HTTPS 1 . ipv4hint=192.0.2.1", []bool{false}, true, false},
		{"another record of ANY", "a. ANY", "a. 60 A 192.0.2.1\na. 60 TXT x", []bool{false}, true, false},
		{"its signature is no record", "a. ANY", "a. 60 A 192.0.2.1\na. 60 RRSIG A " + sigTail, []bool{false}, false, true},
		{"a type without addresses", "a. TXT", "a. 60 TXT x\nb. 60 A 192.0.2.1", nil, true, false},
		{"someone else's record", "a. TXT", "b. 60 TXT x\nb. 60 A 192.0.2.1", nil, false, true},
		{"an alias that was asked for", "a. CNAME", "a. 60 CNAME b.\nb. 60 A 192.0.2.1", nil, true, false},
		{"a broken chain", "a. A", "a. 60 CNAME a.\na. 60 A 192.0.2.1", []bool{true}, false, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			name, qtype := question(t, test.question)
			var w Walk
			// What ADDITIONAL loses empties no ANSWER.
			m := &dns.Msg{Answer: records(t, test.answer), Extra: records(t, "a. 60 A 192.0.2.9")}
			w.Read(m, name, qtype)
			if got := w.Left(test.keep); got != test.left {
				t.Errorf("left: got %v for %s", got, describe(&w))
			}
			if got := w.Emptied(test.keep); got != test.emptied {
				t.Errorf("emptied: got %v for %s", got, describe(&w))
			}
		})
	}
}
