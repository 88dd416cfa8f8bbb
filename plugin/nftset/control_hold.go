package nftset

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/namewall/namewall/internal/control"
	"github.com/namewall/namewall/internal/gate"
	"github.com/namewall/namewall/internal/set"
)

// byHandMin is the shortest time for which something is held by hand: what nftables
// can keep apart from nothing.
const byHandMin = time.Second

// hold has elements held by hand.
func (a *api) hold(w http.ResponseWriter, r *http.Request) {
	var asked control.Hold
	if err := body(w, r, &asked); err != nil {
		control.Refuse(w, err)
		return
	}
	h, err := a.holdOf(&asked)
	if err != nil {
		control.Refuse(w, err)
		return
	}
	h.UID = control.CallerOf(r).UID
	if !a.changes.wait(r.Context()) {
		return // the client has gone
	}
	defer a.changes.leave()
	ctx, cancel := context.WithTimeout(r.Context(), changeLimit)
	defer cancel()
	all, err := a.process.gate.HoldByHand(ctx, h)
	if err != nil {
		control.Refuse(w, err)
		return
	}
	out := control.Held{Elements: []control.Changed{}, Outcomes: make(map[string]int)}
	now := time.Now()
	for i := range all {
		e := control.Changed{Element: element(&all[i].Entry, now)}
		e.Outcome, e.Text = holdOutcome(&all[i])
		out.Elements = append(out.Elements, e)
		out.Outcomes[e.Outcome]++
	}
	held := out.Outcomes[control.OutcomeHeld]
	switch elements := plural(len(all), "element", "elements"); held {
	case 0:
		out.Done = fmt.Sprintf("rule %s holds nothing of what was asked for: %s refused or not yet written", h.Rule, elements)
	case len(all):
		out.Done = fmt.Sprintf("rule %s holds %s for %s: %s", h.Rule, plural(len(h.Addrs), "address", "addresses"), formatDuration(h.For), elements)
	default:
		out.Done = fmt.Sprintf("rule %s holds a part of what was asked for, for %s: %d of %s", h.Rule, formatDuration(h.For), held, elements)
	}
	named := strings.Join(asked.Addresses[:min(len(asked.Addresses), addressesLogged)], " ")
	if more := len(asked.Addresses) - addressesLogged; more > 0 {
		named += fmt.Sprintf(" and %d more", more)
	}
	a.byHand(r, fmt.Sprintf("%s (%s)", out.Done, named))
	if err := a.process.saver.saveNow(); err != nil {
		out.Notes = append(out.Notes, "the state file can't be written, and a reboot ends what is held: "+err.Error())
	}
	control.Reply(w, out)
}

// addressesLogged bounds the addresses that a line of the log names. The events
// have each.
const addressesLogged = 10

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// holdOutcome is what has become of an element.
func holdOutcome(e *gate.HeldByHand) (outcome, text string) {
	switch {
	case errors.Is(e.Err, gate.ErrPending):
		return control.OutcomePending, e.Err.Error()
	case e.Err != nil:
		return control.OutcomeRefused, e.Err.Error()
	case e.Longer:
		return control.OutcomeHeld, "for longer than that already: nothing shortens it but 'namewall revoke'"
	case e.Permanent:
		return control.OutcomeHeld, "it is there for ever, by somebody else's hand"
	}
	return control.OutcomeHeld, ""
}

// holdOf reads a request.
func (a *api) holdOf(asked *control.Hold) (h gate.Hold, err error) {
	h.Rule = asked.Rule
	switch {
	case h.Rule == "":
		return h, errors.New("a rule is missing, whose sets are to hold the addresses")
	case len(asked.Addresses) == 0:
		return h, errors.New("an address is missing")
	}
	for _, word := range asked.Addresses {
		addr, err := addressOf(word)
		if err != nil {
			return h, err
		}
		h.Addrs = append(h.Addrs, addr)
	}
	for _, word := range asked.Services {
		s, err := set.ParseService(word)
		if err != nil {
			return h, err
		}
		h.Services = append(h.Services, s)
	}
	if asked.Client != "" {
		if h.Client, err = addressOf(asked.Client); err != nil {
			return h, err
		}
	}
	var ok bool
	if h.For, ok = parseDuration(asked.For); !ok {
		return h, fmt.Errorf("'%s' is no duration: use a number with s, m, h or d, such as 30m or 2h", asked.For)
	}
	if h.For < byHandMin || h.For > gate.ByHandMax {
		return h, fmt.Errorf("duration '%s' is out of range: use one from %s to %s; what is to stay is written under 'static' in the Corefile",
			asked.For, formatDuration(byHandMin), formatDuration(gate.ByHandMax))
	}
	return h, nil
}
