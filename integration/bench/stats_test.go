package main

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestQuantile(t *testing.T) {
	for _, tc := range []struct {
		sorted  []float64
		p, want float64
	}{
		{[]float64{7}, 0.5, 7},
		{[]float64{1, 2}, 0.5, 1.5},
		{[]float64{1, 2, 3, 4, 5}, 0, 1},
		{[]float64{1, 2, 3, 4, 5}, 0.25, 2},
		{[]float64{1, 2, 3, 4, 5}, 0.99, 4.96},
		{[]float64{1, 2, 3, 4, 5}, 1, 5},
	} {
		if got := quantile(tc.sorted, tc.p); math.Abs(got-tc.want) > 1e-9 {
			t.Errorf("quantile %v of %v: %v, want %v", tc.p, tc.sorted, got, tc.want)
		}
	}
	if got := quantile(nil, 0.5); !math.IsNaN(got) {
		t.Errorf("the median of nothing: %v", got)
	}
}

func TestEstimate(t *testing.T) {
	e := estimateOf([]float64{3, 1, 2, 5, 4})
	if e.Median != 3 || e.N != 5 || math.Abs(e.Spread-2.0/3) > 1e-9 {
		t.Errorf("%+v", e)
	}
	if e != estimateOf([]float64{1, 2, 3, 4, 5}) {
		t.Error("the order of the measurements matters, or the interval is another one each time")
	}
	same := estimateOf([]float64{2, 2, 2, 2})
	if same.Low != 2 || same.High != 2 || same.Spread != 0 {
		t.Errorf("of what doesn't vary: %+v", same)
	}
	if none := estimateOf(nil); none.N != 0 || !math.IsNaN(none.Median) || !math.IsNaN(none.Low) {
		t.Errorf("of nothing: %+v", none)
	}
}

// One measurement in ten that the machine has spoilt moves neither the median nor
// an end of the interval by much.
func TestEstimateIsRobust(t *testing.T) {
	clean := []float64{0.98, 0.97, 0.99, 0.98, 0.96, 1.00, 0.98, 0.97, 0.99, 0.98}
	spoilt := append([]float64{0.2}, clean[1:]...)
	if e := estimateOf(spoilt); e.Median != 0.98 || e.Low < 0.96 || e.High > 1 {
		t.Errorf("%+v", e)
	}
}

// The interval holds the true median about as often as it says. With ten
// measurements the percentile bootstrap is known to be a little short of it.
func TestCoverage(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	const runs = 300
	held := 0
	for range runs {
		measured := make([]float64, 10)
		for i := range measured {
			measured[i] = 1 + r.NormFloat64()/10
		}
		if e := estimateOf(measured); e.Low <= 1 && 1 <= e.High {
			held++
		}
	}
	if share := float64(held) / runs; share < 0.88 || share > 0.99 {
		t.Errorf("the interval holds the median %.0f %% of the time", 100*share)
	}
}

func TestPairs(t *testing.T) {
	if r := ratios([]float64{2, 9}, []float64{1, 3, 7}); len(r) != 2 || r[0] != 2 || r[1] != 3 {
		t.Error(r)
	}
	if d := differences([]float64{2, 9}, []float64{1, 3}); d[0] != 1 || d[1] != 6 {
		t.Error(d)
	}
}
