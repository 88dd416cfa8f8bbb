//go:build linux

package integration

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/integration/lab"
	"github.com/namewall/namewall/internal/control"
)

// Somebody can't connect. `namewall why` says what is in the way.
func TestWhy(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	l.Load(lab.Ruleset(`
	set open4  { type ipv4_addr; flags timeout; counter; size 65536; }
	set brief4 { type ipv4_addr; flags timeout; size 65536; }
	set ports4 { type ipv4_addr . inet_proto . inet_service; flags timeout; size 65536; }`, "ip daddr @open4 accept"))
	l.AcceptTCP(port)
	s := l.Script()
	s.Records(
		"www.open.test. 60 IN CNAME edge.cdn.test.", "edge.cdn.test. 60 IN A 198.51.100.1",
		"inside.open.test. 60 IN A 10.1.2.3",
		"not.open.test. 60 IN A 198.51.100.4",
		"a.brief.test. 1 IN A 198.51.100.5",
		"a.gone.test. 60 IN A 198.51.100.6",
		"a.ports.test. 60 IN A 198.51.100.7",
		"many.open.test. 60 IN A 203.0.113.1", "many.open.test. 60 IN A 203.0.113.2",
		"a.elsewhere.test. 60 IN A 198.51.100.9",
	)
	corefile := `
elsewhere.test {
	forward . ` + lab.Scripted + `
}
. {` + lab.Node + `
	nftset {
		` + lab.AllowWide + `
	}
	nftset open {
		set    inet filter open4
		name   *.open.test *.elsewhere.test
		except not.open.test
		limit  1
	}
	nftset brief {
		set      inet filter brief4
		name     *.brief.test
		lifetime 1s 1s 1s
	}
	nftset gone {
		set  inet filter open4
		name *.gone.test
	}
	nftset ports {
		set  inet filter ports4
		name *.ports.test tcp/443
	}
	nftset lost {
		set  inet filter lost4
		name *.lost.test
	}
	forward . ` + lab.Scripted + `
}`
	n := l.Namewall(corefile)
	for _, name := range []string{"www.open.test.", "inside.open.test.", "not.open.test.", "a.brief.test.", "a.gone.test.", "a.ports.test.", "many.open.test.", "a.elsewhere.test."} {
		ask(l, name, dns.TypeA)
	}
	if err := n.Reload(strings.Replace(corefile, "*.gone.test", "*.other.test", 1)); err != nil {
		t.Fatal(err)
	}
	lab.Until(t, healLimit, "what has left the configuration is revoked", func() error { return sameKeys(l, "open4", "198.51.100.1", "203.0.113.1") })
	lab.Until(t, healLimit*2, "the short life is over", func() error {
		out, _ := n.Asks("why", "198.51.100.5") // it exits with 1 by then
		return contains(out, "has expired")
	})
	for range 2 {
		if err := l.Connect(0, netip.MustParseAddr("198.51.100.1"), port); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		about []string
		code  int
		want  []string
	}{
		{[]string{"198.51.100.1"}, 0, []string{"198.51.100.1 is let through by\n", " left, promised for 1h", " packets of ", "    www.open.test > edge.cdn.test (rule open), asked ", "by 198.18.0.10", ", TTL 60 s\n"}},
		{[]string{"a.elsewhere.test"}, 1, []string{"rule open matches it, and the server block dns://elsewhere.test.:53 answers it\n    without that rule: import the rule there\n", "no rule matches it"}},
		{[]string{"WWW.open.test"}, 0, []string{"198.51.100.1 in inet filter open4", "rule open matches it in the server block dns://.:53"}},
		{[]string{"edge.cdn.test"}, 1, []string{"rule open matches it in the server block dns://.:53, as what www.open.test\n    leads to\n"}},
		{[]string{"10.1.2.3"}, 1, []string{"is in no set", "ago: 10.1.2.3, refused to 198.18.0.10 who asked for", "5 rules (open, brief, gone, …) would refuse it: it is a special-purpose"}},
		{[]string{"not.open.test"}, 1, []string{"rule open excepts it", "no rule matches it"}},
		{[]string{"198.51.100.4"}, 1, []string{"no answer has given it to anybody since"}},
		{[]string{"198.51.100.5"}, 1, []string{"198.51.100.5 in inet filter brief4 has expired; it was there for", "a.brief.test (rule brief), last asked by 198.18.0.10"}},
		{[]string{"a.gone.test"}, 1, []string{"no rule matches it", "198.51.100.6 in inet filter open4 was revoked"}},
		{[]string{"198.51.100.7", "tcp/443"}, 0, []string{"198.51.100.7 . tcp/443 in inet filter ports4"}},
		{[]string{"198.51.100.7", "tcp/80"}, 1, []string{"198.51.100.7 . tcp . 443 is in inet filter ports4: that is another service"}},
		{[]string{"many.open.test"}, 0, []string{"203.0.113.1 in inet filter open4", "203.0.113.2, refused to", "limit of 1 addresses"}},
		{[]string{"a.lost.test"}, 1, []string{"rule lost matches it", "rule lost: set inet filter lost4: "}},
	} {
		out := tells(t, n, test.code, append([]string{"why"}, test.about...)...)
		if err := contains(out, test.want...); err != nil {
			t.Errorf("why %v: %v", test.about, err)
		}
		for line := range strings.Lines(out) {
			if len(line) > 81 {
				t.Errorf("why %v: a line has more than 80 columns: %s", test.about, line)
			}
		}
	}
	l.NFT("delete element inet filter ports4 { 198.51.100.7 . tcp . 443 }")
	lab.Until(t, healLimit, "what was deleted is back", func() error {
		return contains(tells(t, n, 0, "why", "198.51.100.7"), " left, promised for")
	})
	var why control.Why
	decoded(t, tells(t, n, 0, "why", "198.51.100.1", "--json"), &why)
	if e := why.Elements[0]; e.Packets == nil || *e.Packets < 2 || e.Bytes == nil || *e.Bytes < *e.Packets*40 || e.Held.Before(*e.Promised) {
		t.Errorf("%+v", e)
	}
	if r := why.Elements[0].Reasons[0]; r.TTL != 60 {
		t.Errorf("%+v", r)
	}
	for _, wrong := range [][]string{{"why"}, {"why", "a.test", "443", "x"}} {
		tells(t, n, 2, wrong...)
	}
	for _, wrong := range [][]string{{"why", "a..test"}, {"why", "a.test", "443"}, {"why", "a.test", "--client", "me"}} {
		tells(t, n, 1, wrong...)
	}
}
