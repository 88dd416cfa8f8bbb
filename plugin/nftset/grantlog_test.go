package nftset

import (
	"testing"
	"time"

	"github.com/namewall/namewall/internal/gate"
)

// Of a name that is asked for all the time the log has one line a day.
func TestBeyondADay(t *testing.T) {
	lines := 0
	const life, step = 61 * time.Minute, 50 * time.Minute
	for first := step; first < 10*day; first += step {
		h := gate.Happening{
			Kind: gate.Extended, Before: life - step,
			Entry: gate.Entry{Promised: life, Reasons: []gate.Why{{First: first}, {First: first / 2}}},
		}
		if beyondADay(&h) {
			lines++
		}
	}
	if lines != 10 {
		t.Errorf("%d lines in 10 days", lines)
	}
}
