package state

import (
	"fmt"
	"time"
)

// Instant is a moment on both of the clocks that outlive a process.
type Instant struct {
	Wall time.Time
	Boot BootID
	Up   time.Duration // CLOCK_BOOTTIME: since that boot, suspended or not
}

// BootID names a boot of the machine (/proc/sys/kernel/random/boot_id). The zero
// BootID is an unknown boot, which is the same as no other.
type BootID [16]byte

// Clock tells the time. System is the real one.
type Clock interface {
	Now() Instant
}

// Reckoning tells how it was found out how much time has passed.
type Reckoning uint8

const (
	// ByBoot is exact: it is the same boot.
	ByBoot Reckoning = iota
	// ByWall is as right as the wall clock was, then and now.
	ByWall
	// ByNone is for a wall clock that is behind what it was: on machines without
	// a clock that runs on while they are off, it is set only some time after
	// the start. No time counts as passed.
	ByNone
)

// String says it in words for a log.
func (r Reckoning) String() string {
	switch r {
	case ByBoot:
		return "by the uptime"
	case ByWall:
		return "by the wall clock"
	default:
		return "not known, the clock is behind"
	}
}

// maxAhead is how far a clock that isn't set yet may be behind one that was. It
// starts at the time of the system's build (systemd) or of its last shutdown
// (fake-hwclock); no system in use was built ten years ago.
const maxAhead = 10 * 365 * 24 * time.Hour

// unset is a time before namewall existed: a clock that shows an earlier one was
// never set, and says nothing of how long the machine was off.
var unset = time.Date(2025, time.January, 1, 0, 0, 0, 0, time.UTC)

// since tells how much time has passed from then, as a file has it, to now: never less than none.
// It fails with ErrFuture if the wall clock showed then what it can't have.
func (now Instant) since(then Instant) (time.Duration, Reckoning, error) {
	if now.Boot == then.Boot && now.Boot != (BootID{}) && now.Up >= then.Up {
		return now.Up - then.Up, ByBoot, nil
	}
	passed := now.Wall.Sub(then.Wall) // then is from a file and has no monotonic reading
	switch {
	case passed >= 0:
		return passed, ByWall, nil
	case passed < -maxAhead && now.Wall.After(unset):
		return 0, ByNone, fmt.Errorf("%w, on %s by the wall clock", ErrFuture, then.Wall.UTC().Format(time.DateOnly))
	default:
		return 0, ByNone, nil
	}
}
