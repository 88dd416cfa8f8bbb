package nftset

import (
	"testing"
	"time"

	"github.com/namewall/namewall/internal/gate"
)

// A cause is logged once, and again after a pause, with how often it came up.
func TestRefusalsAreLoggedNowAndThen(t *testing.T) {
	var r refusals
	now := time.Unix(0, 0)
	what := refusal{"web", gate.Special, false}
	for i := range 100 {
		if _, due := r.due(what, now); due != (i == 0) {
			t.Fatalf("answer %d: %v", i, due)
		}
	}
	if _, due := r.due(refusal{"app", gate.Special, false}, now); !due {
		t.Error("another rule's refusal is kept back")
	}
	if since, due := r.due(what, now.Add(logPause)); !due || since != 99 {
		t.Errorf("after the pause: %v, %d since", due, since)
	}
	if _, due := r.due(what, now.Add(logPause+time.Second)); due {
		t.Error("again at once")
	}
}

// A burst is logged whole, and a later one again.
func TestPacerBurst(t *testing.T) {
	p := pacer[string]{burst: 3}
	begin := time.Unix(0, 0)
	for _, begin := range []time.Time{begin, begin.Add(logPause)} {
		logged := 0
		for range 8 {
			if _, due := p.due("x", begin); due {
				logged++
			}
		}
		if logged != 3 {
			t.Errorf("%d of 8 logged", logged)
		}
	}
	if n, due := p.due("x", begin.Add(2*logPause)); !due || n != 5 {
		t.Errorf("due %v, %d", due, n)
	}
}
