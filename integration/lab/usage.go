//go:build linux

package lab

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/namewall/namewall/internal/nft"
	"github.com/namewall/namewall/internal/set"
)

// CPU is the processor time that the process has used so far, all its threads'
// and those that have ended, in the kernel's own nanoseconds
// (clock_getcpuclockid(3)).
func (p *Process) CPU() (time.Duration, error) {
	const schedClock = 2 // CPUCLOCK_SCHED of the kernel's posix-timers.h
	var ts unix.Timespec
	err := unix.ClockGettime(int32(^p.cmd.Process.Pid)<<3|schedClock, &ts)
	return time.Duration(ts.Nano()), err
}

// Count is how many elements the kernel holds in a set of table inet filter; where
// it doesn't count (before 6.16), without what has expired.
func (l *Lab) Count(name string) int {
	l.t.Helper()
	reader, err := nft.OpenReader(nft.Options{NetNS: int(l.Gateway.handle)})
	if err != nil {
		l.t.Fatalf("%v", err)
	}
	defer reader.Close()
	s, err := reader.Set(set.ID{Family: set.Inet, Table: "filter", Name: name})
	if err != nil {
		l.t.Fatalf("%v", err)
	}
	if s.Count < 0 {
		return len(l.Keys(name))
	}
	return s.Count
}

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }
