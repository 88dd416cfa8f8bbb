package nftset

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/namewall/namewall/internal/control"
	"github.com/namewall/namewall/internal/gate"
	"github.com/namewall/namewall/internal/rule"
)

const (
	// eventRoom is how many events may wait for who reads them: a tenth of a second
	// of a busy gateway.
	eventRoom = 1024
	// lostEvery is how often somebody who reads too slowly, or wants few, is told how
	// many were left out.
	lostEvery = time.Second
	// watchersMax bounds who listens, a part of the control socket's connections:
	// others are to get an answer meanwhile.
	watchersMax = 16
)

// events tells what happens, a line each, until the client goes.
func (a *api) events(w http.ResponseWriter, r *http.Request) {
	rate, err := rateOf(r.URL.Query())
	if err != nil {
		control.Refuse(w, err)
		return
	}
	if !a.watchers.enter() {
		control.TooMany(w, fmt.Errorf("%d clients watch already, and that is the most", watchersMax))
		return
	}
	defer a.watchers.leave()
	l, leave := a.process.gate.Listen(eventRoom)
	defer leave()
	out, err := control.NewStream(w)
	if err != nil {
		return
	}
	ticker := time.NewTicker(lostEvery)
	defer ticker.Stop()
	var sent [len(eventKinds)]int // in this second
	left, told := uint64(0), uint64(0)
	for {
		var err error
		select {
		case h := <-l.C():
			if sent[h.Kind] == rate {
				left++
				break
			}
			sent[h.Kind]++
			err = out.Send(event(&h))
		case now := <-ticker.C:
			clear(sent[:])
			if lost := l.Lost() + left; lost > told {
				err = out.Send(control.Event{At: now, Kind: control.EventLost, Count: int(lost - told)})
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

// rateOf reads the only parameter of a request for events: how many of a kind are
// wanted each second. What is common doesn't crowd out what is rare.
func rateOf(q url.Values) (int, error) {
	rate := math.MaxInt
	for name, values := range q {
		if name != "rate" {
			return 0, fmt.Errorf("unknown parameter '%s'", name)
		}
		var err error
		if rate, err = strconv.Atoi(values[0]); err != nil || rate < 1 {
			return 0, fmt.Errorf("'%s' is no rate: use a number from 1", values[0])
		}
	}
	return rate, nil
}

var eventKinds = [...]string{
	gate.Admitted: control.EventAdmitted, gate.Extended: control.EventExtended, gate.Gone: control.EventRevoked,
	gate.Refused: control.EventRefused, gate.Healed: control.EventHealed, gate.HeldLong: control.EventHeld,
	gate.ByHand: control.EventByHand, gate.Dropped: control.EventDropped,
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
			if why.Origin != rule.ByName.String() {
				e.Origin, e.UID = why.Origin, why.UID
			}
		}
		if h.Dismissed {
			e.UID = &h.UID
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
		e.Set, e.Count, e.Took, e.Process, e.PID = h.Set.String(), h.Count, h.Took.Seconds(), h.Process, h.PID
	case gate.Dropped:
		e.Name, e.Client, e.Rule, e.Address, e.Service = h.Name, h.Client.String(), h.Drop.Rule, h.Drop.Addr.String(), h.Drop.Service
		e.Cause, e.Text, e.Direction = h.Drop.Cause, h.Drop.Text, direction(h.Drop.Inbound)
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
