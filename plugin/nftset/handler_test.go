package nftset

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/coredns/caddy"
	"github.com/coredns/caddy/caddyfile"
	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/pkg/dnstest"
	"github.com/coredns/coredns/plugin/test"
	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"

	"github.com/namewall/namewall/internal/gate"
	"github.com/namewall/namewall/internal/nft"
	"github.com/namewall/namewall/internal/nstest"
)

// ruleset declares the sets that the tests' rules feed, but for inet filter
// gone4.
const ruleset = `
table inet filter {
	set web4 { type ipv4_addr; flags timeout; size 1024; timeout 1h; }
	set web6 { type ipv6_addr; flags timeout; size 1024; timeout 1h; }
	set tiny4 { type ipv4_addr; flags timeout; size 1; timeout 1h; }
}`

// lab is a handler on the real kernel, in a network namespace of its own.
type lab struct {
	*Handler
	t     testing.TB
	ns    *nstest.Namespace
	gate  *gate.Gate
	inst  *instance
	reply *dns.Msg // what the next plugin writes; nil: nothing
	rcode int      // and returns
	err   error
}

// newLab makes a handler of the nftset blocks in corefile, whose sets have been
// looked for.
func newLab(t testing.TB, corefile string) *lab {
	t.Helper()
	l := &lab{t: t}
	return l.above(corefile, plugin.HandlerFunc(l.answer))
}

// above puts the lab's handler above next.
func (l *lab) above(corefile string, next plugin.Handler) *lab {
	t := l.t
	t.Helper()
	l.ns = nstest.New(t)
	l.ns.Command(ruleset, "nft", "-f", "-")
	l.gate = gate.New(gate.Options{Kernel: &gate.NFT{Options: nft.Options{NetNS: l.ns.FD()}}, Log: log, Observer: new(observer)})
	t.Cleanup(l.gate.Close)
	cfg := new(Config)
	body := "nftset {\n control off\n allow 198.51.100.0/24 2001:db8::/32\n pass 172.16.0.0/12\n}\n" + corefile
	c := &caddy.Controller{Dispenser: caddyfile.NewDispenser("Corefile", strings.NewReader(body)), ServerBlockKeys: []string{"."}}
	block, err := parse(c, cfg, "")
	if err != nil {
		t.Fatal(err)
	}
	l.Handler = &Handler{rules: block.Rules, zones: []string{"."}, next: next}
	p := newProcess(l.gate, nothing{}, newSaver(l))
	t.Cleanup(p.resolver.Close)
	l.inst = newInstance(cfg, func() *process { return p })
	l.inst.handlers = []*Handler{l.Handler}
	if err := errors.Join(l.inst.start(), l.inst.resolve()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.inst.finish() })
	l.await("the first read of the sets", func() bool {
		for _, p := range l.gate.Problems() {
			if !errors.Is(p.Err, nft.ErrNoSet) {
				return false
			}
		}
		return true
	})
	return l
}

// nothing is the own addresses of a gateway without any.
type nothing struct{}

func (nothing) Err() error { return nil }

func (nothing) Contains(netip.Addr) bool { return false }

func (l *lab) await(what string, ready func() bool) {
	l.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ready(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			l.t.Fatalf("%s: not within 10 s: %v", what, l.gate.Problems())
		}
	}
}

func (l *lab) answer(_ context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
	if l.reply == nil {
		return l.rcode, l.err
	}
	m := l.reply.Copy()
	m.SetReply(r)
	m.Rcode = l.reply.Rcode
	m.AuthenticatedData = l.reply.AuthenticatedData
	return l.rcode, errors.Join(l.err, w.WriteMsg(m))
}

// ask sends a question as the server would and returns what the client gets.
func (l *lab) ask(q string, opt, do bool, records ...string) *dns.Msg {
	l.t.Helper()
	l.reply = new(dns.Msg)
	for _, r := range records {
		rr, err := dns.NewRR(strings.TrimPrefix(r, "extra "))
		if err != nil {
			l.t.Fatal(err)
		}
		if strings.HasPrefix(r, "extra ") {
			l.reply.Extra = append(l.reply.Extra, rr)
		} else {
			l.reply.Answer = append(l.reply.Answer, rr)
		}
	}
	name, qtype, _ := strings.Cut(q, " ")
	r := new(dns.Msg).SetQuestion(name, dns.StringToType[qtype])
	if opt {
		r.SetEdns0(4096, do)
	}
	rec := dnstest.NewRecorder(&test.ResponseWriter{})
	if _, err := l.ServeDNS(context.Background(), request.NewScrubWriter(r, rec), r); err != nil {
		l.t.Fatal(err)
	}
	return rec.Msg
}

// show is an answer in a line: rcode, the answer's data, the EDE.
func show(m *dns.Msg) string {
	if m == nil {
		return "nothing"
	}
	words := []string{dns.RcodeToString[m.Rcode]}
	for _, rr := range m.Answer {
		words = append(words, strings.TrimPrefix(rr.String(), rr.Header().String()))
	}
	if opt := m.IsEdns0(); opt != nil {
		for _, o := range opt.Option {
			if ede, ok := o.(*dns.EDNS0_EDE); ok {
				words = append(words, "EDE", strings.Fields(ede.String())[0], ede.ExtraText)
			}
		}
	}
	return strings.Join(words, " ")
}

