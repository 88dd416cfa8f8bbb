package nftset

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/namewall/namewall/internal/control"
	"github.com/namewall/namewall/internal/gate"
	"github.com/namewall/namewall/internal/rule"
)

const (
	// changeLimit is how long the answer to a change by hand waits for the kernel,
	// the table of connections included, which may have a million of them.
	changeLimit = 10 * time.Second
	// changesMax bounds the changes by hand that are made at once, each of which
	// looks through all bindings and writes the state file.
	changesMax = 1
	// changesShown bounds the elements that such an answer lists.
	changesShown = 1_000
)

// revoke ends elements by hand.
func (a *api) revoke(w http.ResponseWriter, r *http.Request) {
	var asked control.Revoke
	if err := body(w, r, &asked); err != nil {
		control.Refuse(w, err)
		return
	}
	d, what, err := a.dismissal(&asked)
	if err != nil {
		control.Refuse(w, err)
		return
	}
	d.UID = control.CallerOf(r).UID
	if !a.changes.wait(r.Context()) {
		return // the client has gone
	}
	defer a.changes.leave()
	ctx, cancel := context.WithTimeout(r.Context(), changeLimit)
	defer cancel()
	got := a.process.gate.Dismiss(ctx, d, changesShown)
	out := control.Revoked{Elements: []control.Changed{}, More: got.All() > len(got.Elements), Connections: got.Connections}
	out.Done = "nothing is there " + what
	if got.All() == 0 && a.crowded(d.Name) {
		out.Notes = append(out.Notes, "an address of it may still be open: "+crowdedText)
	}
	if got.All() > 0 {
		did := "revoked what is there "
		if got.Counts[gate.Closed] == 0 {
			did = "revoked nothing of what is there "
		}
		out.Done = did + what + ": " + a.dismissed(&got, &out, d.Kill)
		a.byHand(r, out.Done)
	}
	control.Reply(w, out)
}

// crowdedText is what is to be said of a name that may be among those that are not
// kept.
const crowdedText = "some elements are there for more names than are kept, maybe for this one too: look its addresses up, and ask about those"

// crowded tells whether a name may be among those of an element that has more than
// are kept.
func (a *api) crowded(name string) bool {
	if name == "" {
		return false
	}
	found, _ := a.process.gate.Entries(gate.Filter{Crowded: true}, 1)
	return len(found) > 0
}

// dismissal reads a request, and says in words what it is about.
func (a *api) dismissal(asked *control.Revoke) (d gate.Dismissal, what string, err error) {
	d = gate.Dismissal{Rule: asked.Rule, Kill: asked.Kill}
	switch {
	case (asked.Address == "") == (asked.Name == ""):
		return d, "", errors.New("one address or one name is to be revoked")
	case asked.Name != "":
		if d.Name, err = nameOf(asked.Name); err != nil {
			return d, "", err
		}
		what = "because of " + strings.TrimSuffix(d.Name, ".")
	default:
		if d.Addr, err = addressOf(asked.Address); err != nil {
			return d, "", err
		}
		what = "for " + d.Addr.String()
	}
	if d.Rule != "" {
		if a.ruleOf(d.Rule) == nil {
			return d, "", fmt.Errorf("%w: %s", gate.ErrNoRule, d.Rule)
		}
		what += " under rule " + d.Rule
	}
	return d, what, nil
}

// addressOf is an address as keys have it.
func addressOf(word string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(word)
	if err != nil || addr.Zone() != "" {
		return addr, fmt.Errorf("'%s' is no address such as 198.51.100.7 or 2001:db8::7", word)
	}
	return addr.Unmap(), nil
}

// ruleOf is the active configuration's rule of a name, nil if there is none.
func (a *api) ruleOf(name string) *rule.Rule {
	for _, r := range a.process.gate.Rules() {
		if r.Name == name {
			return r
		}
	}
	return nil
}

// dismissed tells in out what has become of each element and what follows, and
// returns it in a few words.
func (a *api) dismissed(got *gate.Dismissed, out *control.Revoked, kill bool) string {
	now := time.Now()
	for i := range got.Elements {
		e := &got.Elements[i]
		out.Elements = append(out.Elements, control.Changed{
			Element: element(&e.Entry, now), Outcome: e.Fate.String(), Text: fateText(e),
		})
	}
	out.Outcomes = make(map[string]int)
	var parts []string
	for f, n := range got.Counts {
		if n > 0 {
			word := gate.DismissalFate(f).String()
			out.Outcomes[word] = n
			parts = append(parts, strconv.Itoa(n)+" "+strings.ReplaceAll(word, "_", " "))
		}
	}
	if kill {
		parts = append(parts, "connections ended: "+strconv.Itoa(got.Connections))
	}
	if got.KillErr != nil {
		out.GoOn = true
		out.Notes = append(out.Notes, "connections go on: "+got.KillErr.Error())
	}
	if got.Counts[gate.Closed]+got.Counts[gate.Pending] > 0 {
		out.Notes = append(out.Notes, a.comesBack(got)...)
	}
	out.Notes = append(out.Notes, deletions(got)...)
	if err := a.process.saver.saveNow(); err != nil {
		out.Notes = append(out.Notes, "the state file can't be written, and a restart may bring back what it has: "+err.Error())
	}
	return strings.Join(parts, ", ")
}

// deletionsShown bounds the commands that an answer suggests.
const deletionsShown = 5

// deletions are the commands that delete what was left alone.
func deletions(got *gate.Dismissed) (notes []string) {
	for i := range got.Elements {
		if e := &got.Elements[i]; e.Fate == gate.Foreign && len(notes) < deletionsShown {
			notes = append(notes, fmt.Sprintf("nft delete element %s { %s }", e.Set, keyOf(&e.Entry)))
		}
	}
	return notes
}

// fateText says of an element that isn't closed why.
func fateText(e *gate.DismissedElement) string {
	var rules []string
	for _, why := range e.Reasons {
		if !slices.Contains(rules, why.Rule) {
			rules = append(rules, why.Rule)
		}
	}
	switch e.Fate {
	case gate.Reopened:
		return "an answer has admitted it again meanwhile"
	case gate.KeptStatic:
		return "static in rule " + strings.Join(rules, ", ") + ": it has to leave the Corefile"
	case gate.KeptOther:
		return "wanted by rule " + strings.Join(rules, ", ") + " too"
	case gate.Foreign:
		return "left alone, as namewall hasn't written it as it is"
	case gate.Stuck:
		return "the kernel doesn't delete it: see the log"
	case gate.Pending:
		return "its set can't be written now: it is deleted as soon as it can"
	}
	return ""
}

// comesBack tells what will open what was closed again.
func (a *api) comesBack(got *gate.Dismissed) []string {
	notes := []string{"the next answer that a rule matches admits an address anew"}
	rules := a.process.gate.Rules()
	seen := make(map[string]bool)
	for i := range got.Elements {
		for _, why := range got.Elements[i].Reasons {
			n := slices.IndexFunc(rules, func(r *rule.Rule) bool { return r.Name == why.Rule })
			if n < 0 || why.Origin != rule.ByName || len(rules[n].Resolving(why.Name)) == 0 {
				continue
			}
			note := fmt.Sprintf("%s will come back by itself, as rule %s keeps it resolved: to end that, take it out of the Corefile",
				strings.TrimSuffix(why.Name, "."), why.Rule)
			if !seen[note] {
				seen[note] = true
				notes = append(notes, note)
			}
		}
	}
	return notes
}
