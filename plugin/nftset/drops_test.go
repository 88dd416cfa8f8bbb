package nftset

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/test"
	"github.com/miekg/dns"

	"github.com/namewall/namewall/internal/drops"
	"github.com/namewall/namewall/internal/gate"
	"github.com/namewall/namewall/internal/nflog"
	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
	"github.com/namewall/namewall/internal/told"
)

// watched is a lab in which it matters what clients are told.
func watched(t testing.TB, corefile string) (*lab, *joiner) {
	t.Helper()
	l := newLab(t, corefile)
	d := l.inst.shared().drops
	d.netns = l.ns.FD()
	group := uint16(7)
	d.use(&group)
	t.Cleanup(d.close)
	return l, &joiner{dropped: d, told: d.inbox.Load().Ledger, reading: func() {}}
}

// asker9 is who asks in the labs (test.ResponseWriter).
var asker9 = netip.MustParseAddr("10.240.0.1")

// told waits until the client was told something of an address.
func (l *lab) told(j *joiner, addr string) told.Told {
	l.t.Helper()
	var last told.Told
	l.await("what was told of "+addr, func() (ok bool) {
		last, ok = j.told.Of(asker9, netip.MustParseAddr(addr))
		return ok
	})
	return last
}

// What clients are told is noted, whether a rule is about it or not, with what
// became of it; and the answer is what it is without.
func TestTold(t *testing.T) {
	l, j := watched(t, "nftset web {\n name *.example.com\n set inet filter web4\n wait 20s\n}")
	for _, tc := range []struct {
		question, record, answer, addr, want string
	}{
		{"www.example.com. A", "www.example.com. 300 IN A 198.51.100.1", "NOERROR 198.51.100.1", "198.51.100.1", "www.example.com. web promised"},
		{"ten.example.com. A", "ten.example.com. 300 IN A 10.0.0.1", "NOERROR", "10.0.0.1", "ten.example.com. web special"},
		{"pass.example.com. A", "pass.example.com. 300 IN A 172.16.0.1", "NOERROR 172.16.0.1", "172.16.0.1", "pass.example.com. web passed"},
		{"Www.Example.org. A", "www.example.org. 300 IN A 198.51.100.2", "NOERROR 198.51.100.2", "198.51.100.2", "www.example.org.  unjudged"},
		{"six.example.org. AAAA", "six.example.org. 300 IN AAAA 2001:db8::2", "NOERROR 2001:db8::2", "2001:db8::2", "six.example.org.  unjudged"},
		{"svc.example.org. HTTPS", `svc.example.org. 300 IN HTTPS 1 . ipv4hint="198.51.100.3" ipv6hint="2001:db8::3"`, `NOERROR 1 . ipv4hint="198.51.100.3" ipv6hint="2001:db8::3"`, "2001:db8::3", "svc.example.org.  unjudged"},
		{"srv.example.org. SRV", "extra target.example.org. 300 IN A 198.51.100.4", "NOERROR", "198.51.100.4", "srv.example.org.  unjudged"},
	} {
		m := l.ask(tc.question, false, false, tc.record)
		if got := show(m); got != tc.answer {
			t.Errorf("%s: %s, want %s", tc.question, got, tc.answer)
		}
		last := l.told(j, tc.addr)
		if got := strings.Join([]string{last.Name, last.Rule, last.Fate.String()}, " "); got != tc.want {
			t.Errorf("%s: told %q, want %q", tc.question, got, tc.want)
		}
		if last.TTL != 5*time.Minute {
			t.Errorf("%s: TTL %v", tc.question, last.TTL)
		}
	}
	many := make([]string, 20)
	for i := range many {
		many[i] = "many.example.org. 300 IN A 203.0.113." + string(rune('0'+i/10)) + string(rune('0'+i%10))
	}
	many = many[10:] // .10 to .19
	l.ask("many.example.org. A", false, false, many...)
	l.told(j, "203.0.113.19")
	l.told(j, "203.0.113.10")
}

// An answer that was packed by a plugin below is noted too, and one that could not
// be written is not.
func TestToldWritten(t *testing.T) {
	l, j := watched(t, "nftset web {\n name *.example.com\n set inet filter web4\n}")
	m := new(dns.Msg).SetQuestion("www.example.org.", dns.TypeA)
	m.Answer = []dns.RR{test.A("www.example.org. 300 IN A 198.51.100.5")}
	packed, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	l.next = plugin.HandlerFunc(func(_ context.Context, w dns.ResponseWriter, _ *dns.Msg) (int, error) {
		_, err := w.Write(packed)
		return 0, err
	})
	r := new(dns.Msg).SetQuestion("www.example.org.", dns.TypeA)
	if _, err := l.ServeDNS(t.Context(), &test.ResponseWriter{}, r); err != nil {
		t.Fatal(err)
	}
	l.told(j, "198.51.100.5")

	broken := errors.New("broken pipe")
	m.Answer = []dns.RR{test.A("www.example.org. 300 IN A 198.51.100.6")}
	l.next = plugin.HandlerFunc(func(_ context.Context, w dns.ResponseWriter, _ *dns.Msg) (int, error) { return 0, w.WriteMsg(m) })
	if _, err := l.ServeDNS(t.Context(), failing{broken}, r); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
	l.next = plugin.HandlerFunc(l.answer)
	l.ask("last.example.org. A", false, false, "last.example.org. 300 IN A 198.51.100.7")
	l.told(j, "198.51.100.7")
	if _, ok := j.told.Last(netip.MustParseAddr("198.51.100.6")); ok {
		t.Error("an answer that nobody got is noted")
	}
}

