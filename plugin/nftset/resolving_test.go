package nftset

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/plugin/dns64"
	"github.com/coredns/coredns/plugin/pkg/upstream"
	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/namewall/namewall/internal/resolve"
)

// zone is the plugin below: it has records, and notes who asks.
type zone struct {
	mu      sync.Mutex // guards what follows
	records map[string][]dns.RR
	rcode   int
	ad      bool
	big     bool // answers over UDP are truncated
	panics  bool
	drops   bool
	asked   []string // network, address, name, type
}

func newZone(t testing.TB, records ...string) *zone {
	t.Helper()
	z := &zone{records: make(map[string][]dns.RR)}
	for _, r := range records {
		rr, err := dns.NewRR(r)
		if err != nil {
			t.Fatal(err)
		}
		z.records[rr.Header().Name] = append(z.records[rr.Header().Name], rr)
	}
	return z
}

func (z *zone) change(f func()) {
	z.mu.Lock()
	defer z.mu.Unlock()
	f()
}

func (z *zone) Name() string { return "zone" }

func (z *zone) ServeDNS(_ context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	q := r.Question[0]
	remote := w.RemoteAddr()
	host, _, _ := net.SplitHostPort(remote.String())
	z.asked = append(z.asked, fmt.Sprintf("%s %s %s %s", remote.Network(), host, q.Name, dns.TypeToString[q.Qtype]))
	switch {
	case z.panics:
		panic("zone")
	case z.drops:
		return dns.RcodeSuccess, nil
	case z.rcode != dns.RcodeSuccess:
		return z.rcode, nil
	}
	m := new(dns.Msg).SetReply(r)
	m.AuthenticatedData = z.ad && r.AuthenticatedData
	if z.big && remote.Network() == "udp" {
		m.Truncated = true
	} else {
		for _, rr := range z.records[q.Name] {
			if rr.Header().Rrtype == q.Qtype || rr.Header().Rrtype == dns.TypeCNAME {
				m.Answer = append(m.Answer, rr)
			}
		}
		if len(z.records[q.Name]) == 0 {
			m.Rcode = dns.RcodeNameError
		}
	}
	return dns.RcodeSuccess, w.WriteMsg(m)
}

const (
	feRule = "nftset in {\n set inet filter web4\n set inet filter web6\n resolve fe.example.com\n}"
	fe4    = "fe.example.com. 60 IN A 198.51.100.1"
	fe6    = "fe.example.com. 60 IN AAAA 2001:db8::1"
)

// elements is what a set of the lab holds.
func (l *lab) elements(set string) string {
	l.t.Helper()
	_, list, _ := strings.Cut(l.ns.Command("", "nft", "list", "set", "inet", "filter", set), "elements = {")
	return list
}

func (l *lab) holds(set, addr string) bool { return strings.Contains(l.elements(set), addr+" ") }

// What is under `resolve` is asked for from the start, as from the gateway itself,
// and is in its sets without anybody's asking.
func TestResolve(t *testing.T) {
	z := newZone(t, fe4, fe6)
	l := (&lab{t: t}).above(feRule, z)
	l.await("both addresses", func() bool { return l.holds("web4", "198.51.100.1") && l.holds("web6", "2001:db8::1") })
	z.change(func() {
		slices.Sort(z.asked)
		if want := []string{"udp 127.0.0.1 fe.example.com. A", "udp ::1 fe.example.com. AAAA"}; !slices.Equal(z.asked, want) {
			t.Errorf("asked %q", z.asked)
		}
	})
	l.await("ready", l.Ready)
}

// Only the rules that have the name under `resolve` are fed by it; their `clients`
// don't matter.
func TestResolveFeedsItsOwnRules(t *testing.T) {
	const other = "nftset other {\n set inet filter tiny4\n name fe.example.com\n}\n"
	l := (&lab{t: t}).above(other+strings.Replace(feRule, "resolve", "clients 192.0.2.1\n resolve", 1), newZone(t, fe4))
	l.await("the address", func() bool { return l.holds("web4", "198.51.100.1") })
	if l.elements("tiny4") != "" {
		t.Error("another rule is fed")
	}
	if m := l.ask("fe.example.com. A", false, false, fe4); len(m.Answer) != 1 || !l.holds("tiny4", "198.51.100.1") {
		t.Errorf("a client's question is another's: %v", m)
	}
}