// The table of docs/architecture.md, "What the client gets".
func TestWhatTheClientGets(t *testing.T) {
	const (
		v4only = "nftset web {\n name *.example.com\n set inet filter web4\n wait 20s\n}"
		both   = "nftset web {\n name *.example.com\n set inet filter web4\n set inet filter web6\n wait 20s\n}"
		gone   = "nftset web {\n name *.example.com\n set inet filter gone4\n wait 50ms\n}"
		tiny   = "nftset web {\n name *.example.com\n set inet filter tiny4\n wait 20s\n}"
		single = "nftset web {\n name *.example.com\n set inet filter web4\n limit 1\n wait 20s\n}"
		feeder = "nftset web {\n name *.example.com\n set inet filter gone4\n mode feed\n}"
		sig    = "www.example.com. 300 IN RRSIG A 8 3 300 20300101000000 20250101000000 1 example.com. AAAA"
		a1     = "www.example.com. 300 IN A 198.51.100.1"
		a2     = "www.example.com. 300 IN A 198.51.100.2"
		ten    = "www.example.com. 300 IN A 10.0.0.1"
		six    = "www.example.com. 300 IN AAAA 2001:db8::1"
	)
	for _, tc := range []struct {
		name, corefile, question string
		opt, do                  bool
		records                  []string
		want                     string
	}{
		{"admitted", both, "www.example.com. A", true, false, []string{a1, a2}, "NOERROR 198.51.100.1 198.51.100.2"},
		{"other names are untouched", both, "www.example.org. A", true, false, []string{"www.example.org. 300 IN A 10.0.0.1"}, "NOERROR 10.0.0.1"},
		{"no set of the family", v4only, "www.example.com. AAAA", true, false, []string{six}, "NOERROR EDE 17 nftset: rule web: no set of this address family"},
		{"a refused address, the rest stays", v4only, "www.example.com. A", true, false, []string{a1, ten}, "NOERROR 198.51.100.1 EDE 17 nftset: rule web: special-purpose address 10.0.0.1 refused"},
		{"nothing is left", v4only, "www.example.com. A", true, false, []string{ten}, "NOERROR EDE 17 nftset: rule web: special-purpose address 10.0.0.1 refused"},
		{"no EDE without OPT", v4only, "www.example.com. A", false, false, []string{ten}, "NOERROR"},
		{"signed and DO", v4only, "www.example.com. A", true, true, []string{ten, sig}, "SERVFAIL EDE 17 nftset: rule web: special-purpose address 10.0.0.1 refused"},
		{"signed without DO", v4only, "www.example.com. A", true, false, []string{ten, sig}, "NOERROR EDE 17 nftset: rule web: special-purpose address 10.0.0.1 refused"},
		{"the limit", single, "www.example.com. A", true, false, []string{a1, a2}, "NOERROR 198.51.100.1 EDE 17 nftset: rule web: limit of 1 addresses of a name, or of the client's pairs, reached"},
		{"a set is missing", gone, "www.example.com. A", true, false, []string{a1}, "SERVFAIL EDE 14 nftset: rule web: set inet filter gone4: no such set"},
		{"a set is missing, no OPT", gone, "www.example.com. A", false, false, []string{a1}, "SERVFAIL"},
		{"a set is full, the rest stays", tiny, "www.example.com. A", true, false, []string{a1, a2}, "NOERROR 198.51.100.1 EDE 0 nftset: rule web: set inet filter tiny4 is full"},
		{"feed changes nothing", feeder, "www.example.com. A", true, false, []string{a1, ten, "extra x.example.com. 300 IN A 198.51.100.9"}, "NOERROR 198.51.100.1 10.0.0.1"},
		{"pass stays", v4only, "www.example.com. A", true, false, []string{"www.example.com. 300 IN A 172.16.0.1"}, "NOERROR 172.16.0.1"},
		{"a chain", v4only, "www.example.com. A", true, false, []string{"edge.test. 60 IN A 198.51.100.1", "www.example.com. 300 IN CNAME edge.test."}, "NOERROR 198.51.100.1 edge.test."},
		{"a chain keeps its links", v4only, "www.example.com. A", true, false, []string{"www.example.com. 300 IN CNAME edge.test.", "edge.test. 60 IN A 127.0.0.1"}, "NOERROR edge.test. EDE 17 nftset: rule web: special-purpose address 127.0.0.1 refused"},
		{"unreachable", v4only, "www.example.com. A", true, false, []string{a1, "evil.test. 300 IN A 198.51.100.66"}, "NOERROR 198.51.100.1"},
		{"nothing but unreachable", v4only, "www.example.com. A", true, false, []string{"evil.test. 300 IN A 198.51.100.66"}, "NOERROR EDE 17 nftset: addresses that the question does not lead to"},
		{"embedded", both, "www.example.com. AAAA", true, false, []string{"www.example.com. 300 IN AAAA 64:ff9b::a00:1", six}, "NOERROR 2001:db8::1 EDE 17 nftset: rule web: special-purpose address 64:ff9b::a00:1 refused"},
		{"hints", v4only, "www.example.com. HTTPS", true, false, []string{`www.example.com. 300 IN HTTPS 1 . alpn="h2" ipv4hint="198.51.100.1,10.0.0.1" ipv6hint="2001:db8::1"`}, `NOERROR 1 . alpn="h2" ipv4hint="198.51.100.1" EDE 17 nftset: rule web: special-purpose address 10.0.0.1 refused`},
		{"the chain's least TTL", v4only, "www.example.com. A", false, false, nil, "NOERROR"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, tc.corefile)
			m := l.ask(tc.question, tc.opt, tc.do, tc.records...)
			if got := show(m); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
			if !tc.opt && m.IsEdns0() != nil {
				t.Error("an OPT for a client that sent none")
			}
		})
	}
}
