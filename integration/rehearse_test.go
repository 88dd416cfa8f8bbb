//go:build linux

package integration

import (
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/integration/lab"
	"github.com/namewall/namewall/internal/control"
)

// `namewall test` says what would become of an answer, changes nothing, and is
// right: the question that a client then asks goes that way.
func TestRehearse(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	l.Load(lab.Ruleset(`
	set open4  { type ipv4_addr; flags timeout; size 65536; }
	set tiny4  { type ipv4_addr; flags timeout; size 1; }
	set pairs4 { type ipv4_addr . ipv4_addr . inet_proto . inet_service; flags timeout; size 65536; }`, ""))
	s := l.Script()
	s.Records(
		"www.open.test. 60 IN CNAME edge.cdn.test.", "edge.cdn.test. 60 IN A 198.51.100.1",
		"edge.cdn.test. 60 IN AAAA 2001:db8:100::1",
		"mixed.open.test. 60 IN A 198.51.100.2", "mixed.open.test. 60 IN A 10.1.2.3",
		"inside.open.test. 60 IN A 10.1.2.3",
		"not.open.test. 60 IN A 198.51.100.4",
		"split.open.test. 60 IN A 172.16.0.1",
		"a.pairs.test. 60 IN A 198.51.100.5",
		"a.feed.test. 60 IN A 10.1.2.3",
		"a.lost.test. 60 IN A 198.51.100.6",
		"a.tiny.test. 60 IN A 198.51.100.7", "b.tiny.test. 60 IN A 198.51.100.8",
		"a.elsewhere.test. 60 IN A 198.51.100.9",
		"a.view.test. 60 IN A 198.51.100.10",
	)
	corefile := `
(rules) {
	nftset open {
		set    inet filter open4
		name   *.open.test *.elsewhere.test *.view.test
		except not.open.test
		pass   172.16.0.0/12
	}
	nftset pairs {
		set     inet filter pairs4
		name    *.pairs.test tcp/443
		clients 198.18.0.0/24
	}
	nftset feed {
		set  inet filter open4
		name *.feed.test
		mode feed
	}
	nftset lost {
		set  inet filter lost4
		name *.lost.test
	}
	nftset tiny {
		set  inet filter tiny4
		name *.tiny.test
	}
	forward . ` + lab.Scripted + `
}
elsewhere.test {
	forward . ` + lab.Scripted + `
}
view.test {
	view inside {
		expr incidr(client_ip(), '198.18.0.0/24')
	}
	import rules
}
view.test {
	forward . ` + lab.Scripted + `
}
. {` + lab.Node + `
	nftset {
		` + lab.AllowWide + `
	}
	import rules
}`
	n := l.Namewall(corefile)
	answers(t, l, "a.tiny.test.", dns.TypeA, "198.51.100.7")
	commits := n.Metric("coredns_nftset_commit_elements_count")
	for _, test := range []struct {
		about []string
		code  int
		want  []string
	}{
		{[]string{"www.open.test"}, 0, []string{
			"www.open.test A, asked by 127.0.0.1\nserver block dns://.:53\n  rule open matches it\n  the answer is NOERROR, www.open.test > edge.cdn.test\n",
			"  198.51.100.1, TTL 60 s: promised\n    rule open: in inet filter open4, added for 1h1m\n  the client gets all of it\n",
		}},
		{[]string{"WWW.open.test.", "--type", "aaaa"}, 1, []string{
			"2001:db8:100::1, TTL 60 s: no family\n    rule open: no set of this address family\n",
			"the client gets no address, with Extended DNS Error 17 (Filtered): nftset:\n    rule open: no set of this address family\n",
		}},
		{[]string{"mixed.open.test"}, 1, []string{"198.51.100.2, TTL 60 s: promised", "10.1.2.3, TTL 60 s: special\n    rule open: special-purpose address 10.1.2.3 refused\n", "the client gets the rest of it, with Extended DNS Error 17"}},
		{[]string{"split.open.test"}, 0, []string{"172.16.0.1, TTL 60 s: passed\n    rule open: passes, without being in a set\n  the client gets all of it\n"}},
		{[]string{"not.open.test"}, 1, []string{"  rule open excepts it\n  no rule matches: it is answered as if there were none\n"}},
		{[]string{"a.pairs.test"}, 1, []string{"rule pairs matches it for other clients, for tcp/443\n", "no rule matches: "}},
		{[]string{"a.pairs.test", "--client", "198.18.0.10"}, 0, []string{"asked by 198.18.0.10\n", "rule pairs: in inet filter pairs4 for 198.18.0.10, tcp/443, added for 1h1m\n"}},
		{[]string{"a.feed.test"}, 1, []string{"rule feed matches it, and only feeds\n", "the client gets all of it, as no rule enforces; else it would get no address\n"}},
		{[]string{"a.lost.test"}, 1, []string{"198.51.100.6, TTL 60 s: not ready\n    rule lost: set inet filter lost4: ", "the client gets SERVFAIL, with Extended DNS Error 14 (Not Ready)"}},
		{[]string{"a.tiny.test"}, 0, []string{"rule tiny: in inet filter tiny4, where it is for 1h"}},
		{[]string{"b.tiny.test"}, 1, []string{"198.51.100.8, TTL 60 s: full\n    rule tiny: set inet filter tiny4 is full\n", "SERVFAIL, with Extended DNS Error 0"}},
		{[]string{"a.elsewhere.test"}, 1, []string{"server block dns://elsewhere.test.:53\n  has no rules: the firewall is told nothing"}},
		{[]string{"a.view.test"}, 1, []string{"server block dns://view.test.:53\n  has no rules"}},
		{[]string{"a.view.test", "--client", "198.18.0.10"}, 0, []string{"server block dns://view.test.:53, view inside\n  rule open matches it\n"}},
		{[]string{"none.open.test"}, 1, []string{"the answer is NXDOMAIN\n  the client gets it as it is, without an address\n"}},
	} {
		out := tells(t, n, test.code, append([]string{"test"}, test.about...)...)
		if err := contains(out, test.want...); err != nil {
			t.Errorf("test %v: %v", test.about, err)
		}
		for line := range strings.Lines(out) {
			if len(line) > 81 {
				t.Errorf("test %v: a line has more than 80 columns: %s", test.about, line)
			}
		}
	}
	if err := sameKeys(l, "open4"); err != nil {
		t.Error(err)
	}
	if now := n.Metric("coredns_nftset_commit_elements_count"); now != commits {
		t.Errorf("%v commits, %v before", now, commits)
	}
	if asked := n.Metric("coredns_nftset_answers_total"); asked != 1 {
		t.Errorf("%v answers were counted, one was given", asked)
	}
	tells(t, n, 1, "why", "www.open.test")

	var tested control.Test
	decoded(t, tells(t, n, 0, "test", "www.open.test", "--json"), &tested)
	if len(tested.Blocks) != 1 || len(tested.Blocks[0].Addresses) != 1 || tested.Blocks[0].Addresses[0].Steps[0].Written != 3660 {
		t.Errorf("%+v", tested)
	}
	answers(t, l, "www.open.test.", dns.TypeA, "198.51.100.1")
	answers(t, l, "mixed.open.test.", dns.TypeA, "198.51.100.2")
	for _, wrong := range [][]string{{"test"}, {"test", "a.test", "b.test"}, {"test", "--typ", "A", "a.test"}} {
		tells(t, n, 2, wrong...)
	}
	for _, wrong := range [][]string{{"test", "*.open.test"}, {"test", "a..test"}, {"test", "a.test", "--type", "AXFR"}, {"test", "a.test", "--client", "me"}} {
		tells(t, n, 1, wrong...)
	}
}