type failing struct{ err error }

func (f failing) WriteMsg(*dns.Msg) error   { return f.err }
func (f failing) Write([]byte) (int, error) { return 0, f.err }
func (failing) LocalAddr() net.Addr         { return remote }
func (failing) RemoteAddr() net.Addr        { return remote }
func (failing) Close() error                { return nil }
func (failing) TsigStatus() error           { return nil }
func (failing) TsigTimersOnly(bool)         {}
func (failing) Hijack()                     {}

// Without `drops` an answer that no rule is about gets the client's own writer.
func TestUntouchedWithoutDrops(t *testing.T) {
	l := newLab(t, "nftset web {\n name *.example.com\n set inet filter web4\n}")
	q := &work{Question: gate.Question{Name: "www.example.org."}}
	w := &test.ResponseWriter{}
	if got := l.observe(t.Context(), w, q); got != w {
		t.Errorf("the next plugin gets %T", got)
	}
}

// Each packet is joined with what is known of its addresses.
func TestJoin(t *testing.T) {
	l, j := watched(t, `nftset web {
 name *.example.com
 set inet filter web4
 wait 20s
}
nftset ports {
 name *.ports.test tcp/443
 set inet filter ports4
 wait 20s
}`)
	l.ns.Nft("table inet filter {\n set ports4 { type ipv4_addr . inet_proto . inet_service; flags timeout; size 1024; }\n}")
	l.await("the set", func() bool { return len(l.gate.Problems()) == 0 })
	for question, record := range map[string]string{
		"www.example.com. A":  "www.example.com. 300 IN A 198.51.100.1",
		"ten.example.com. A":  "ten.example.com. 300 IN A 10.0.0.1",
		"meta.example.com. A": "meta.example.com. 300 IN A 169.254.169.254",
		"pass.example.com. A": "pass.example.com. 300 IN A 172.16.0.1",
		"www.example.org. A":  "www.example.org. 300 IN A 198.51.100.2",
		"a.ports.test. A":     "a.ports.test. 300 IN A 198.51.100.3",
	} {
		l.ask(question, false, false, record)
		l.told(j, strings.Fields(record)[4])
	}
	other := told.Answer{Client: netip.MustParseAddr("192.0.2.77"), Name: "other.example.org."}
	other.Add(netip.MustParseAddr("198.51.100.4"), 60, gate.Unjudged)
	j.told.Note(&other, time.Now().Add(-time.Minute))
	own := told.Answer{Name: "fe.vendor.test.", Rule: "web"} // that namewall keeps resolved
	own.Add(netip.MustParseAddr("203.0.113.9"), 60, gate.Special)
	j.told.Note(&own, time.Now())
	const tcp443 = 443
	for _, tc := range []struct {
		src, dst string
		port     uint16
		want     string
	}{
		{"10.240.0.1", "198.51.100.2", tcp443, "out 10.240.0.1 www.example.org, asked 0s ago, matches no rule"},
		{"10.240.0.2", "198.51.100.2", tcp443, "out 10.240.0.2 www.example.org, asked 0s ago by 10.240.0.1, matches no rule"},
		{"10.240.0.1", "198.51.100.4", tcp443, "out 10.240.0.1 other.example.org, asked 1m ago by 192.0.2.77, matches no rule"},
		{"10.240.0.1", "10.0.0.1", tcp443, "out 10.240.0.1 ten.example.com (rule web), asked 0s ago, refused as private"},
		{"10.240.0.1", "169.254.169.254", 80, "out 10.240.0.1 meta.example.com (rule web), asked 0s ago, refused as a special-purpose address"},
		{"10.240.0.1", "172.16.0.1", tcp443, "out 10.240.0.1 pass.example.com (rule web), asked 0s ago, passed on without being opened (a 'pass' line)"},
		{"10.240.0.1", "198.51.100.1", tcp443, "out 10.240.0.1 www.example.com (rule web), asked 0s ago, is in the set: the ruleset drops it all the same"},
		{"10.240.0.1", "198.51.100.3", tcp443, "out 10.240.0.1 a.ports.test (rule ports), asked 0s ago, is in the set: the ruleset drops it all the same"},
		{"10.240.0.1", "198.51.100.3", 8443, "out 10.240.0.1 a.ports.test (rule ports), asked 0s ago, the rule opens other ports"},
		{"10.240.0.1", "203.0.113.1", tcp443, "out 10.240.0.1 never in DNS since"},
		{"203.0.113.9", "192.168.1.1", tcp443, "in 192.168.1.1 fe.vendor.test (rule web), asked 0s ago, refused as a special-purpose address"},
		{"203.0.113.9", "198.18.0.1", tcp443, "in 198.18.0.1 fe.vendor.test (rule web), asked 0s ago, refused as a special-purpose address"}, // which is known by its name alone
		{"203.0.113.1", "192.168.1.1", tcp443, "in 192.168.1.1 never in DNS since"},
		{"203.0.113.1", "203.0.113.2", tcp443, "out 203.0.113.1 never in DNS since"},
		{"192.0.2.77", "203.0.113.1", tcp443, "out 192.0.2.77 never in DNS since"},
	} {
		p := j.join(nflog.Packet{Src: netip.MustParseAddr(tc.src), Dst: netip.MustParseAddr(tc.dst), Proto: 6, DstPort: tc.port}, time.Now())
		d := drops.NewTable().Add(p)
		if got := direction(d.Inbound) + " " + d.From.String() + " " + dropText(&d, "ago"); !strings.HasPrefix(got, tc.want) {
			t.Errorf("%s > %s %d: %s\nwant %s", tc.src, tc.dst, tc.port, got, tc.want)
		}
	}

	// What leaves the configuration is revoked.
	next := l.gate.Stage(mustParse(t, with("name other.test")).Rules, rule.Site{Own: nothing{}})
	next.Start()
	l.inst.current.Load().active.Stop()
	l.await("the revocation", func() bool {
		p := j.join(nflog.Packet{Src: asker9, Dst: netip.MustParseAddr("198.51.100.1"), Proto: 6, DstPort: tcp443}, time.Now())
		return p.Cause == "revoked" && !p.Ended.IsZero() && p.Name == "www.example.com."
	})
}

