//go:build linux

package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/namewall/namewall/integration/lab"
)

// stage is where the demo happens: what a *testing.T is to a test.
type stage struct {
	cleanups      []func()
	promises, bad int
	failed        bool
}

var _ lab.T = &stage{}

// tell runs the acts one after the other, cleans up, and returns the exit
// status.
func tell(acts ...func(*stage)) int {
	s := &stage{}
	var told sync.WaitGroup
	told.Go(func() { // a goroutine of its own, which Fatalf may end
		for _, act := range acts {
			act(s)
		}
	})
	told.Wait()
	for _, cleanup := range slices.Backward(s.cleanups) {
		cleanup()
	}
	if s.failed {
		fmt.Printf("\nThe demo failed: %d of %d promises broken.\n", s.bad, s.promises)
		return 1
	}
	fmt.Printf("\nAll %d promises kept.\n", s.promises)
	return 0
}

// say tells what comes next.
func (s *stage) say(format string, args ...any) {
	fmt.Printf("\n* "+format+"\n", args...)
}

// show prints a text as it is, indented.
func (s *stage) show(text string) {
	for line := range strings.Lines(strings.Trim(text, "\n")) {
		fmt.Print("    ", line)
	}
	fmt.Println()
}

// promise prints what was done and what came of it, and remembers if it should
// not have.
func (s *stage) promise(what string, kept bool, outcome string, err error) {
	s.promises++
	mark := "ok    "
	if !kept {
		mark = "BROKEN"
		s.bad++
		s.failed = true
	}
	if err != nil {
		outcome = err.Error()
	}
	fmt.Printf("  %s  %s: %s\n", mark, what, outcome)
}

// Helper implements lab.T.
func (s *stage) Helper() {}

// Logf implements lab.T.
func (s *stage) Logf(format string, args ...any) {
	fmt.Printf(format+"\n", args...)
}

// Errorf implements lab.T.
func (s *stage) Errorf(format string, args ...any) {
	s.failed = true
	s.Logf(format, args...)
}

// Fatalf implements lab.T. It ends the story.
func (s *stage) Fatalf(format string, args ...any) {
	s.Errorf(format, args...)
	runtime.Goexit()
}

// Failed implements lab.T.
func (s *stage) Failed() bool { return s.failed }

// Cleanup implements lab.T.
func (s *stage) Cleanup(f func()) { s.cleanups = append(s.cleanups, f) }

// TempDir implements lab.T.
func (s *stage) TempDir() string {
	dir, err := os.MkdirTemp("", "namewall-demo-")
	if err != nil {
		s.Fatalf("%v", err)
	}
	s.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