// The answers that are good, and what the others are called.
func TestOwnAnswers(t *testing.T) {
	for _, test := range []struct {
		name   string
		zone   func(*zone)
		option string
		want   string // Why, or the addresses
	}{
		{"addresses", func(*zone) {}, "", "198.51.100.1"},
		{"truncated over UDP", func(z *zone) { z.big = true }, "", "198.51.100.1"},
		{"refused", func(z *zone) { z.rcode = dns.RcodeRefused }, "", "REFUSED"},
		{"failed", func(z *zone) { z.rcode = dns.RcodeServerFailure }, "", "SERVFAIL"},
		{"panic", func(z *zone) { z.panics = true }, "", "SERVFAIL"},
		{"acl drops", func(z *zone) { z.drops = true }, "", "no answer"},
		{"no such name", func(z *zone) { clear(z.records) }, "", "NXDOMAIN none"},
		{"no such type", func(z *zone) { z.records["fe.example.com."] = newZone(t, fe6).records["fe.example.com."] }, "", "NODATA none"},
		{"a loop", func(z *zone) {
			z.records["fe.example.com."] = newZone(t, "fe.example.com. 60 IN CNAME fe.example.com.").records["fe.example.com."]
		}, "", "broken chain of CNAMEs"},
		{"not validated", func(*zone) {}, "require validated\n", "not validated"},
		{"validated", func(z *zone) { z.ad = true }, "require validated\n", "198.51.100.1"},
		{"a refused address", func(z *zone) {
			z.records["fe.example.com."] = append(z.records["fe.example.com."], newZone(t, "fe.example.com. 60 IN A 10.0.0.1").records["fe.example.com."]...)
		}, "", "198.51.100.1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			z := newZone(t, fe4)
			test.zone(z)
			l := (&lab{t: t}).above(strings.Replace(feRule, "resolve", test.option+" resolve", 1), z)
			b, names, err := l.inst.resolving()
			if err != nil || len(names) != 1 {
				t.Fatal(names, err)
			}
			a := b.Ask(context.Background(), names[0].Key, resolve.IPv4)
			got := a.Why
			if a.None {
				got += " none"
			}
			if a.Walk != nil {
				got = strings.Join(words(a.Addrs), " ")
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
			z.change(func() {
				if z.big && !slices.Contains(z.asked, "tcp 127.0.0.1 fe.example.com. A") {
					t.Errorf("asked %q", z.asked)
				}
			})
		})
	}
}

// counted is a counter's sum over the series with this value of a label.
func counted(t *testing.T, name, label string) (sum float64) {
	t.Helper()
	families, err := prometheus.DefaultGatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetValue() == label {
					sum += m.GetCounter().GetValue()
				}
			}
		}
	}
	return sum
}

// What the policy refuses is counted, and found by who asks why, and is no part of
// what changes tell of.
func TestOwnRefusals(t *testing.T) {
	l := (&lab{t: t}).above(feRule, newZone(t, fe4, "fe.example.com. 60 IN A 10.0.0.1"))
	l.await("the address", func() bool { return l.holds("web4", "198.51.100.1") })
	private := netip.MustParseAddr("10.0.0.1")
	found := l.inst.shared().recent.find(private, "", 1)
	if len(found) != 1 || found[0].client.IsValid() || found[0].name != "fe.example.com." {
		t.Errorf("remembered %+v", found)
	}
	if n := counted(t, "coredns_nftset_refused_addresses_total", ownServer); n < 1 {
		t.Errorf("%v counted", n)
	}
	if whoAsked(found[0].client) != "namewall itself" {
		t.Error("nobody asked")
	}
}

