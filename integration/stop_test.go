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

// However the process ends under load, the sets stay, so that whoever has an
// answer gets through, and the next process takes over what it finds there.
func TestStopUnderLoad(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		end  func(t *testing.T, n *lab.Namewall)
	}{
		{"sigterm", func(t *testing.T, n *lab.Namewall) {
			if err := n.Stop(); err != nil {
				t.Error(err)
			}
		}},
		{"sigkill", func(t *testing.T, n *lab.Namewall) { n.Kill() }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l, s := newOpenLab(t)
			s.Bulk()
			s.Records("a.open.test. 3600 IN A 198.51.100.1")
			corefile := ". {" + lab.Node + openRule + bulkRule + "\nforward . " + lab.Scripted + "\n}"
			n := l.Namewall(corefile)
			answers(t, l, "a.open.test.", dns.TypeA, "198.51.100.1")

			// Questions that are under way at the end are lost with it; no
			// connection may be.
			out := underLoad(l, func() {
				lab.Until(t, healLimit, "load", func() error { return atLeast(l, "open4", 200) })
				test.end(t, n)
			})
			if out.Connected < 200 {
				t.Errorf("no load: %v", out)
			}
			if drops := l.Drops(); drops != (lab.Drops{}) {
				t.Errorf("dropped %+v", drops)
			}
			if out := n.Output(); strings.Contains(out, "panic") || strings.Contains(out, "DATA RACE") {
				t.Error("something went wrong on the way out")
			}
			reaches(t, l, 0, "198.51.100.1", port)

			before := l.Keys("open4")
			n = l.Namewall(corefile)
			if err := atLeast(l, "open4", len(before)); err != nil {
				t.Errorf("the new process took addresses away: %v", err)
			}
			reaches(t, l, 0, "198.51.100.1", port)
			answers(t, l, "a.open.test.", dns.TypeA, "198.51.100.1")
			if commits := n.Metric("coredns_nftset_commit_elements_count"); commits != 0 {
				t.Errorf("%v commits for what the set already held", commits)
			}
		})
	}
}
