//go:build linux

package integration

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/integration/lab"
)

// chaosRuleset is what a gateway's ruleset file declares.
var chaosRuleset = lab.Ruleset(openSets, openRules)

// chaosTraffic is what goes on during the tests of this file and its sisters.
// Every address stays promised for longer than a test takes.
var chaosTraffic = lab.Traffic{
	Clients: 16, Port: port, Names: 2000, Question: bulkQuestion,
	Limit: 2 * time.Second, Set4: "open4", Set6: "open6", Retry: 10 * time.Second,
}

// chaosCorefile is a gateway for chaosTraffic. It waits for its sets for as long
// as wait says.
func chaosCorefile(wait string) string {
	return ". {" + lab.Node + `
	nftset {
		` + lab.AllowWide + `
	}
	` + strings.Replace(bulkRule, "wait 20s", "wait "+wait, 1) + `
	cache
	forward . ` + lab.Scripted + ` {
		read_timeout 20s
		max_fails 0
	}
}`
}

// startChaos is a gateway under traffic, of which everybody has had some answers.
func startChaos(t *testing.T, corefile string, traffic lab.Traffic) (*lab.Lab, *lab.Namewall, *lab.TrafficRun) {
	t.Helper()
	l := lab.New(t)
	l.Load(chaosRuleset)
	l.AcceptTCP(port)
	l.Script().Bulk()
	n := l.Namewall(corefile)
	run := traffic.Start(l)
	run.More(20 * traffic.Clients)
	return l, n, run
}

// filled waits until the sets hold every one of these addresses, and returns when
// that was seen.
func filled(t *testing.T, l *lab.Lab, addrs []netip.Addr) time.Time {
	t.Helper()
	sets, err := l.Holder("open4", "open6")
	if err != nil {
		t.Fatal(err)
	}
	defer sets.Close()
	lab.Until(t, healLimit, "the sets are filled again", func() error {
		if addrs = sets.Missing(addrs...); len(addrs) > 0 {
			return fmt.Errorf("%d addresses are missing, %v for one", len(addrs), addrs[0])
		}
		return nil
	})
	return time.Now()
}

// verdict logs what the clients met with, and fails if anything went wrong that
// the sets' being gone doesn't explain.
func verdict(t *testing.T, log lab.TrafficLog, gone lab.Spans) {
	t.Helper()
	drops, lies := gone.Uncovered(log.Drops), gone.Uncovered(log.Lies)
	t.Logf("%v; sets %v: in this time %d dropped and %d untrue", log, gone, len(log.Drops)-len(drops), len(log.Lies)-len(lies))
	for what, incidents := range map[string][]lab.Incident{"first packets were dropped": drops, "answers lied": lies} {
		if len(incidents) > 0 {
			t.Errorf("%d %s while the sets were there: %v", len(incidents), what, incidents[:min(len(incidents), 5)])
		}
	}
	if len(log.Silent) > 0 {
		t.Errorf("%d questions had no answer", len(log.Silent))
	}
	if len(log.Errors) > 0 {
		t.Error(errors.Join(log.Errors...))
	}
	if log.Checked == 0 || log.Connections == 0 {
		t.Error("no traffic")
	}
}

// allAnswered fails if an answer had no address: answers that need a set which is
// only being reloaded are held.
func allAnswered(t *testing.T, log lab.TrafficLog) {
	t.Helper()
	if n := len(log.Refusals); n > 0 {
		t.Errorf("%d answers without an address, for one\n%v", n, log.Refusals[0].Answer)
	}
}

// rounds is how often a test does what it does.
const rounds = 100

// The ruleset is loaded anew a hundred times, in each of the ways in which
// administrators do that. The sets are gone from before the command that empties
// them until the last promised address is seen in them again.
func TestRulesetReloads(t *testing.T) {
	for _, test := range []struct {
		name   string
		reload func(l *lab.Lab)
		keeps  bool // the sets and their elements
	}{
		{"flush-ruleset-in-one-transaction", func(l *lab.Lab) { l.Load("flush ruleset\n" + chaosRuleset) }, false},
		{"flush-ruleset-in-two", func(l *lab.Lab) { l.NFT("flush ruleset"); l.Load(chaosRuleset) }, false},
		{"flush-table", func(l *lab.Lab) {
			l.Load("table inet filter\nflush table inet filter\n" + chaosRuleset)
		}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			l, n, run := startChaos(t, chaosCorefile("20s"), chaosTraffic)
			var gone lab.Spans
			for range rounds {
				from := time.Now()
				test.reload(l)
				if !test.keeps {
					gone = append(gone, lab.Span{From: from, To: filled(t, l, run.Promised())})
				}
				run.More(chaosTraffic.Clients)
			}
			log := run.Stop()
			verdict(t, log, gone)
			allAnswered(t, log)
			if healed := n.Metric("coredns_nftset_healed_elements_total"); healed == 0 != test.keeps {
				t.Errorf("%v elements were put back", healed)
			}
		})
	}
}