// A plugin that looks something up itself finds a server to ask, and its look-up
// goes to the plugins below alone.
func TestOwnLookUps(t *testing.T) {
	z := newZone(t, fe4)
	_, prefix, err := net.ParseCIDR("2001:db8:64::/96")
	if err != nil {
		t.Fatal(err)
	}
	synthesis := &dns64.DNS64{Next: z, Prefix: prefix, Upstream: upstream.New()}
	l := (&lab{t: t}).above(feRule, synthesis)
	l.await("the synthesised address", func() bool { return l.holds("web6", "2001:db8:64::c633:6401") })
}

// A name is asked for through the block that a client's question would come to, of
// those that have the rule.
func TestBlockForAName(t *testing.T) {
	cfg := new(Config)
	parseIn := func(text string, keys ...string) *Handler {
		c := caddy.NewTestController("dns", text)
		c.ServerBlockKeys = keys
		b, err := parse(c, cfg, "")
		if err != nil {
			t.Fatal(err)
		}
		return &Handler{rules: b.Rules, zones: zonesOf(b.Keys)}
	}
	const text = "nftset in {\n set inet filter web4\n resolve fe.example.com fe.example.org\n}"
	i := newInstance(cfg, nil)
	i.handlers = []*Handler{
		parseIn("nftset {\n mode feed\n}", "dns://fe.example.com.:53"), // has no rule
		parseIn(text, "dns://.:53", "dns://example.net.:53"),
		parseIn(text, "tls://.:853"),
		parseIn(text, "dns://example.com.:53", "dns://10.in-addr.arpa.:53"),
	}
	for name, want := range map[string]int{"fe.example.com.": 3, "fe.example.org.": 1} {
		if got := i.blockFor(cfg.Rules[0], name); got != i.handlers[want] {
			t.Errorf("%s is asked for in block %d", name, slices.Index(i.handlers, got))
		}
	}
	i.handlers = i.handlers[3:]
	b, names, err := i.resolving()
	if err != nil || len(names) != 1 || len(b.names) != 1 || names[0].Name != "fe.example.com." {
		t.Errorf("%v, %v", names, err)
	}
}

// The gate's knowledge of a name reaches the resolver, of each address once for
// each of its keys.
func TestKnown(t *testing.T) {
	l := (&lab{t: t}).above(feRule, newZone(t, fe4))
	l.await("the address", func() bool { return l.holds("web4", "198.51.100.1") })
	names := []resolve.Name{{Key: resolve.Key{Rule: "in", Name: "fe.example.com."}}, {Key: resolve.Key{Rule: "in", Name: "x."}}}
	known(l.gate, names)
	if k := names[0].Known; len(k) != 1 || k[0].Addr != netip.MustParseAddr("198.51.100.1") || k[0].Left <= 0 || k[0].Age < 0 {
		t.Errorf("known %+v", k)
	}
	if len(names[1].Known) != 0 {
		t.Errorf("known %+v", names[1].Known)
	}
}

// When the process ends nothing is asked any more: forward stops after nftset.
func TestStopEndsQuestions(t *testing.T) {
	l := (&lab{t: t}).above(feRule, newZone(t, fe4))
	p := l.inst.shared()
	l.await("the address", func() bool { return l.holds("web4", "198.51.100.1") })
	if err := l.inst.stop(); err != nil {
		t.Fatal(err)
	}
	if s := p.resolver.Stats(); len(s) != 0 {
		t.Errorf("%v", s)
	}
}

// While the kernel can't take an address the resolver is told to come again.
func TestAdmissionFails(t *testing.T) {
	l := (&lab{t: t}).above(strings.Replace(feRule, "web4", "gone4\n wait 50ms", 1), newZone(t, fe4))
	b, names, err := l.inst.resolving()
	if err != nil {
		t.Fatal(err)
	}
	a := b.Ask(context.Background(), names[0].Key, resolve.IPv4)
	if err := b.Admit(context.Background(), names[0].Key, a.Walk, 0); err == nil || !strings.Contains(err.Error(), "gone4") {
		t.Errorf("%v", err)
	}
	l.ns.Command("table inet filter {\n set gone4 { type ipv4_addr; flags timeout; }\n}", "nft", "-f", "-")
	l.await("the address", func() bool { return l.holds("gone4", "198.51.100.1") })
}
