//go:build linux

package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/namewall/namewall/integration/lab"
)

// pageAddress is where the page is. A browser that has it open reads its events as
// they come, and fetches all of it every few seconds (live.js).
const pageAddress = "127.0.0.1:8480"

var browser = [][]string{
	{"curl", "-sN", "-o", "/dev/null", "http://" + pageAddress + "/events"},
	{"sh", "-c", "while curl -s -o /dev/null http://" + pageAddress + "/; do sleep 5; done >/dev/null 2>&1"},
}

// watched measures how much later answers come while administrators look on: with
// `namewall watch` and the page open, which asks for what `namewall top` shows, too.
func watched(t lab.T, p plan, out *page) {
	l := arena(t)
	text := strings.Replace(corefile(ruleCorefile), "    nftset {\n", "    nftset {\n        web "+pageAddress+"\n", 1)
	fresh := int(coldRate * p.fixed.Seconds())
	warm := asking{questions: questions(t, names4-hotNames, names4, 600, "A"), atMost: p.most}
	loads := map[string]asking{
		"hot":  {questions: warm.questions, atMost: p.fixed, rate: hotRate, repeat: true, latencies: true},
		"cold": {questions: questions(t, 0, fresh, 600, "A"), atMost: 2 * p.fixed, rate: coldRate, latencies: true},
	}
	type figure struct {
		load     string
		watching bool
		quantile float64
	}
	got := make(map[figure][]float64)
	const half, most = 0.5, 0.99
	for round := range p.rounds {
		for turn := range 2 {
			watching := turn != round%2
			for _, set := range []string{set4, set6} {
				l.NFT("flush set inet filter " + set)
			}
			n := l.Namewall(text)
			processes := []*lab.Process{n.Process}
			if watching {
				processes = append(processes, n.Watches("watch"))
				for _, command := range browser {
					processes = append(processes, l.Gateway.Start(t, nil, "the browser's "+command[0], command...))
				}
			}
			ask(t, l, warm)
			for _, load := range []string{"hot", "cold"} {
				r := ask(t, l, loads[load])
				for _, q := range []float64{half, most} {
					f := figure{load, watching, q}
					got[f] = append(got[f], 1e6*quantile(r.latencies, q))
				}
			}
			for _, process := range slices.Backward(processes) {
				if err := process.Running(); err != nil {
					t.Fatalf("%v\n%s", err, process.Output())
				}
				if err := process.Stop(); err != nil {
					t.Fatalf("%s: %v", process.Name, err)
				}
			}
		}
		t.Logf("watched, round %d of %d: hot p50 %.0f µs, %.0f µs unwatched; cold p50 %.0f µs, %.0f µs", round+1, p.rounds,
			got[figure{"hot", true, half}][round], got[figure{"hot", false, half}][round],
			got[figure{"cold", true, half}][round], got[figure{"cold", false, half}][round])
	}
	for _, of := range []load{hot, cold} {
		what := fmt.Sprintf("added time of a %s answer at %d/s while watch and the page are open, ", of.name, rateOf(of))
		added := func(q float64) []float64 {
			return differences(got[figure{of.name, true, q}], got[figure{of.name, false, q}])
		}
		out.add(atMost(what+"p50", micros, added(half), 20, 100), atMost(what+"p99", micros, added(most), 1000, 5000))
	}
}
