//go:build linux

package integration

import (
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/integration/lab"
)

// reloadCorefile is a gateway with the bulk rule and one more, so that a reload
// has something to change.
func reloadCorefile(names string) string {
	return `
. {` + lab.Node + `
	nftset {
		` + lab.AllowWide + `
	}` + bulkRule + `
	nftset more {
		set  inet filter more4
		resolve ` + names + `
	}
	cache
	forward . ` + lab.Scripted + `
}`
}

// While the Corefile is loaded anew fifty times, every fifth time one that is
// wrong, every answer arrives and every first packet gets through. A reload that
// fails changes nothing.
func TestCorefileReloads(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	l.Load(lab.Ruleset(openSets+"\nset more4 { type ipv4_addr; flags timeout; }", openRules+"\nip daddr @more4 accept"))
	l.AcceptTCP(port)
	s := l.Script()
	s.Bulk()
	s.Records("one.more.test. 60 IN A 198.51.100.1", "two.more.test. 60 IN A 198.51.100.2")
	n := l.Namewall(reloadCorefile("one.more.test"))
	answers(t, l, "one.more.test.", dns.TypeA, "198.51.100.1")

	run := chaosTraffic.Start(l)
	names := []string{"one.more.test two.more.test", "one.more.test"}
	for i := range 50 {
		if i%5 == 4 {
			if err := n.Reload(reloadCorefile("bad..pattern")); err == nil {
				t.Error("a wrong Corefile was taken over")
			}
		} else if err := n.Reload(reloadCorefile(names[i%2])); err != nil {
			t.Error(err)
		}
		run.More(chaosTraffic.Clients)
	}
	log := run.Stop()
	verdict(t, log, nil)
	allAnswered(t, log)
	reaches(t, l, 0, "198.51.100.1", port)

	if err := n.Reload(reloadCorefile("one.more.test")); err != nil {
		t.Fatal(err)
	}
	lab.Until(t, healLimit, "what has left the configuration is revoked", func() error {
		return sameKeys(l, "more4", "198.51.100.1")
	})
	if err := n.Reload(reloadCorefile("bad..pattern")); err == nil {
		t.Error("a wrong Corefile was taken over")
	}
	answers(t, l, "one.more.test.", dns.TypeA, "198.51.100.1")
	answers(t, l, "two.more.test.", dns.TypeA, "198.51.100.2")
	reaches(t, l, 0, "198.51.100.1", port)
	if drops := l.Drops(); drops != (lab.Drops{}) {
		t.Errorf("dropped %+v", drops)
	}
	barred(t, l, 0, "198.51.100.2", port)
	if out := n.Output(); strings.Contains(out, "panic") || strings.Contains(out, "[PANIC]") {
		t.Error("something panicked")
	}
}
