//go:build linux

package integration

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/integration/lab"
)

// largerSets are openSets with another size.
var largerSets = strings.ReplaceAll(openSets, "size 262144", "size 524288")

// A ruleset declares the sets with another size. Loaded over the old one it
// changes them where they are, and nobody notices; after a deletion they are
// filled again.
func TestSetsOfAnotherSize(t *testing.T) {
	t.Parallel()
	l, n, run := startChaos(t, chaosCorefile("20s"), chaosTraffic)
	size := func(want float64) {
		t.Helper()
		lab.Until(t, healLimit, "the size is known", func() error {
			if got := n.Metric("coredns_nftset_set_capacity_elements", `set="open4"`); got != want {
				return fmt.Errorf("open4 is said to have room for %v, want %v", got, want)
			}
			return nil
		})
	}
	size(262144)
	l.Load("table inet filter\nflush table inet filter\n" + lab.Ruleset(largerSets, openRules))
	size(524288)
	run.More(20 * chaosTraffic.Clients)
	if healed := n.Metric("coredns_nftset_healed_elements_total"); healed != 0 {
		t.Errorf("%v elements were put back into sets that stayed", healed)
	}

	from := time.Now()
	l.Load("delete table inet filter\n" + chaosRuleset)
	gone := lab.Spans{{From: from, To: filled(t, l, run.Promised())}}
	size(262144)
	run.More(20 * chaosTraffic.Clients)
	log := run.Stop()
	verdict(t, log, gone)
	allAnswered(t, log)
}

// A ruleset declares a set with another type. Its rule is not ready, and what
// needs the set is refused with the reason, which the log says once. As soon as
// the set has the right type again, it holds again what was promised.
func TestSetOfAnotherType(t *testing.T) {
	t.Parallel()
	l, n, run := startChaos(t, chaosCorefile("2s"), chaosTraffic)
	other := lab.Ruleset(strings.Replace(openSets, "open4 { type ipv4_addr", "open4 { type ipv4_addr . inet_service", 1),
		strings.Replace(openRules, "ip daddr @open4", "ip daddr . tcp dport @open4", 1))
	from := time.Now()
	l.Load("flush ruleset\n" + other)
	lab.Until(t, healLimit, "the gateway notices", func() error {
		if ready, who := n.Ready(); ready || !strings.Contains(who, "nftset") {
			return errors.New("still ready")
		}
		return nil
	})
	noticed := time.Now()
	run.More(4 * chaosTraffic.Clients)
	refused(t, ask(l, lab.BulkName(0, lab.BulkPlain), dns.TypeA), dns.RcodeServerFailure, dns.ExtendedErrorCodeNotReady)
	back := time.Now()
	l.Load("flush ruleset\n" + chaosRuleset)
	gone := lab.Spans{{From: from, To: filled(t, l, run.Promised())}}
	becomesReadyAgain(t, n)
	run.More(20 * chaosTraffic.Clients)
	log := run.Stop()
	verdict(t, log, gone)
	for _, lie := range log.Lies { // while the gateway knows, nothing is excused
		if lie.From.After(noticed) && lie.To.Before(back) {
			t.Errorf("an answer lied: %v", lie)
		}
	}
	refusedWhile(t, log, gone[0], lab.Span{From: noticed, To: back})
	for _, r := range log.Refusals {
		if r.Answer.Question[0].Qtype != dns.TypeA {
			t.Errorf("refused although its set is as it was\n%v", r.Answer)
		}
	}
	for _, line := range []string{
		"[ERROR] plugin/nftset: rule bulk: set inet filter open4: set 'inet filter open4' (ipv4_addr . inet_service) has ports",
		"[INFO] plugin/nftset: rule bulk: set inet filter open4 can be fed again",
	} {
		if told := strings.Count(n.Output(), line); told != 1 {
			t.Errorf("the log has %d lines of %q:\n%s", told, line, n.Output())
		}
	}
}
