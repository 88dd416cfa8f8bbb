//go:build linux

package integration

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/integration/lab"
)

// A reboot empties the sets and keeps the state file. Clients that cached their
// answers connect without asking again: their first packets get through as soon
// as the resolver takes questions.
func TestReboot(t *testing.T) {
	t.Parallel()
	l, s := newOpenLab(t)
	s.Records("a.open.test. 3600 IN A 198.51.100.1", "b.open.test. 3600 IN A 198.51.100.2")
	state := filepath.Join(t.TempDir(), "state")
	rule := strings.Replace(openRule, "nftset {", "nftset {\n\t\tstate "+state, 1)
	corefile := ". {" + lab.Node + rule + "\nforward . " + lab.Scripted + "\n}"
	n := l.Namewall(corefile)
	answers(t, l, "a.open.test.", dns.TypeA, "198.51.100.1")
	answers(t, l, "b.open.test.", dns.TypeA, "198.51.100.2")
	before := l.Elements("open4")
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}

	l.Load("flush ruleset")
	l.Load(lab.Ruleset(openSets, openRules))
	barred(t, l, 0, "198.51.100.1", port)

	n = l.Namewall(corefile)
	reaches(t, l, 0, "198.51.100.1", port)
	reaches(t, l, 0, "198.51.100.2", port)
	after := l.Elements("open4")
	if len(after) != len(before) {
		t.Fatalf("%d elements, %d before", len(after), len(before))
	}
	for i := range after {
		if after[i].Expires > before[i].Expires {
			t.Errorf("%v lives for %v now, it was %v", after[i].Key, after[i].Expires, before[i].Expires)
		}
	}
	if failures := n.Metric("coredns_nftset_state_failures_total"); failures != 0 {
		t.Errorf("%v failures", failures)
	}

	// A configuration that no longer has the name takes nothing over.
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	l.Load("flush ruleset")
	l.Load(lab.Ruleset(openSets, openRules))
	l.Namewall(strings.Replace(corefile, "*.open.test", "*.other.test", 1))
	barred(t, l, 0, "198.51.100.1", port)
}
