//go:build linux

package main

import (
	"bufio"
	"fmt"
	"os/exec"
	"strconv"
	"strings"

	"github.com/namewall/namewall/integration/lab"
)

// series are the values of one unit of one benchmark, a value each time that it
// was run.
type series map[string]map[string][]float64 // by benchmark, by unit

// benchmarks runs Go benchmarks of a package.
func benchmarks(t lab.T, p plan, pkg, expression string) series {
	t.Helper()
	out, err := exec.Command("go", "test", "-run", "^$", "-bench", expression, "-benchmem", "-timeout", "20m",
		"-count", strconv.Itoa(p.count), "-benchtime", p.part, "github.com/namewall/namewall/"+pkg).CombinedOutput()
	if err != nil {
		t.Fatalf("benchmarks of %s: %v\n%s", pkg, err, out)
	}
	s, err := parseBenchmarks(string(out))
	if err != nil {
		t.Fatalf("benchmarks of %s: %v\n%s", pkg, err, out)
	}
	return s
}

// parseBenchmarks reads the lines of `go test -bench`, as
// https://go.dev/design/14313-benchmark-format has them: a name with the number
// of processors at its end, the number of iterations, values with their units.
func parseBenchmarks(out string) (series, error) {
	s := make(series)
	for lines := bufio.NewScanner(strings.NewReader(out)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name := fields[0]
		if i := strings.LastIndexByte(name, '-'); i > 0 {
			if _, err := strconv.Atoi(name[i+1:]); err == nil {
				name = name[:i]
			}
		}
		if s[name] == nil {
			s[name] = make(map[string][]float64)
		}
		for i := 2; i+1 < len(fields); i += 2 {
			v, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return nil, fmt.Errorf("%q: %w", lines.Text(), err)
			}
			s[name][fields[i+1]] = append(s[name][fields[i+1]], v)
		}
	}
	return s, nil
}

// of are the values of a benchmark that has to be there.
func (s series) of(t lab.T, name, unit string) []float64 {
	t.Helper()
	values := s[name][unit]
	if len(values) == 0 {
		t.Fatalf("no %s of %s was measured", unit, name)
	}
	return values
}

const (
	perOp       = "ns/op"
	allocsPerOp = "allocs/op"
)

// serving measures what a covered answer costs in the plugin.
func serving(t lab.T, p plan, out *page) {
	s := benchmarks(t, p, "plugin/nftset", "^BenchmarkServeDNS$/^(next|covered)$")
	const covered, next = "BenchmarkServeDNS/covered", "BenchmarkServeDNS/next"
	out.add(
		atMost("the covered path's own cost: ServeDNS less the next plugin", nanos, differences(s.of(t, covered, perOp), s.of(t, next, perOp)), 500, 1000),
		atMost("its allocations", allocs, differences(s.of(t, covered, allocsPerOp), s.of(t, next, allocsPerOp)), 0, 0),
	)
}

// matching measures the matcher.
func matching(t lab.T, p plan, out *page) {
	s := benchmarks(t, p, "internal/rule", "^BenchmarkMatch$/^patterns=100000$/^(all|miss)$")
	for _, kind := range []struct{ name, benchmark string }{{"hit", "all"}, {"miss", "miss"}} {
		benchmark := "BenchmarkMatch/patterns=100000/" + kind.benchmark
		out.add(
			atMost("match against 100 000 patterns, "+kind.name, nanos, s.of(t, benchmark, perOp), 150, 300),
			atMost("its allocations", allocs, s.of(t, benchmark, allocsPerOp), 0, 0),
		)
	}
}

// scaling measures how the gate bears a million bindings.
func scaling(t lab.T, p plan, out *page) {
	s := benchmarks(t, p, "internal/gate", "^BenchmarkBindings$")
	for _, spread := range []struct {
		name          string
		target, floor float64
	}{{"zipf", 1.2, 1.5}, {"uniform", 2, 3}} {
		few, many := s.of(t, "BenchmarkBindings/1000/"+spread.name, perOp), s.of(t, "BenchmarkBindings/1000000/"+spread.name, perOp)
		out.add(atMost("covered path at 1 000 000 bindings against 1 000, "+spread.name, times, ratios(many, few), spread.target, spread.floor))
	}
	m := benchmarks(t, p, "internal/gate", "^BenchmarkMemory$")
	out.add(atMost("live memory a binding beyond its interned reasons", octets, m.of(t, "BenchmarkMemory", "B/binding"), 100, 200))
}
