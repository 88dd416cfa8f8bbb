//go:build linux

package main

import (
	"fmt"
	"slices"

	"github.com/namewall/namewall/integration/lab"
)

// everybody is who is measured at the highest rate.
var everybody = []*contender{namewall, without, dnsmasq, smartdns}

// peerRate is what one contender did, published without a bound.
type peerRate struct {
	Load, Name string
	TTL        int
	PerSecond  estimate // answers
	PerCPU     estimate // answers a second of the server's processor time
}

// compare measures a load at one TTL: the price of the rules, and the peers.
func compare(of load, ttl int) func(lab.T, plan, *page) {
	return func(t lab.T, p plan, out *page) {
		all := measureRates(t, p, of, ttl, everybody...)
		ours, bare := all[namewall.name], all[without.name]
		name := fmt.Sprintf("%s, TTL %d, ", of.name, ttl)
		target, floor := 0.99, 0.97
		if !of.hot {
			target, floor = 0.95, 0.90
		}
		out.add(
			atLeast(name+"against no rules: answers/s", times, ratios(ours.answers, bare.answers), target, floor),
			atMost(fmt.Sprintf("%sagainst no rules: CPU per answer at %d/s", name, rateOf(of)), times, ratios(ours.fixed, bare.fixed), inverse(target), inverse(floor)),
		)
		if !of.hot {
			out.add(
				atLeast(name+"against dnsmasq", times, ratios(ours.answers, all[dnsmasq.name].answers), 5, 4),
				atLeast(name+"against SmartDNS", times, ratios(ours.answers, all[smartdns.name].answers), 1.1, 1),
			)
		}
		for _, c := range everybody {
			perCPU := slices.Clone(all[c.name].cpu)
			for i := range perCPU {
				perCPU[i] = 1 / perCPU[i]
			}
			out.Peers = append(out.Peers, peerRate{
				Load: of.name, Name: c.name, TTL: ttl, PerSecond: estimateOf(all[c.name].answers), PerCPU: estimateOf(perCPU),
			})
		}
	}
}

func rateOf(of load) int {
	if of.hot {
		return hotRate
	}
	return coldRate
}

// inverse is what a bound of answers is as one of their price, to two digits, as
// the issue that asks for it has them: 1.01 for 0.99.
func inverse(bound float64) float64 { return float64(int(100/bound+0.5)) / 100 }

// delay measures how much later cold answers come with rules than without.
func delay(t lab.T, p plan, out *page) {
	l := arena(t)
	names := int(coldRate * p.delay.Seconds())
	warm := asking{questions: questions(t, names4-hotNames, names4, 600, "A"), atMost: p.most}
	fresh := asking{questions: questions(t, 0, names, 600, "A"), atMost: 2 * p.delay, rate: coldRate, latencies: true}
	const half, most = 0.5, 0.99
	got := map[*contender]map[float64][]float64{namewall: {}, without: {}}
	for round := range p.rounds {
		order := []*contender{namewall, without}
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, c := range order {
			c.run(t, l, func(*lab.Process) {
				ask(t, l, warm)
				r := ask(t, l, fresh)
				for _, q := range []float64{half, most} {
					got[c][q] = append(got[c][q], 1e6*quantile(r.latencies, q))
				}
			})
		}
		t.Logf("delay, round %d of %d: p50 %.0f µs with rules, %.0f µs without; p99 %.0f µs, %.0f µs", round+1, p.rounds,
			got[namewall][half][round], got[without][half][round], got[namewall][most][round], got[without][most][round])
	}
	name := fmt.Sprintf("added time of a cold answer at %d/s, ", coldRate)
	out.add(
		atMost(name+"p50", micros, differences(got[namewall][half], got[without][half]), 100, 1000),
		atMost(name+"p99", micros, differences(got[namewall][most], got[without][most]), 1000, 5000),
	)
}
