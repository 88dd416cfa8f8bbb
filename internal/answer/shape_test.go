package answer

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// plain are records as the tests write them: blanks for tabs, no class IN.
func plain(section []dns.RR) string {
	var lines []string
	for _, rr := range section {
		line := strings.Join(strings.Fields(rr.String()), " ")
		lines = append(lines, strings.ReplaceAll(strings.Replace(line, " IN ", " ", 1), `"`, ""))
	}
	return strings.Join(lines, "\n")
}

func TestShape(t *testing.T) {
	sig := func(owner, ttl, covered string) string {
		return owner + " " + ttl + " RRSIG " + covered + " " + sigTail
	}
	const ns = "example. 60 NS ns.example."
	for _, test := range []struct {
		name, question                 string
		answer, authority, additional  string
		keep                           string // a "+" for each address that stays
		max                            time.Duration
		wantAnswer, wantAuth, wantAdds string
		wantAD                         bool // of an answer that had it
	}{
		{
			name: "nothing to do", question: "a. A", keep: "+",
			answer: "a. 60 A 192.0.2.1", wantAnswer: "a. 60 A 192.0.2.1", wantAD: true,
		},
		{
			name: "some of the addresses", question: "a. A", keep: "+-+",
			answer: "a. 60 A 192.0.2.1\na. 60 A 192.0.2.2\na. 60 A 192.0.2.3", authority: ns,
			wantAnswer: "a. 60 A 192.0.2.1\na. 60 A 192.0.2.3", wantAuth: ns,
		},
		{
			name: "no judgement is a refusal", question: "a. A", keep: "+",
			answer: "a. 60 A 192.0.2.1\na. 60 A 192.0.2.2", wantAnswer: "a. 60 A 192.0.2.1",
		},
		{
			name: "none left is NODATA with the chain", question: "a. A", keep: "-",
			answer:    "a. 60 CNAME b.\n" + sig("a.", "60", "CNAME") + "\nb. 60 A 192.0.2.1\n" + sig("b.", "60", "A"),
			authority: ns, additional: "ns.example. 60 A 192.0.2.53\nns.example. 60 TXT x",
			wantAnswer: "a. 60 CNAME b.\n" + sig("a.", "60", "CNAME"), wantAdds: "ns.example. 60 TXT x",
		},
		{
			name: "a NODATA of its own keeps its SOA", question: "a. A",
			answer: "a. 60 CNAME b.", authority: "b. 60 SOA b. b. 1 1 1 1 1", additional: "c. 60 A 192.0.2.1",
			wantAnswer: "a. 60 CNAME b.", wantAuth: "b. 60 SOA b. b. 1 1 1 1 1", wantAD: true,
		},
		{
			name: "strays in ANSWER", question: "a. A", keep: "+",
			answer:     "b. 60 A 192.0.2.66\n" + sig("b.", "60", "A") + "\na. 60 A 192.0.2.1\n" + sig("a.", "60", "A") + "\na. 60 AAAA 2001:db8::1",
			wantAnswer: "a. 60 A 192.0.2.1\n" + sig("a.", "60", "A"),
		},
		{
			name: "strays in AUTHORITY", question: "a. A", keep: "+",
			answer: "a. 60 A 192.0.2.1", authority: "b. 60 A 192.0.2.66\n" + sig("b.", "60", "A") + "\n" + ns,
			wantAnswer: "a. 60 A 192.0.2.1", wantAuth: ns,
		},
		{
			name: "strays in ADDITIONAL are not what AD is about", question: "a. A", keep: "+",
			answer: "a. 60 A 192.0.2.1", authority: ns,
			additional: "ns.example. 60 A 192.0.2.53\n" + sig("ns.example.", "60", "A") + "\nns.example. 60 AAAA 2001:db8::53",
			wantAnswer: "a. 60 A 192.0.2.1", wantAuth: ns, wantAD: true,
		},
		{
			name: "services in ADDITIONAL lose their hints with themselves", question: "a. HTTPS",
			answer:     "a. 60 HTTPS 0 b.",
			additional: "b. 60 HTTPS 1 . ipv4hint=192.0.2.1\nc. 60 HTTPS 1 . alpn=h2\n" + sig("b.", "60", "SVCB"),
			wantAnswer: "a. 60 HTTPS 0 b.", wantAdds: "c. 60 HTTPS 1 . alpn=h2\n" + sig("b.", "60", "SVCB"), wantAD: true,
		},
		{
			name: "the signature of what was trimmed goes, wherever it stands", question: "a. ANY", keep: "-++",
			answer: sig("a.", "60", "A") + "\na. 60 A 192.0.2.1\na. 60 A 192.0.2.2\n" + sig("a.", "60", "A") +
				"\na. 60 AAAA 2001:db8::1\n" + sig("a.", "60", "AAAA"),
			wantAnswer: "a. 60 A 192.0.2.2\na. 60 AAAA 2001:db8::1\n" + sig("a.", "60", "AAAA"),
		},
		{
			name: "the chain's TTLs are its least", question: "a. A", keep: "++",
			answer: "a. 300 CNAME b.\n" + sig("a.", "300", "CNAME") + "\nb. 60 A 192.0.2.1\nb. 20 A 192.0.2.2\n" +
				sig("b.", "60", "A") + "\nc. 300 TXT x",
			wantAnswer: "a. 20 CNAME b.\n" + sig("a.", "20", "CNAME") + "\nb. 20 A 192.0.2.1\nb. 20 A 192.0.2.2\n" +
				sig("b.", "20", "A") + "\nc. 300 TXT x",
			wantAD: true,
		},
		{
			name: "an address that is cut counts for the least TTL", question: "a. A", keep: "-+",
			answer: "a. 20 A 192.0.2.1\na. 60 A 192.0.2.2", wantAnswer: "a. 20 A 192.0.2.2",
		},
		{
			name: "the longest TTL", question: "a. A", keep: "+", max: 90 * time.Second,
			answer:     "a. 300 CNAME b.\nb. 300 A 192.0.2.1\nb. 300 TXT x",
			wantAnswer: "a. 90 CNAME b.\nb. 90 A 192.0.2.1\nb. 300 TXT x", wantAD: true,
		},
		{
			name: "the longest TTL is no matter", question: "a. A", keep: "+", max: 300 * time.Second,
			answer: "a. 300 A 192.0.2.1", wantAnswer: "a. 300 A 192.0.2.1", wantAD: true,
		},
		{
			name: "absurd TTLs", question: "a. A", keep: "++",
			answer:     "a. 4294967295 A 192.0.2.1\na. 60 A 192.0.2.2",
			wantAnswer: "a. 0 A 192.0.2.1\na. 0 A 192.0.2.2", wantAD: true,
		},
		{
			name: "some of the hints", question: "a. HTTPS", keep: "+-+-",
			answer: "a. 60 HTTPS 1 . alpn=h2 ipv4hint=192.0.2.1,192.0.2.2 ipv6hint=2001:db8::1,2001:db8::2\n" +
				sig("a.", "60", "HTTPS"),
			wantAnswer: "a. 60 HTTPS 1 . alpn=h2 ipv4hint=192.0.2.1 ipv6hint=2001:db8::1",
		},
		{
			name: "a hint without addresses is none", question: "a. HTTPS", keep: "-+",
			answer:     "a. 60 HTTPS 1 . mandatory=alpn,ipv4hint,ipv6hint alpn=h2 ipv4hint=192.0.2.1 ipv6hint=2001:db8::1",
			wantAnswer: "a. 60 HTTPS 1 . mandatory=alpn,ipv6hint alpn=h2 ipv6hint=2001:db8::1",
		},
		{
			name: "nor is a list of no mandatory keys", question: "_x.a. SVCB", keep: "-",
			answer: "_x.a. 60 SVCB 1 b. mandatory=ipv4hint ipv4hint=192.0.2.1", authority: ns,
			wantAnswer: "_x.a. 60 SVCB 1 b.", wantAuth: ns,
		},
		{
			name: "hints that are kept stay mandatory", question: "a. HTTPS", keep: "-+",
			answer:     "a. 60 HTTPS 1 . mandatory=ipv4hint ipv4hint=192.0.2.1,192.0.2.2",
			wantAnswer: "a. 60 HTTPS 1 . mandatory=ipv4hint ipv4hint=192.0.2.2",
		},
		{
			name: "the hints of each service are its own", question: "a. HTTPS", keep: "+--+",
			answer: "a. 60 HTTPS 1 . ipv4hint=192.0.2.1\na. 60 HTTPS 2 b. ipv4hint=192.0.2.2\n" +
				"a. 60 HTTPS 3 . alpn=h2\na. 60 HTTPS 4 c. ipv6hint=2001:db8::1,2001:db8::2",
			wantAnswer: "a. 60 HTTPS 1 . ipv4hint=192.0.2.1\na. 60 HTTPS 2 b.\n" +
				"a. 60 HTTPS 3 . alpn=h2\na. 60 HTTPS 4 c. ipv6hint=2001:db8::2",
		},
		{
			name: "an alias has no hints", question: "a. HTTPS", keep: "+",
			answer:     "a. 60 HTTPS 0 b. ipv4hint=192.0.2.1\na. 60 HTTPS 1 . ipv4hint=192.0.2.2\n" + sig("a.", "60", "HTTPS"),
			wantAnswer: "a. 60 HTTPS 0 b.\na. 60 HTTPS 1 . ipv4hint=192.0.2.2",
		},
		{
			name: "a broken chain holds nothing", question: "a. A", keep: "+",
			answer:     "a. 60 CNAME b.\nb. 60 CNAME a.\nb. 60 A 192.0.2.1\n" + sig("b.", "60", "A"),
			wantAnswer: "a. 60 CNAME b.\nb. 60 CNAME a.",
		},
		{
			name: "what else ANY gives is left", question: "a. ANY", keep: "-",
			answer: "a. 60 A 192.0.2.1\na. 300 TXT x", authority: ns,
			wantAnswer: "a. 300 TXT x", wantAuth: ns,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := new(dns.Msg).SetQuestion(test.question[:strings.IndexByte(test.question, ' ')], dns.TypeA)
			m.Response, m.AuthenticatedData, m.Truncated = true, true, true
			m.Answer, m.Ns, m.Extra = records(t, test.answer), records(t, test.authority), records(t, test.additional)
			name, qtype := question(t, test.question)
			m.Question[0].Qtype = qtype
			var keep []bool
			for _, c := range test.keep {
				keep = append(keep, c == '+')
			}
			var w Walk
			w.Read(m, name, qtype)
			out := w.Shape(m, Cut{Keep: keep, Max: test.max})
			for _, section := range []struct {
				name string
				got  []dns.RR
				want string
			}{{"ANSWER", out.Answer, test.wantAnswer}, {"AUTHORITY", out.Ns, test.wantAuth}, {"ADDITIONAL", out.Extra, test.wantAdds}} {
				if got := plain(section.got); got != section.want {
					t.Errorf("%s: got\n%s\nwant\n%s", section.name, got, section.want)
				}
			}
			if out.AuthenticatedData != test.wantAD || !out.Truncated || out.Id != m.Id || !slices.Equal(out.Question, m.Question) {
				t.Errorf("header: got %v", out)
			}
			checkShape(t, m, name, qtype, Cut{Keep: keep, Max: test.max})
		})
	}
}

