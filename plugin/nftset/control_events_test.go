package nftset

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/namewall/namewall/internal/control"
)

// Who wants a few events a second gets a few of each kind, and is told how many
// there were beside them.
func TestEventRate(t *testing.T) {
	l := newLab(t, "nftset web {\n name *.example.com\n set inet filter web4\n}")
	client, end := control.Local(newAPI(l.inst.shared()))
	defer end()
	for _, wrong := range []string{"0", "x", ""} {
		if err := client.Stream(t.Context(), "/events?rate="+wrong, nil); err == nil || err.Error() != "'"+wrong+"' is no rate: use a number from 1" {
			t.Errorf("rate '%s': %v", wrong, err)
		}
	}

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	go func() {
		for ctx.Err() == nil { // a few before anybody listens
			for range 10 {
				l.gate.TellByHand(0, "told")
			}
			time.Sleep(100 * time.Millisecond)
		}
	}()
	enough := errors.New("enough")
	shown := 0
	err := client.Stream(ctx, "/events?rate=2", func(line []byte) error {
		var e control.Event
		if err := json.Unmarshal(line, &e); err != nil {
			return err
		}
		switch e.Kind {
		case control.EventByHand:
			if shown++; shown > 2 {
				t.Error("more than 2 of a kind in a second")
			}
		case control.EventLost:
			if e.Count < 8 {
				t.Errorf("%d were left out, want at least 8", e.Count)
			}
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || shown != 2 {
		t.Errorf("%d were shown: %v", shown, err)
	}
}
