//go:build linux

package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/namewall/namewall/integration/lab"
)

// load is what clients ask for.
type load struct {
	name string
	hot  bool
}

var (
	hot  = load{"hot", true}   // hotNames names, all of which are cached
	cold = load{"cold", false} // names that nobody has asked for before
)

// rates is what one contender did in each round.
type rates struct {
	answers []float64 // a second, as many as it can
	cpu     []float64 // seconds of processor time for an answer meanwhile
	fixed   []float64 // the same at a fixed rate
}

// measureRates measures the contenders in turn, in every other round the other way
// round, so that what the machine does meanwhile happens to all of them.
func measureRates(t lab.T, p plan, of load, ttl int, contenders ...*contender) map[string]*rates {
	l := arena(t)
	all := make(map[string]*rates)
	for round := range p.rounds {
		order := slices.Clone(contenders)
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, c := range order {
			r := all[c.name]
			if r == nil {
				r = new(rates)
				all[c.name] = r
			}
			c.run(t, l, func(server *lab.Process) { r.measure(t, l, p, of, ttl, c, server) })
		}
		n := len(all[contenders[0].name].answers) - 1
		var line strings.Builder
		for _, c := range contenders {
			fmt.Fprintf(&line, " %s %.0f/s, %.1f µs;", c.name, all[c.name].answers[n], 1e6*all[c.name].cpu[n])
		}
		t.Logf("%s, TTL %d, round %d of %d:%s", of.name, ttl, round+1, p.rounds, line.String())
	}
	return all
}

// measure measures a server that has just been started.
func (r *rates) measure(t lab.T, l *lab.Lab, p plan, of load, ttl int, c *contender, server *lab.Process) {
	var warm, fixed, most asking
	if of.hot {
		file := questions(t, 0, hotNames, ttl, "A")
		warm = asking{questions: file, atMost: p.most}
		fixed = asking{questions: file, atMost: p.fixed, rate: hotRate, repeat: true}
		most = asking{questions: file, atMost: p.most, repeat: true}
	} else {
		atFixed := int(coldRate * p.fixed.Seconds())
		warm = asking{questions: questions(t, names4-hotNames, names4, ttl, "A"), atMost: p.most}
		fixed = asking{questions: questions(t, 0, atFixed, ttl, "A"), atMost: 2 * p.fixed, rate: coldRate}
		most = asking{questions: questions(t, atFixed, atFixed+p.cold, ttl, "A"), atMost: p.most}
	}
	names := ask(t, l, warm).answers // whose addresses are in the set
	if c == namewall || c == without {
		answered, used := timed(t, l, server, fixed)
		names += answered.answers
		r.fixed = append(r.fixed, used)
	}
	answered, used := timed(t, l, server, most)
	names += answered.answers
	r.answers = append(r.answers, answered.rate)
	r.cpu = append(r.cpu, used)
	if of.hot {
		names = hotNames
	}
	c.check(t, l, names)
}

// timed asks and tells how much processor time the server took for an answer.
func timed(t lab.T, l *lab.Lab, server *lab.Process, a asking) (answered, float64) {
	t.Helper()
	before := cpu(t, server)
	r := ask(t, l, a)
	return r, (cpu(t, server) - before).Seconds() / float64(r.answers)
}

func cpu(t lab.T, p *lab.Process) time.Duration {
	t.Helper()
	used, err := p.CPU()
	if err != nil {
		t.Fatalf("%s: %v", p.Name, err)
	}
	return used
}

// check fails unless the set holds the addresses of so many names. An answer that
// dnsperf doesn't count, because the time was over, may have been written too.
func (c *contender) check(t lab.T, l *lab.Lab, names int) {
	t.Helper()
	want, got := 2*names, l.Count(set4)
	if !c.feeds {
		want = 0
	}
	if missing := want - got; float64(missing) > (1-answeredMin)*float64(want) || c.exact && missing > 0 || got > want+2*2*outstanding {
		t.Fatalf("%s has put %d addresses into the set, for %d that it gave out", c.name, got, want)
	}
}
