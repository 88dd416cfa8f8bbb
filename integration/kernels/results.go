//go:build linux && amd64

package kernels

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
)

// report is what came out of a machine.
type report struct {
	packages []*output
	broke    string // why the machine didn't do what it was to
	stray    []byte // what stood outside of all packages
}

// output is what the tests of a package printed.
type output struct {
	name   string
	text   []byte
	ended  bool
	status string // of the process, once it has ended
}

// line takes in a line of what the machine sends.
func (r *report) line(b []byte) {
	mark, rest, _ := strings.Cut(strings.TrimSpace(string(b)), " ")
	var last *output
	if n := len(r.packages); n > 0 && !r.packages[n-1].ended {
		last = r.packages[n-1]
	}
	switch {
	case mark == Began:
		r.packages = append(r.packages, &output{name: rest})
	case mark == Ended && last != nil:
		last.ended = true
		last.status, _, _ = strings.Cut(rest, " ")
	case mark == Broke:
		r.broke = rest
	case last != nil:
		last.text = append(last.text, b...)
	default:
		r.stray = append(r.stray, b...)
	}
}

// result is what became of one test, its subtests included.
type result struct {
	test   string
	output string
	end    string // "pass", "fail" or "skip"; "" if it never ended
}

// results are those of a package's tests, in the order in which they began, and
// what was printed outside of them.
func (o *output) results() (all []*result, rest string, err error) {
	cmd := exec.Command("go", "tool", "test2json")
	cmd.Stdin = bytes.NewReader(o.text)
	events, err := cmd.Output()
	if err != nil {
		return nil, "", fmt.Errorf("reading the results of %s: %w", o.name, err)
	}
	byName := make(map[string]*result)
	for decode := json.NewDecoder(bytes.NewReader(events)); ; {
		var event struct{ Action, Test, Output string }
		switch err := decode.Decode(&event); {
		case errors.Is(err, io.EOF):
			return all, rest, nil
		case err != nil:
			return nil, "", fmt.Errorf("reading the results of %s: %w", o.name, err)
		}
		top, _, sub := strings.Cut(event.Test, "/")
		r := byName[top]
		if r == nil && top != "" {
			r = &result{test: top}
			byName[top] = r
			all = append(all, r)
		}
		switch event.Action {
		case "output":
			if r == nil {
				rest += event.Output
			} else {
				r.output += event.Output
			}
		case "pass", "fail", "skip":
			if r != nil && !sub && r.end != "fail" { // it may be run several times
				r.end = event.Action
			}
		}
	}
}
