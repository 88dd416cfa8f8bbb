//go:build linux

package main

import (
	"fmt"
	"strings"

	"github.com/namewall/namewall/integration/lab"
)

// stage is where the demo happens.
type stage struct {
	*lab.Alone
	promises, bad int
}

// tell runs the acts one after the other, cleans up, and returns the exit
// status.
func tell(acts ...func(*stage)) int {
	s := new(stage)
	err := lab.RunAlone("", func(a *lab.Alone) {
		s.Alone = a
		for _, act := range acts {
			act(s)
		}
	})
	if err != nil || s.bad > 0 {
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
	}
	if err != nil {
		outcome = err.Error()
	}
	fmt.Printf("  %s  %s: %s\n", mark, what, outcome)
}
