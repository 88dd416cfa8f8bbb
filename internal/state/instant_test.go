package state

import (
	"errors"
	"testing"
	"time"
)

func TestSince(t *testing.T) {
	const boot1, boot2 = 1, 2
	saved := instant(boot1, time.Hour)
	at := func(boot byte, up time.Duration, wall string) Instant {
		w, err := time.Parse(time.DateTime, wall)
		if err != nil {
			t.Fatal(err)
		}
		return Instant{Wall: w, Boot: BootID{15: boot}, Up: up}
	}
	unknown := saved
	unknown.Boot = BootID{}
	for _, test := range []struct {
		name      string
		then, now Instant
		passed    time.Duration
		by        Reckoning
		err       error
	}{
		{"the same moment", saved, saved, 0, ByBoot, nil},
		{"the same boot", saved, at(boot1, 3*time.Hour, "2026-03-01 03:00:00"), 2 * time.Hour, ByBoot, nil},
		{"the clock set ahead meanwhile", saved, at(boot1, 2*time.Hour, "2036-03-01 02:00:00"), time.Hour, ByBoot, nil},
		{"the clock set back meanwhile", saved, at(boot1, 2*time.Hour, "1970-01-01 02:00:00"), time.Hour, ByBoot, nil},
		{"a wrong clock set right meanwhile", at(boot1, 0, "2099-01-01 00:00:00"), at(boot1, time.Hour, "2026-03-01 02:00:00"), time.Hour, ByBoot, nil},
		{"an uptime that went back", saved, at(boot1, 0, "2026-03-01 01:30:00"), 30 * time.Minute, ByWall, nil},
		{"a reboot", saved, at(boot2, time.Minute, "2026-03-01 01:02:00"), 2 * time.Minute, ByWall, nil},
		{"a reboot in no time", saved, at(boot2, 0, "2026-03-01 01:00:00"), 0, ByWall, nil},
		{"a longer uptime after a reboot", saved, at(boot2, 90*time.Minute, "2026-03-01 05:00:00"), 4 * time.Hour, ByWall, nil},
		{"a clock far ahead after a reboot", saved, at(boot2, 0, "2226-03-01 01:00:00"), saved.Wall.AddDate(200, 0, 0).Sub(saved.Wall), ByWall, nil},
		{"a clock beyond all durations", saved, at(boot2, 0, "2999-01-01 00:00:00"), 1<<63 - 1, ByWall, nil},
		{"a clock set back after a reboot", saved, at(boot2, 0, "2026-03-01 00:59:59"), 0, ByNone, nil},
		{"a clock of the last shutdown", saved, at(boot2, 0, "2026-02-20 00:00:00"), 0, ByNone, nil},
		{"a clock of the system's build", saved, at(boot2, 0, "2025-01-02 00:00:00"), 0, ByNone, nil},
		{"a clock of 1970", saved, at(boot2, 0, "1970-01-01 00:00:01"), 0, ByNone, nil},
		{"saved with a clock of 1970", at(boot1, 0, "1970-01-01 00:00:01"), at(boot2, 0, "1970-01-02 00:00:01"), 24 * time.Hour, ByWall, nil},
		{"saved with a clock ten years ahead", at(boot1, 0, "2099-01-01 00:00:00"), at(boot2, 0, "2026-03-01 00:00:00"), 0, ByNone, ErrFuture},
		{"saved and loaded with clocks that are wrong", at(boot1, 0, "2099-01-01 00:00:00"), at(boot2, 0, "1999-01-01 00:00:00"), 0, ByNone, nil},
		{"boots that are unknown", unknown, unknown, 0, ByWall, nil},
		{"a boot that was unknown", unknown, at(boot1, 5*time.Hour, "2026-03-01 02:00:00"), time.Hour, ByWall, nil},
	} {
		passed, by, err := test.now.since(test.then)
		if passed != test.passed || by != test.by || !errors.Is(err, test.err) {
			t.Errorf("%s: %v %v, %v; want %v %v, %v", test.name, passed, by, err, test.passed, test.by, test.err)
		}
	}
}

func TestReckoningTexts(t *testing.T) {
	seen := make(map[string]bool)
	for _, r := range []Reckoning{ByBoot, ByWall, ByNone} {
		seen[r.String()] = true
	}
	if len(seen) != 3 {
		t.Errorf("texts that don't differ: %v", seen)
	}
}
