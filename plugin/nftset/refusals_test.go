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
	if since, due := r.due(what, now.Add(refusalPause)); !due || since != 99 {
		t.Errorf("after the pause: %v, %d since", due, since)
	}
	if _, due := r.due(what, now.Add(refusalPause+time.Second)); due {
		t.Error("again at once")
	}
}