// The table is deleted for five seconds. Whoever asks meanwhile waits, is then
// refused, and is told why; nobody is given an address.
func TestTableDeletedForFiveSeconds(t *testing.T) {
	t.Parallel()
	l, n, run := startChaos(t, chaosCorefile("2s"), chaosTraffic)
	from := time.Now()
	l.NFT("delete table inet filter")
	lab.Until(t, healLimit, "the gateway notices", func() error {
		if ready, _ := n.Ready(); ready {
			return errors.New("still ready")
		}
		return nil
	})
	noticed := time.Now()
	<-time.After(time.Until(from.Add(5 * time.Second))) // it is what is tested
	back := time.Now()
	l.Load(chaosRuleset)
	to := filled(t, l, run.Promised())
	run.More(20 * chaosTraffic.Clients)
	log := run.Stop()

	// In between the gateway knows: then nothing is excused.
	verdict(t, log, lab.Spans{{From: from, To: noticed}, {From: back, To: to}})
	t.Logf("the table was gone for %v, which the gateway noticed after at most %v; the sets were filled %v after the ruleset was loaded",
		back.Sub(from).Round(time.Millisecond), noticed.Sub(from).Round(time.Millisecond), to.Sub(back).Round(time.Millisecond))
	if len(log.Refusals) < chaosTraffic.Clients {
		t.Errorf("%d answers were refused", len(log.Refusals))
	}
	refusedWhile(t, log, lab.Span{From: from, To: to}, lab.Span{From: noticed, To: back})
	becomesReadyAgain(t, n)
}

// refusedWhile fails unless answers were refused only while a set was gone, and
// with the reason when the gateway knew that from the beginning to the end.
func refusedWhile(t *testing.T, log lab.TrafficLog, gone, known lab.Span) {
	t.Helper()
	for _, r := range log.Refusals {
		switch {
		case r.To.Before(gone.From) || r.From.After(gone.To) || r.Answer.Rcode != dns.RcodeServerFailure:
			t.Errorf("refused from %v to %v\n%v", r.From, r.To, r.Answer)
		case r.From.After(known.From) && r.To.Before(known.To):
			refused(t, r.Answer, dns.RcodeServerFailure, dns.ExtendedErrorCodeNotReady)
		}
	}
}

// becomesReadyAgain fails unless `ready` says so soon.
func becomesReadyAgain(t *testing.T, n *lab.Namewall) {
	t.Helper()
	lab.Until(t, healLimit, "the gateway is ready", func() error {
		if ready, who := n.Ready(); !ready {
			return errors.New("not ready: " + who)
		}
		return nil
	})
}

// Another program deletes elements that are promised: they are put back, and the
// log and a metric say whose work that was.
func TestForeignDeletes(t *testing.T) {
	t.Parallel()
	l, n, run := startChaos(t, chaosCorefile("20s"), chaosTraffic)
	var gone lab.Spans
	deleted := 0
	for range 20 {
		promised := slices.DeleteFunc(run.Promised(), netip.Addr.Is6)
		victims := promised[len(promised)-min(len(promised), 20):]
		var list []string
		for _, addr := range victims {
			list = append(list, addr.String())
		}
		from := time.Now()
		l.NFT("delete element inet filter open4 { " + strings.Join(list, ", ") + " }")
		gone = append(gone, lab.Span{From: from, To: filled(t, l, victims), Only: victims})
		deleted += len(victims)
		run.More(chaosTraffic.Clients)
	}
	log := run.Stop()
	verdict(t, log, gone)
	allAnswered(t, log)
	lab.Until(t, healLimit, "it is told what was put back", func() error {
		if healed := n.Metric("coredns_nftset_healed_elements_total"); healed != float64(deleted) {
			return fmt.Errorf("%v elements of %d", healed, deleted)
		}
		return nil
	})
	if changes := n.Metric("coredns_nftset_foreign_changes_total", `process="nft"`); changes != float64(deleted) {
		t.Errorf("%v changes by nft, want %d", changes, deleted)
	}
	if told := regexp.MustCompile(`set inet filter open4: put \d+ elements back, last changed by nft \(pid \d+\)`); !told.MatchString(n.Output()) {
		t.Errorf("the log doesn't say who did it:\n%s", n.Output())
	}
}
