//go:build linux

package integration

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/integration/lab"
)

// openCorefile is a gateway with the open rule; lines are the plugins that make
// the answers.
func openCorefile(lines string) string {
	return `
. {` + lab.Node + openRule + lines + `
	forward . ` + lab.Scripted + ` {
		max_fails 0
	}
}`
}

// Whatever plugin makes or changes an answer, the firewall knows the addresses
// that the client gets.
func TestEverySourceOfAnswersCounts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		plugin, lines, name string
		qtype               uint16
		want                string
	}{
		{"hosts", "hosts {\n203.0.113.5 a.open.test\n fallthrough\n}", "a.open.test.", dns.TypeA, "203.0.113.5"},
		{"template", "template IN A a.open.test {\nanswer \"{{ .Name }} 60 IN A 203.0.113.6\"\n}", "a.open.test.", dns.TypeA, "203.0.113.6"},
		{"rewrite", "rewrite name a.open.test elsewhere.test", "a.open.test.", dns.TypeA, "203.0.113.7"},
		{"rewritten-answer", "rewrite name regex (.*)\\.open\\.test {1}.test answer auto", "elsewhere.open.test.", dns.TypeA, "203.0.113.7"},
		{"dns64", "dns64 {\nprefix 64:ff9b::/96\nallow_ipv4\n}", "four.open.test.", dns.TypeAAAA, "64:ff9b::cb00:7108"},
		{"forward", "", "four.open.test.", dns.TypeA, "203.0.113.8"},
	} {
		t.Run(test.plugin, func(t *testing.T) {
			t.Parallel()
			l, s := newOpenLab(t)
			s.Records(
				"elsewhere.test. 60 IN A 203.0.113.7",
				"four.open.test. 60 IN A 203.0.113.8",
			)
			l.Namewall(openCorefile(test.lines))
			barred(t, l, 0, test.want, port)
			answers(t, l, test.name, test.qtype, test.want)
			reaches(t, l, 0, test.want, port)
		})
	}
}

// A client may connect to the address hints of an HTTPS record without ever
// asking for A or AAAA (RFC 9460 section 7.3).
func TestServiceHintsCount(t *testing.T) {
	t.Parallel()
	l, s := newOpenLab(t)
	s.Records("a.open.test. 60 IN HTTPS 1 . alpn=h2 ipv4hint=203.0.113.9 ipv6hint=2001:db8:100::9")
	l.Namewall(openCorefile(""))
	m := ask(l, "a.open.test.", dns.TypeHTTPS)
	if len(m.Answer) != 1 {
		t.Fatalf("no HTTPS record:\n%v", m)
	}
	reaches(t, l, 0, "203.0.113.9", port)
	reaches(t, l, 0, "2001:db8:100::9", port)
}

// busyTime is how long the tests below keep asking: longer than an element
// lives under shortLives for an answer with a TTL of a second.
const busyTime = 14 * time.Second

// shortLives is a rule whose elements live hardly longer than the answers: the
// slack, the grace and what the kernel is given beyond the deadline are some
// eight seconds.
const shortLives = `
	nftset {
		` + lab.AllowWide + `
	}
	nftset open {
		set      inet filter open4
		set      inet filter open6
		name     *.open.test
		lifetime 1s 24h 1s
	}
`

// keepAsking resolves name at the gateway and connects to what it got, over and
// over. It returns how often each address was answered.
func keepAsking(t *testing.T, l *lab.Lab, name string) map[netip.Addr]int {
	t.Helper()
	return keepConnecting(t, l, func() []netip.Addr { return lab.Addrs(ask(l, name, dns.TypeA)) })
}

// keepConnecting calls resolve and connects to what it returns, over and over
// for busyTime. It fails if an answer is empty or a packet is dropped.
func keepConnecting(t *testing.T, l *lab.Lab, resolve func() []netip.Addr) map[netip.Addr]int {
	t.Helper()
	seen := map[netip.Addr]int{}
	before := l.Drops()
	tries := 0
	for end := time.Now().Add(busyTime); time.Now().Before(end); <-time.After(50 * time.Millisecond) {
		addrs := resolve()
		if len(addrs) == 0 {
			t.Errorf("after %d connections: an answer without addresses", tries)
		}
		for _, addr := range addrs {
			seen[addr]++
			tries++
			if err := l.Connect(0, addr, port); err != nil {
				t.Errorf("after %d connections: %v", tries, err)
			}
		}
	}
	drops := l.Drops().Sub(before)
	t.Logf("%d connections tried to %d addresses, dropped %+v", tries, len(seen), drops)
	if drops != (lab.Drops{}) {
		t.Errorf("dropped %+v", drops)
	}
	return seen
}

// An answer from the cache keeps the address open just as the first one did,
// also where the cache holds it for longer than the upstream said.
func TestCachedAnswersCount(t *testing.T) {
	t.Parallel()
	l, s := newOpenLab(t)
	s.Records("a.open.test. 1 IN A 198.51.100.1")
	l.Namewall(`
. {` + lab.Node + shortLives + `
	cache {
		success 1000 3600 60
	}
	forward . ` + lab.Scripted + `
}`)
	keepAsking(t, l, "a.open.test.")
	if asked := s.Asked("a.open.test.", dns.TypeA); asked != 1 {
		t.Errorf("the upstream was asked %d times: the cache was not used", asked)
	}
}

// Addresses that a prefetch brought in, unseen by the plugin, are in the set
// before the first answer that has them.
func TestPrefetchedAnswersCount(t *testing.T) {
	t.Parallel()
	l, s := newOpenLab(t)
	var asked atomic.Int64
	s.Handle("a.open.test.", func(q *dns.Msg) *dns.Msg {
		record := fmt.Sprintf("a.open.test. 4 IN A 198.51.100.%d", asked.Add(1))
		return lab.Reply(q, lab.RRs(t, record)...)
	})
	n := l.Namewall(`
. {` + lab.Node + shortLives + `
	cache {
		success 1000 3600 1
		prefetch 1 1m 60%
	}
	forward . ` + lab.Scripted + `
}`)
	seen := keepAsking(t, l, "a.open.test.")
	if prefetched := n.Metric("coredns_cache_prefetch_total"); prefetched == 0 || len(seen) < 2 {
		t.Errorf("%v prefetches, addresses %v: there was nothing to see", prefetched, seen)
	}
}

// While the upstream is down and the cache serves what has expired, the
// addresses stay open for who goes on asking.
func TestStaleAnswersCount(t *testing.T) {
	t.Parallel()
	l, s := newOpenLab(t)
	s.Records("a.open.test. 1 IN A 198.51.100.1")
	n := l.Namewall(`
. {` + lab.Node + shortLives + `
	cache {
		success 1000 3600 1
		serve_stale 1h immediate
	}
	forward . ` + lab.Scripted + ` {
		max_fails 0
	}
}`)
	answers(t, l, "a.open.test.", dns.TypeA, "198.51.100.1")
	s.SetDown(true)
	keepAsking(t, l, "a.open.test.")
	if stale := n.Metric("coredns_cache_served_stale_total"); stale == 0 {
		t.Error("no stale answer was served: there was nothing to see")
	}
}
