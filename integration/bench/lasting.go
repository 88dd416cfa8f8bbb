//go:build linux

package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/namewall/namewall/integration/lab"
)

// life is how long elements live in the steady state: what a TTL of shortTTL, its
// slack of 2 s and a GRACE of 1 s come to.
const (
	life     = 10 * time.Second
	shortTTL = 7
	// tick is how often elements are counted.
	tick = time.Second
)

// steady has short-lived elements come and go, and counts what the kernel holds
// for each that is alive.
func steady(t lab.T, p plan, out *page) {
	l := arena(t)
	rule := strings.Replace(ruleCorefile, "name *", "lifetime 9s 9s 1s\n        name *", 1)
	n := l.Namewall(corefile(rule))
	total := p.steady + 2*life // in which the first ones come to their ends
	asked := make(chan error, 1)
	go func() {
		asked <- lab.RunAlone("steady: ", func(a *lab.Alone) {
			// Piece by piece: the lab ends a command that takes for ever.
			const piece = 10 * time.Second
			names := int(coldRate * piece.Seconds())
			for i := range int(total/piece) + 1 {
				ask(a, l, asking{questions: questions(a, i*names, (i+1)*names, shortTTL, "AAAA"), atMost: 2 * piece, rate: coldRate})
			}
		})
	}()
	var held, given []float64 // given: addresses so far, at each tick
	for range time.Tick(tick) {
		count := float64(l.Count(set6))
		given = append(given, 2*n.Metric("coredns_nftset_answers_total"))
		now := len(given) - 1
		if past := time.Duration(now) * tick; past >= total {
			break
		} else if past > 2*life {
			held = append(held, count/(given[now]-given[now-int(life/tick)]))
		}
	}
	if err := <-asked; err != nil {
		t.Fatalf("%v", err)
	}
	t.Logf("steady: %.3f times as many elements as are alive, %d samples", estimateOf(held).Median, len(held))
	out.add(atMost(fmt.Sprintf("steady state at %d/s, lives of %v for %v: elements in the kernel against alive", coldRate, life, p.steady), times, held, 1.05, 1.1))
}

// largeNames have largeElements addresses.
const (
	largeNames    = largeElements / 2
	largeElements = 100_000
)

// large fills a gateway's sets, flushes them and restarts it.
func large(t lab.T, p plan, out *page) {
	l := arena(t)
	n := l.Namewall(strings.Replace(corefile(ruleCorefile), "    nftset {\n", "    nftset {\n        state /var/lib/namewall\n", 1))
	ask(t, l, asking{questions: questions(t, 0, largeNames, 3600, "A"), atMost: time.Minute})
	complete := func() error {
		if got := l.Count(set4); got < largeElements {
			return fmt.Errorf("%d elements", got)
		}
		return nil
	}
	if err := complete(); err != nil {
		t.Fatalf("%v", err)
	}
	var healed, started []float64
	for i := range p.large {
		l.NFT("flush set inet filter " + set4)
		start := time.Now()
		lab.Until(t, lasts, "the set is refilled", complete)
		healed = append(healed, 1e3*time.Since(start).Seconds())

		if err := n.Stop(); err != nil {
			t.Fatalf("%v", err)
		}
		start = time.Now()
		n.Again()
		lab.Until(t, lasts, "namewall is ready", func() error {
			if ok, who := n.Ready(); !ok {
				return fmt.Errorf("%s", who)
			}
			return nil
		})
		started = append(started, 1e3*time.Since(start).Seconds())
		t.Logf("large, round %d of %d: healed in %.0f ms, started in %.0f ms", i+1, p.large, healed[i], started[i])
	}
	out.add(
		atMost("100 000 elements refilled after a flush", millis, healed, 200, 500),
		atMost("start with 100 000 elements to adopt and a state file of as many", millis, started, 500, 1000),
	)
}

// lasts is far longer than any of this takes.
const lasts = time.Minute
