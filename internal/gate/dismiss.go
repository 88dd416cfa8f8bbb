package gate

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"

	"github.com/namewall/namewall/internal/rule"
)

// errStillKilling tells that connections were not ended within the time waited.
var errStillKilling = errors.New("they are not ended yet")

// Dismissal is what an administrator revokes by hand: the elements that are there
// because of a name, or those of an address.
type Dismissal struct {
	Addr netip.Addr // or
	Name string     // in lower case, with its final dot
	Rule string     // only what this rule wants; "": whatever it is there for
	Kill bool       // end the connections too
	UID  uint32     // the administrator
}

// DismissalFate is what has become of an element that was to be revoked.
type DismissalFate uint8

// An element is closed, unless something else wants it, it isn't the gate's, or
// its deletion has failed or is still to come.
const (
	Closed     DismissalFate = iota
	Reopened                 // an answer has admitted it again meanwhile
	KeptStatic               // the Corefile has it
	KeptOther                // another rule wants it
	Foreign                  // the gate hasn't written it as it is, so it was left alone
	Stuck                    // the kernel has refused to delete it
	Pending                  // its set can't be written now: it is deleted as soon as it can

	dismissalFates
)

var dismissalWords = [dismissalFates]string{
	"closed", "reopened", "static", "other_rule", "foreign", "refused", "pending",
}

// String is the fate in a word.
func (f DismissalFate) String() string { return dismissalWords[f] }

// Dismissed is what has come of a dismissal.
type Dismissed struct {
	Elements    []DismissedElement // as many as were wanted
	Counts      [dismissalFates]int
	Connections int   // that were ended
	KillErr     error // why some go on
}

// All is the number of elements that were found.
func (d *Dismissed) All() (n int) {
	for _, count := range d.Counts {
		n += count
	}
	return n
}

// DismissedElement is an element that was to be revoked, as it was before. Of one
// that is kept the reasons are those that keep it.
type DismissedElement struct {
	Entry
	Fate DismissalFate
}

// Dismiss revokes what d chooses, now and whatever it is there for, and waits until
// the kernel has done so, or ctx is done. What is static has to leave the Corefile,
// and what others have written is left alone. The next answer admits an address
// anew; nothing else brings it back. Of the elements most are told at most.
func (g *Gate) Dismiss(ctx context.Context, d Dismissal, most int) Dismissed {
	by := newDismissal(d)
	var out Dismissed
	var waits []*binding
	var shown []int // places in out.Elements of those that are waited for, or -1
	note := func(e Entry, f DismissalFate) int {
		out.Counts[f]++
		if len(out.Elements) == most {
			return -1
		}
		out.Elements = append(out.Elements, DismissedElement{e, f})
		return len(out.Elements) - 1
	}
	now := g.now()
	g.each(func(b *binding) bool {
		if !d.chooses(b, now) {
			return true
		}
		entry := b.entry(now)
		taken, stays := d.split(b, now)
		for i := range taken {
			switch sub := taken[i].subject; {
			case sub.named():
				g.names.give(taken[i].tag, sub, b.addr())
			case sub.origin == rule.ByHand:
				g.hands.give(b.at, sub.rule, 0)
			}
		}
		if len(stays) > 0 {
			f := KeptOther
			if slices.ContainsFunc(stays, func(r reason) bool { return r.subject.origin == rule.ByLine }) {
				f = KeptStatic
			}
			b.stay(stays)
			g.shorten(b)
			entry.Reasons = b.entry(now).Reasons
			note(entry, f)
			return true
		}
		b.reasons, b.until = taken, 0
		b.dismiss(by)
		if b.ending == notEnding || d.Kill {
			b.ending = d.ending()
		}
		shown = append(shown, note(entry, Pending))
		waits = append(waits, b)
		return g.goOnEnding(b)
	})
	if f := (Filter{Addr: d.Addr, Rule: d.Rule}); d.Name == "" {
		for _, ks := range g.known() {
			for _, e := range ks.entries(now) { // ranges, which only the Corefile gives
				if f.choosesEntry(&e) {
					note(e, KeptStatic)
				}
			}
		}
	}
	by.close(1)
	select {
	case <-by.closed:
	case <-ctx.Done():
	case <-g.closing:
	}
	for i, b := range waits {
		f := g.fate(b)
		out.Counts[Pending]--
		out.Counts[f]++
		if shown[i] >= 0 {
			out.Elements[shown[i]].Fate = f
		}
	}
	out.Connections, out.KillErr = by.outcome()
	select {
	case <-by.closed:
	default:
		if d.Kill && out.KillErr == nil {
			out.KillErr = errStillKilling
		}
	}
	return out
}

