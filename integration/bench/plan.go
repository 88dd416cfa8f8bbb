//go:build linux

package main

import "time"

// plan is how much is measured.
type plan struct {
	rounds int   // in each of which everybody is measured once: pairs
	ttls   []int // of answers, in seconds

	fixed  time.Duration // how long questions come at a fixed rate
	most   time.Duration // how long as many come as are answered
	cold   int           // fresh names at most in that time
	delay  time.Duration // how long latencies are taken
	steady time.Duration // how long short-lived elements come and go
	large  int           // times that a large gateway is healed and started
	count  int           // times that each Go benchmark is run
	part   string        // how long one runs: -benchtime
	knocks int           // connections to count first-packet drops by
}

var (
	// full is what `make bench` does, in 16 minutes.
	full = plan{
		rounds: 10, ttls: []int{60, 600, 3600},
		fixed: 1500 * time.Millisecond, most: 1500 * time.Millisecond, cold: 40_000,
		delay: 3 * time.Second, steady: time.Minute, large: 10, count: 6, part: "300ms", knocks: 1000,
	}
	// quick shows in two minutes that everything works. Its figures are rough.
	quick = plan{
		rounds: 3, ttls: []int{600},
		fixed: 500 * time.Millisecond, most: 700 * time.Millisecond, cold: 20_000,
		delay: time.Second, steady: 10 * time.Second, large: 2, count: 1, part: "50ms", knocks: 100,
	}
)

// Fixed rates that leave the machine room, so that what is measured is the cost of
// an answer and not the crowd's.
const (
	hotRate  = 10_000
	coldRate = 5_000
)

// hotNames are asked for again and again.
const hotNames = 1000
