//go:build linux

package integration

import (
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/integration/lab"
)

// underLoad runs f while clients ask for fresh names and connect, and returns
// what became of them. It goes on until f has returned, however few or many
// connections that takes.
func underLoad(l *lab.Lab, f func()) lab.Outcome {
	done := make(chan struct{})
	var out lab.Outcome
	var load sync.WaitGroup
	load.Go(func() {
		v := lab.Volume{Transport: lab.UDP, Workers: 8, Port: port, Question: bulkQuestion, Until: done}
		out = v.Run(l, 1<<16)
	})
	f()
	close(done)
	load.Wait()
	return out
}

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
		name ` + names + `
	}
	cache
	forward . ` + lab.Scripted + `
}`
}

// While the Corefile is reloaded over and over, also a wrong one, every answer
// arrives and every first packet gets through. A reload that fails changes
// nothing.
func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	l.Load(lab.Ruleset(openSets+"\nset more4 { type ipv4_addr; flags timeout; }", openRules+"\nip daddr @more4 accept"))
	l.AcceptTCP(port)
	s := l.Script()
	s.Bulk()
	s.Records("one.more.test. 60 IN A 198.51.100.1", "two.more.test. 60 IN A 198.51.100.2")
	n := l.Namewall(reloadCorefile("one.more.test"))
	answers(t, l, "one.more.test.", dns.TypeA, "198.51.100.1")

	reloads, failed := 0, 0
	out := underLoad(l, func() {
		for range 40 {
			if err := n.Reload(reloadCorefile("one.more.test two.more.test")); err != nil {
				t.Error(err)
			}
			if err := n.Reload(reloadCorefile("bad..pattern")); err == nil {
				t.Error("a wrong Corefile was taken over")
			} else {
				failed++
			}
			if err := n.Reload(reloadCorefile("one.more.test")); err != nil {
				t.Error(err)
			}
			reloads += 2
		}
	})
	t.Logf("%d reloads, %d of a wrong Corefile", reloads, failed)
	report(t, l, out)
	reaches(t, l, 0, "198.51.100.1", port)

	if err := n.Reload(reloadCorefile("bad..pattern")); err == nil {
		t.Error("a wrong Corefile was taken over")
	}
	answers(t, l, "one.more.test.", dns.TypeA, "198.51.100.1")
	answers(t, l, "two.more.test.", dns.TypeA, "198.51.100.2")
	reaches(t, l, 0, "198.51.100.1", port)
	barred(t, l, 0, "198.51.100.2", port)
	if out := n.Output(); strings.Contains(out, "panic") || strings.Contains(out, "[PANIC]") {
		t.Error("something panicked")
	}
}
