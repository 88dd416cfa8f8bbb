package state

import (
	"encoding/hex"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const bootIDFile = "/proc/sys/kernel/random/boot_id"

// System is the machine's clock. A machine that hides the id of its boot
// (ProcSubset=pid) has its elapsed time reckoned by the wall clock.
func System() Clock {
	text, _ := os.ReadFile(bootIDFile)
	return systemClock{parseBootID(string(text))}
}

type systemClock struct{ boot BootID }

func (c systemClock) Now() Instant {
	now := Instant{Wall: time.Now(), Boot: c.boot}
	var up unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &up); err != nil {
		now.Boot = BootID{} // without an uptime the boot says nothing
		return now
	}
	now.Up = time.Duration(up.Nano())
	return now
}

// parseBootID reads a UUID as the kernel writes it. Anything else is unknown.
func parseBootID(text string) BootID {
	b, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(text), "-", ""))
	if err != nil || len(b) != len(BootID{}) {
		return BootID{}
	}
	return BootID(b)
}
