package nftset

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/namewall/namewall/internal/control"
	"github.com/namewall/namewall/internal/gate"
)

const (
	// eventRoom is how many events may wait for who reads them: a tenth of a second
	// of a busy gateway.
	eventRoom = 1024
	// lostEvery is how often somebody who reads too slowly is told how many were
	// lost, and how long a line may take to be written.
	lostEvery = time.Second
)

// events tells what happens, a line each, until the client goes.
func (a *api) events(w http.ResponseWriter, r *http.Request) {
	l, leave := a.process.gate.Listen(eventRoom)
	defer leave()
	out := http.NewResponseController(w)
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	lines := json.NewEncoder(w)
	send := func(e control.Event) error {
		return errors.Join(out.SetWriteDeadline(time.Now().Add(lostEvery)), lines.Encode(e), out.Flush())
	}
	if out.Flush() != nil { // so that the client knows that it listens
		return
	}
	ticker := time.NewTicker(lostEvery)
	defer ticker.Stop()
	told := uint64(0)
	for {
		var err error
		select {
		case h := <-l.C():
			err = send(event(&h))
		case now := <-ticker.C:
			if lost := l.Lost(); lost > told {
				err = send(control.Event{At: now, Kind: control.EventLost, Count: int(lost - told)})
				told = lost
			}
		case <-r.Context().Done():
			return
		}
		if err != nil {
			return // the client has gone, or reads nothing
		}
	}
}

var eventKinds = [...]string{
	gate.Admitted: control.EventAdmitted, gate.Extended: control.EventExtended, gate.Gone: control.EventRevoked,
	gate.Refused: control.EventRefused, gate.Healed: control.EventHealed, gate.HeldLong: control.EventHeld,
	gate.ByHand: control.EventByHand,
}

// event is a happening as the control socket and the grant log tell it.
func event(h *gate.Happening) control.Event {
	e := control.Event{At: h.At, Kind: eventKinds[h.Kind]}
	switch h.Kind {
	case gate.Admitted, gate.Extended, gate.Gone:
		in := element(&h.Entry, h.At)
		e.Set, e.Address, e.Service, e.Client, e.Until = in.Set, in.Address, in.Service, in.Client, in.Promised
		if why := latest(in.Reasons); why != nil {
			e.Rule, e.Name, e.Chain, e.Client = why.Rule, why.Name, why.Chain, why.Client
		}
	case gate.Refused:
		e.Name, e.Address, e.Cause, e.Text, e.Feed = h.Name, h.Cause.Addr.String(), h.Cause.Fate.String(), h.Cause.String(), h.Feed
		if h.Cause.Rule != nil {
			e.Rule = h.Cause.Rule.Name
		}
		if h.Client.IsValid() {
			e.Client = h.Client.String()
		}
	case gate.Healed:
		e.Set, e.Count, e.Process, e.PID = h.Set.String(), h.Count, h.Process, h.PID
	case gate.ByHand:
		e.Text, e.UID = h.Did, &h.UID
	case gate.HeldLong:
		e.Name, e.Held = h.Name, h.Held.Seconds()
		if h.Client.IsValid() {
			e.Client = h.Client.String()
		}
	}
	return e
}

// latest is the reason that was asked for last.
func latest(all []control.Reason) (last *control.Reason) {
	for i := range all {
		if last == nil || all[i].Last.After(last.Last) {
			last = &all[i]
		}
	}
	return last
}
