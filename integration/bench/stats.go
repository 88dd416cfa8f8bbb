package main

import (
	"math"
	"math/rand/v2"
	"slices"
)

// estimate is what came of several measurements: their median, and an interval
// that holds it with 95 % confidence.
type estimate struct {
	Median, Low, High float64
	N                 int
	// Spread is the range between the quartiles, as a part of the median.
	Spread float64
}

// resamples is how often measurements are drawn anew. The interval's ends are
// then certain to a fraction of the distance between two measurements.
const resamples = 10_000

// estimateOf estimates by the percentile bootstrap (Efron and Tibshirani, An
// Introduction to the Bootstrap, 1993, chapter 13): nothing is assumed of how the
// measurements are distributed, and a few that the machine has spoilt move
// neither the median nor the interval. The same measurements always give the same
// interval. Without measurements everything is NaN.
func estimateOf(measured []float64) estimate {
	sorted := slices.Sorted(slices.Values(measured))
	e := estimate{N: len(sorted), Median: quantile(sorted, 0.5)}
	e.Spread = (quantile(sorted, 0.75) - quantile(sorted, 0.25)) / e.Median
	draw := rand.New(rand.NewPCG(1, 2))
	medians := make([]float64, resamples)
	again := make([]float64, len(sorted))
	for i := range medians {
		for j := range again {
			again[j] = sorted[draw.IntN(len(sorted))]
		}
		slices.Sort(again)
		medians[i] = quantile(again, 0.5)
	}
	slices.Sort(medians)
	e.Low, e.High = quantile(medians, 0.025), quantile(medians, 0.975)
	return e
}

// quantile is the p-quantile of sorted values, in between them where it falls
// (Hyndman and Fan's definition 7); NaN of none.
func quantile(sorted []float64, p float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	at := p * float64(len(sorted)-1)
	i := int(at)
	if i+1 == len(sorted) {
		return sorted[i]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

// ratios divides pair by pair.
func ratios(a, b []float64) []float64 {
	r := make([]float64, min(len(a), len(b)))
	for i := range r {
		r[i] = a[i] / b[i]
	}
	return r
}

// differences subtracts pair by pair.
func differences(a, b []float64) []float64 {
	d := make([]float64, min(len(a), len(b)))
	for i := range d {
		d[i] = a[i] - b[i]
	}
	return d
}
