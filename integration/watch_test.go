//go:build linux

package integration

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/integration/lab"
	"github.com/namewall/namewall/internal/control"
)

// What happens is shown as it happens, and written to the grant log: who was
// admitted and for whom, what was refused, put back and revoked.
func TestWatchAndLog(t *testing.T) {
	t.Parallel()
	l, s := newOpenLab(t)
	s.Records("www.open.test. 60 IN CNAME edge.cdn.test.", "edge.cdn.test. 60 IN A 198.51.100.1", "inside.open.test. 60 IN A 10.1.2.3")
	file := filepath.Join(t.TempDir(), "log", "grants.log")
	corefile := ". {" + lab.Node + strings.Replace(openRule, "nftset {", "nftset {\n\t\tlog "+file, 1) + "\nforward . " + lab.Scripted + "\n}"
	n := l.Namewall(corefile)
	watch := n.Watches("watch")
	refusals := n.Watches("watch", "--json", "--kind", "refused")
	lab.Until(t, healLimit, "the watchers listen", func() error {
		ask(l, "inside.open.test.", dns.TypeA)
		return contains(watch.Output()+refusals.Output(), " refused ", `"kind":"refused"`)
	})
	answers(t, l, "www.open.test.", dns.TypeA, "198.51.100.1")
	l.NFT("flush set inet filter open4")
	lab.Until(t, healLimit, "the set is filled again", func() error { return sameKeys(l, "open4", "198.51.100.1") })
	if err := n.Reload(strings.Replace(corefile, "*.open.test", "*.other.test", 1)); err != nil {
		t.Fatal(err)
	}
	lab.Until(t, healLimit, "all of it is shown", func() error {
		return contains(watch.Output(),
			"  refused   inside.open.test: 10.1.2.3: rule open: special-purpose address 10.1.2.3 refused, asked by 198.18.0.10\n",
			"  admitted  www.open.test (rule open): 198.51.100.1 in inet filter open4 for 1h1m, asked by 198.18.0.10\n",
			"  healed    inet filter open4: 1 element put back after ", "s, last changed by nft (pid ",
			"  revoked   www.open.test (rule open): 198.51.100.1 in inet filter open4\n")
	})
	for line := range strings.Lines(refusals.Output()) {
		var e control.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Kind != control.EventRefused || e.Cause != "special" || e.Rule != "open" {
			t.Errorf("%v: %s", err, line)
		}
	}

	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	kinds := make(map[string]int)
	for line := range strings.Lines(string(text)) {
		var e control.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Errorf("%v: %s", err, line)
		}
		kinds[e.Kind]++
		if e.Kind == control.EventAdmitted && (strings.Join(e.Chain, " ") != "www.open.test. edge.cdn.test." || e.Client != "198.18.0.10" || e.Until == nil) {
			t.Errorf("%s", line)
		}
	}
	for _, kind := range []string{control.EventAdmitted, control.EventRefused, control.EventHealed, control.EventRevoked} {
		if kinds[kind] == 0 {
			t.Errorf("no %s in the log:\n%s", kind, text)
		}
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	for _, p := range []*lab.Process{watch, refusals} {
		p.Kill()
	}
}
