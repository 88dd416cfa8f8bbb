//go:build linux && amd64

package kernels

import (
	"strings"
	"testing"
)

// What comes out of a machine is told apart, also if it ends in the middle.
func TestReport(t *testing.T) {
	const port = `stray
@began internal/one
` + "\x16=== RUN   TestGood\n\x16=== RUN   TestGood/part\n\x16--- PASS: TestGood (0.10s)\n    \x16--- PASS: TestGood/part (0.10s)\n" +
		"\x16=== RUN   TestBad\n    a_test.go:1: broken\n\x16--- FAIL: TestBad (0.00s)\n\x16FAIL\n" + `
@ended 1 internal/one
@began internal/two
` + "\x16=== RUN   TestHangs\n    a_test.go:2: as far as this\n" + `
@broke no more memory
`
	var r report
	for line := range strings.Lines(port) {
		r.line([]byte(line))
	}
	if len(r.packages) != 2 || r.broke != "no more memory" || string(r.stray) != "stray\n" {
		t.Fatalf("%+v", r)
	}
	one, two := r.packages[0], r.packages[1]
	if one.name != "internal/one" || one.status != "1" || two.name != "internal/two" || two.status != "" {
		t.Errorf("%q %q, %q %q", one.name, one.status, two.name, two.status)
	}
	for o, want := range map[*output][]result{
		one: {{test: "TestGood", end: "pass"}, {test: "TestBad", end: "fail", output: "a_test.go:1: broken"}},
		two: {{test: "TestHangs", end: "", output: "a_test.go:2: as far as this"}},
	} {
		got, _, err := o.results()
		if err != nil || len(got) != len(want) {
			t.Fatalf("%s: %d results, %v", o.name, len(got), err)
		}
		for i := range want {
			if got[i].test != want[i].test || got[i].end != want[i].end || !strings.Contains(got[i].output, want[i].output) {
				t.Errorf("%s: %+v, want %+v", o.name, *got[i], want[i])
			}
		}
	}
}