// dismiss has it that by ends the binding. The shard is locked.
func (b *binding) dismiss(by *dismissal) {
	b.dismissed.close(1) // another administrator's
	b.dismissed = by
	by.add()
}

// chooses tells whether the dismissal is about a binding. Its shard is locked.
func (d *Dismissal) chooses(b *binding, now moment) bool {
	if d.Addr.IsValid() && d.Addr != b.addr() {
		return false
	}
	if b.ending == notEnding && b.due() <= now && !b.busy() {
		return false // its time is over
	}
	if d.Rule == "" && d.Name == "" {
		return true
	}
	return slices.ContainsFunc(b.reasons, func(r reason) bool {
		return (d.Rule == "" || d.Rule == r.subject.rule) &&
			(d.Name == "" || r.subject.origin == rule.ByName && d.Name == r.subject.name) && (r.until > now || b.ending != notEnding)
	})
}

// split tells which of a chosen binding's reasons the dismissal takes away, and
// which stay. The shard is locked.
func (d *Dismissal) split(b *binding, now moment) (taken, stays []reason) {
	for _, r := range b.reasons {
		if b.ending == notEnding && r.until > now && (r.subject.origin == rule.ByLine || d.Rule != "" && d.Rule != r.subject.rule) {
			stays = append(stays, r)
		} else {
			taken = append(taken, r)
		}
	}
	return taken, stays
}

func (d *Dismissal) ending() ending {
	if d.Kill {
		return killing
	}
	return deleting
}

// stay leaves a binding these reasons, for their own lives. The shard is locked.
func (b *binding) stay(reasons []reason) {
	var left moment
	for i := range reasons {
		left = max(left, reasons[i].until)
	}
	b.reasons, b.until = reasons, min(b.until, left)
}

// fate tells what has become of a binding that was dismissed.
func (g *Gate) fate(b *binding) DismissalFate {
	s, _ := g.locate(&b.at)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case b.gone:
		return Closed
	case b.ending != notEnding:
		return Pending
	case len(b.reasons) > 0:
		return Reopened
	case !b.own:
		return Foreign
	}
	return Stuck
}

// dismissal is a Dismissal that is being carried out. The methods of a nil one do
// nothing: that is of the configuration.
type dismissal struct {
	Dismissal

	mu          sync.Mutex    // guards what follows; taken after a shard's
	open        int           // bindings that are still ending, and flows whose connections are
	closed      chan struct{} // once open is 0
	connections int           // that were ended
	err         error         // the last of what has gone wrong with them
}

// newDismissal is one that is open until its own close.
func newDismissal(d Dismissal) *dismissal {
	return &dismissal{Dismissal: d, open: 1, closed: make(chan struct{})}
}

// add notes one more thing that is to come to an end.
func (d *dismissal) add() {
	if d != nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.open++
	}
}

// close notes that so many things have.
func (d *dismissal) close(n int) {
	if d != nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.open -= n; d.open == 0 {
			close(d.closed)
		}
	}
}

// killed notes what has come of so many flows: how many connections were ended,
// and why not all.
func (d *dismissal) killed(flows, connections int, err error) {
	if d == nil {
		return
	}
	d.mu.Lock()
	d.connections += connections
	if err != nil {
		d.err = err
	}
	d.mu.Unlock()
	d.close(flows)
}

func (d *dismissal) outcome() (connections int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.connections, d.err
}
