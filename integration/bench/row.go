//go:build linux

package main

import (
	"fmt"
	"math"
	"strings"
)

// row is one line of the table.
type row struct {
	What string
	Unit unit
	estimate
	Target, Floor float64
	Less          bool // is better
}

// unit tells how a figure is written.
type unit struct {
	name   string // after it
	digits int    // behind the point
}

var (
	times  = unit{"", 3}
	micros = unit{" µs", 0}
	millis = unit{" ms", 0}
	nanos  = unit{" ns", 0}
	allocs = unit{"", 0}
	octets = unit{" B", 0}
)

// atLeast makes a row of which more is better.
func atLeast(what string, u unit, measured []float64, target, floor float64) row {
	return row{What: what, Unit: u, estimate: estimateOf(measured), Target: target, Floor: floor}
}

// atMost makes a row of which less is better.
func atMost(what string, u unit, measured []float64, target, floor float64) row {
	return row{What: what, Unit: u, estimate: estimateOf(measured), Target: target, Floor: floor, Less: true}
}

// reaches tells whether the median is as good as a bound.
func (r row) reaches(bound float64) bool {
	if r.Less {
		return r.Median <= bound
	}
	return r.Median >= bound
}

// Verdict is what is to be said of the row.
func (r row) Verdict() string {
	switch {
	case r.reaches(r.Target):
		return "target reached"
	case r.reaches(r.Floor):
		return "floor reached"
	}
	return "**floor missed**"
}

// Figure, Interval, Scatter, Want and Least are the row's cells.
func (r row) Figure() string { return r.Unit.write(r.Median) }

// Interval holds the median with 95 % confidence.
func (r row) Interval() string {
	if r.N < 3 {
		return "–"
	}
	return r.Unit.write(r.Low) + " … " + r.Unit.write(r.High)
}

// Scatter is the range between the quartiles.
func (r row) Scatter() string {
	if math.IsNaN(r.Spread) || math.IsInf(r.Spread, 0) {
		return "–"
	}
	return fmt.Sprintf("%.0f %%", 100*math.Abs(r.Spread))
}

// Want is the target.
func (r row) Want() string { return r.bound(r.Target) }

// Least is the floor.
func (r row) Least() string { return r.bound(r.Floor) }

func (r row) bound(v float64) string {
	s := fmt.Sprintf("%.*f", r.Unit.digits, v)
	if strings.Contains(s, ".") {
		s = strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
	}
	if r.Less {
		return "≤ " + s + r.Unit.name
	}
	return "≥ " + s
}

func (u unit) write(v float64) string {
	if math.IsNaN(v) {
		return "–"
	}
	return fmt.Sprintf("%.*f%s", u.digits, v, u.name)
}