// What nothing is to be done about is not copied.
func TestShapeLeavesTheMessage(t *testing.T) {
	m := &dns.Msg{Answer: records(t, "a. 60 CNAME b.\nb. 60 A 192.0.2.1\nb. 60 HTTPS 1 . alpn=h2")}
	var w Walk
	w.Read(m, "a.", dns.TypeA)
	cut := Cut{Keep: []bool{true}, Max: time.Minute, EDE: Filtered("said to nobody")}
	if out := w.Shape(m, cut); out != m {
		t.Errorf("copied: %v", out)
	}
	if n := testing.AllocsPerRun(100, func() { w.Shape(m, cut) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Records that stay as they are need no copy, and the others must not be the
// ones that the cache and the zones share.
func TestShapeCopiesWhatItChanges(t *testing.T) {
	m := new(dns.Msg).SetQuestion("a.", dns.TypeANY)
	m.Answer = records(t, "a. 300 CNAME b.\nb. 60 A 192.0.2.1\nb. 60 HTTPS 1 . ipv4hint=192.0.2.2\nb. 60 HTTPS 2 . alpn=h2")
	var w Walk
	w.Read(m, "a.", dns.TypeANY)
	out := w.Shape(m, Cut{Keep: []bool{true, false}})
	if out.Answer[0] == m.Answer[0] || out.Answer[1] != m.Answer[1] || out.Answer[2] == m.Answer[2] ||
		out.Answer[3] != m.Answer[3] {
		t.Errorf("got %v", out.Answer)
	}
	if out.Question[0].Name = "b."; m.Question[0].Name != "a." {
		t.Error("the question is shared")
	}
	want := "a. 300 CNAME b.\nb. 60 A 192.0.2.1\nb. 60 HTTPS 1 . ipv4hint=192.0.2.2\nb. 60 HTTPS 2 . alpn=h2"
	if got := plain(m.Answer); got != want {
		t.Errorf("the message is now\n%s", got)
	}
}

// A record of A without an address, or with a bad one, takes the signature of
// its set along: what is left isn't what was signed.
func TestShapeMalformed(t *testing.T) {
	m := &dns.Msg{Answer: records(t, "a. 60 A 192.0.2.1\na. 60 RRSIG A "+sigTail+"\na. 60 AAAA 2001:db8::1\na. 60 RRSIG AAAA "+sigTail)}
	m.AuthenticatedData = true
	m.Answer = append(m.Answer, &dns.A{Hdr: *m.Answer[0].Header()}, nil)
	var w Walk
	w.Read(m, "a.", dns.TypeANY)
	out := w.Shape(m, Cut{Keep: []bool{true, true}})
	want := "a. 60 A 192.0.2.1\na. 60 AAAA 2001:db8::1\na. 60 RRSIG AAAA " + sigTail
	if got := plain(out.Answer); got != want || out.AuthenticatedData {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// A service that was unusable before isn't made usable: its list of mandatory
// keys is empty, RFC 9460 §8.
func TestShapeKeepsBadServicesBad(t *testing.T) {
	m := &dns.Msg{Answer: records(t, "a. 60 HTTPS 1 . ipv4hint=192.0.2.1,192.0.2.2")}
	service := m.Answer[0].(*dns.HTTPS)
	service.Value = append(service.Value, &dns.SVCBMandatory{})
	var w Walk
	w.Read(m, "a.", dns.TypeHTTPS)
	out := w.Shape(m, Cut{Keep: []bool{true, false}})
	if got := out.Answer[0].(*dns.HTTPS).Value; len(got) != 2 {
		t.Errorf("got %v", out.Answer[0])
	}
}

// RFC 6891 has no place for an extended rcode without an OPT.
func TestShapeExtendedRcode(t *testing.T) {
	m := &dns.Msg{Answer: records(t, "a. 60 A 192.0.2.1")}
	m.Rcode = dns.RcodeBadCookie
	m.SetEdns0(1232, false)
	var w Walk
	w.Read(m, "a.", dns.TypeA)
	if out := w.Shape(m, Cut{}); out.Rcode != dns.RcodeServerFailure {
		t.Errorf("without OPT: %s", dns.RcodeToString[out.Rcode])
	}
	if out := w.Shape(m, Cut{Client: Client{OPT: true}}); out.Rcode != dns.RcodeBadCookie {
		t.Errorf("with OPT: %s", dns.RcodeToString[out.Rcode])
	}
}
