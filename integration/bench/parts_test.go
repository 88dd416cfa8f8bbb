//go:build linux

package main

import (
	"maps"
	"slices"
	"testing"
)

func TestParseBenchmarks(t *testing.T) {
	s, err := parseBenchmarks(`goos: linux
pkg: github.com/namewall/namewall/internal/rule
BenchmarkMatch/patterns=100000/miss-2         	  855313	       64.5 ns/op	       0 B/op	       0 allocs/op
BenchmarkMatch/patterns=100000/miss-2         	  855313	       66 ns/op	       0 B/op	       0 allocs/op
BenchmarkMatch/miss-deep         	  1	       1e3 ns/op
PASS
`)
	if err != nil {
		t.Fatal(err)
	}
	if names := slices.Sorted(maps.Keys(s)); !slices.Equal(names, []string{"BenchmarkMatch/miss-deep", "BenchmarkMatch/patterns=100000/miss"}) {
		t.Error(names)
	}
	if got := s.of(t, "BenchmarkMatch/patterns=100000/miss", perOp); !slices.Equal(got, []float64{64.5, 66}) {
		t.Error(got)
	}
	if got := s.of(t, "BenchmarkMatch/miss-deep", perOp); !slices.Equal(got, []float64{1000}) {
		t.Error(got)
	}
	if _, err := parseBenchmarks("BenchmarkX-2 1 fast ns/op"); err == nil {
		t.Error("no error for a value that is none")
	}
}