// The drops are kept over a restart, whatever is in their file.
func TestDropsFile(t *testing.T) {
	var kept []byte
	d := &dropped{table: drops.NewTable(), keep: func(name string, content []byte) error {
		if name != dropsFile {
			t.Errorf("kept as %s", name)
		}
		kept = content
		return nil
	}}
	d.save()
	if kept != nil {
		t.Error("nothing is saved")
	}
	p := drops.Packet{At: time.Now(), Remote: netip.MustParseAddr("198.51.100.1")}
	p.Key = drops.Key{Client: drops.ClientOf(asker9), Name: "a.test.", Service: set.Service{Proto: 6, Port: 443}, Cause: "no_rule"}
	p.From, p.AskedBy, p.Asked = asker9, netip.MustParseAddr("192.0.2.1"), time.Now()
	d.table.Add(p)
	d.save()
	next := &dropped{table: drops.NewTable()}
	next.restore(kept)
	was, is := d.table.All(), next.table.All()
	if len(is) != 1 || is[0].Key != was[0].Key || is[0].Count != 1 || !is[0].Last.Equal(was[0].Last) || is[0].AskedBy != was[0].AskedBy {
		t.Errorf("%+v, was %+v", is, was)
	}
	for _, bad := range [][]byte{kept[:len(kept)-5], []byte("x"), append([]byte{}, kept[1:]...)} {
		next := &dropped{table: drops.NewTable()}
		if next.restore(bad); len(next.table.All()) > 0 {
			t.Errorf("%x is read", bad)
		}
	}
	kept = nil
	if d.save(); kept != nil {
		t.Error("saved without a change")
	}
	d.keep = func(string, []byte) error { return os.ErrPermission }
	d.table.Add(p)
	d.save()
	d.keep = func(string, []byte) error { kept = []byte("x"); return nil }
	if d.save(); kept == nil {
		t.Error("what could not be saved is not tried again")
	}
}

// What an answer that no rule is about costs while it matters what clients are told,
// beside what it costs without.
func BenchmarkTold(b *testing.B) {
	l, _ := watched(b, "nftset web {\n name *.example.com\n set inet filter web4\n}")
	r := new(dns.Msg).SetQuestion("www.example.org.", dns.TypeA)
	m := new(dns.Msg).SetReply(r)
	m.Answer = []dns.RR{test.A("www.example.org. 60 IN A 198.51.100.1"), test.A("www.example.org. 60 IN A 198.51.100.2")}
	l.next = plugin.HandlerFunc(func(_ context.Context, w dns.ResponseWriter, _ *dns.Msg) (int, error) {
		return dns.RcodeSuccess, w.WriteMsg(m)
	})
	w := &discard{}
	ctx := context.Background()
	run := func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = l.ServeDNS(ctx, w, r)
		}
	}
	b.Run("told", run)
	d := l.inst.shared().drops
	d.close()
	b.Run("untouched", run)
}
