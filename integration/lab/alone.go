//go:build linux

package lab

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
)

// Alone is a T for programs that are no tests. What it logs goes to standard
// output.
type Alone struct {
	name     string // begins each line that is logged
	cleanups []func()
	failures []error
}

var _ T = &Alone{}

// RunAlone calls f and then what f wants to have cleaned up. It returns what was
// said by Errorf and Fatalf.
func RunAlone(name string, f func(*Alone)) error {
	a := &Alone{name: name}
	var done sync.WaitGroup
	done.Go(func() { f(a) }) // a goroutine of its own, which Fatalf may end
	done.Wait()
	for _, cleanup := range slices.Backward(a.cleanups) {
		cleanup()
	}
	return errors.Join(a.failures...)
}

// Helper implements T.
func (a *Alone) Helper() {}

// Logf implements T.
func (a *Alone) Logf(format string, args ...any) {
	fmt.Printf(a.name+format+"\n", args...)
}

// Errorf implements T.
func (a *Alone) Errorf(format string, args ...any) {
	a.failures = append(a.failures, fmt.Errorf(format, args...))
	a.Logf(format, args...)
}

// Fatalf implements T. It ends f.
func (a *Alone) Fatalf(format string, args ...any) {
	a.Errorf(format, args...)
	runtime.Goexit()
}

// Failed implements T.
func (a *Alone) Failed() bool { return len(a.failures) > 0 }

// Cleanup implements T.
func (a *Alone) Cleanup(f func()) { a.cleanups = append(a.cleanups, f) }

// TempDir implements T.
func (a *Alone) TempDir() string {
	dir, err := os.MkdirTemp("", "namewall-lab-")
	if err != nil {
		a.Fatalf("%v", err)
	}
	a.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
