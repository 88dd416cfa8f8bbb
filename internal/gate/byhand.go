package gate

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

// ByHandMax is the longest time for which something is held by hand. What is to
// stay for longer than a month is to be written in the Corefile.
const ByHandMax = 30 * 24 * time.Hour

// ErrPending says that an element is on its way to the kernel, for longer than
// somebody wanted to wait.
var ErrPending = errors.New("not written yet: nftables has not taken it so far")

// Hold is what an administrator wants to be in a rule's sets for a time.
type Hold struct {
	Rule     string
	Addrs    []netip.Addr
	Services []set.Service // for sets with ports; none: all that the rule's lines open
	Client   netip.Addr    // for sets of pairs; invalid: none
	For      time.Duration // ByHandMax at most
	UID      uint32        // the administrator
}

// HeldByHand is what has become of one element that was to be held.
type HeldByHand struct {
	Entry
	Left   time.Duration // for how long it is held by hand
	Longer bool          // it was to be held for longer than that already, and is
	Err    error         // why it isn't held
}

// HoldByHand puts addresses into a rule's sets for a time, and waits until the
// kernel has them or ctx is done. What the rule's policy refuses is refused here
// too, and what its sets can't hold: then the error says what is wrong, and nothing
// is done. Nothing is shortened by it; what an element is there for besides stays.
func (g *Gate) HoldByHand(ctx context.Context, h Hold) ([]HeldByHand, error) {
	i, rs := g.ruleState(h.Rule)
	if rs == nil {
		return nil, fmt.Errorf("%w: %s", ErrNoRule, h.Rule)
	}
	holds, err := i.holds(rs, &h)
	if err != nil {
		return nil, err
	}
	if !g.hands.take(holds, g.now()) {
		return nil, fmt.Errorf("%d elements at most are held by hand: write in the Corefile what is to stay, under 'static'", maxByHand)
	}
	for n := range holds {
		g.begin(&holds[n])
	}
	all := make([]HeldByHand, len(holds))
	for n := range holds {
		all[n] = g.complete(ctx, &holds[n])
	}
	return all, nil
}

// ruleState finds the newest active configuration's rule of a name, nil if there is
// none.
func (g *Gate) ruleState(name string) (*Instance, *ruleState) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, i := range slices.Backward(g.instances) {
		for _, rs := range i.rules {
			if rs.rule.Name == name {
				return i, rs
			}
		}
	}
	return nil, nil
}

// holding is one element on its way to be held by hand.
type holding struct {
	*Hold
	rule *ruleState
	set  int // index of rule.sets
	key  set.Key
	at   slot
	// until is when the hold ends, before what was held of it already.
	until, before moment

	state *setState // of the set, when it was looked at
	write *batch    // the write that is waited for; nil: the kernel has it
	index uint16
	err   error
}

// holds makes the elements of h, or says why not.
func (i *Instance) holds(rs *ruleState, h *Hold) ([]holding, error) {
	r := rs.rule
	if h.Client.IsValid() && !r.Asks(h.Client) {
		return nil, fmt.Errorf("rule %s is not for %s: it has 'clients'", r.Name, h.Client)
	}
	var all []holding
	until := i.gate.now() + h.For
	pairs := false
	for _, a := range h.Addrs {
		if err := i.admissible(r, a); err != nil {
			return nil, err
		}
		fits := false
		for n := range rs.sets {
			if r.Sets[n].Interval {
				continue // takes what is written out, and opens ranges
			}
			st := rs.sets[n].state.Load()
			layout, known := rs.layout(n, st)
			if known && !layout.Fits(a, a) {
				continue
			}
			if err := rs.check(n, st); err != nil {
				return nil, fmt.Errorf("rule %s is not ready: set %s: %w", r.Name, rs.sets[n].id, err)
			}
			services := h.Services
			if len(services) == 0 {
				services = r.Services()
			}
			if err := r.CheckByHand(n, layout, services, h.Client); err != nil {
				return nil, err
			}
			if !layout.Fits(h.Client, a) {
				return nil, fmt.Errorf("client %s and address %s are not of one family", h.Client, a)
			}
			fits = true
			pairs = pairs || layout.Pair
			for _, s := range openings(services) {
				o := holding{Hold: h, rule: rs, set: n, key: layout.Key(h.Client, a, s), until: until}
				o.at = rs.sets[n].slot(o.key, layout)
				if !slices.ContainsFunc(all, func(other holding) bool { return other.at == o.at }) {
					all = append(all, o)
				}
			}
			if len(all) > maxByHand {
				return nil, fmt.Errorf("these are more than %d elements, which are the most that are held by hand", maxByHand)
			}
		}
		if !fits {
			return nil, fmt.Errorf("rule %s has no set for %s", r.Name, a)
		}
	}
	if h.Client.IsValid() && !pairs {
		return nil, fmt.Errorf("no set of rule %s has the client in its key: leave out the client", r.Name)
	}
	return all, nil
}

// openings are services to make keys of: one without ports if there are none.
func openings(services []set.Service) []set.Service {
	if len(services) == 0 {
		return []set.Service{{}}
	}
	return services
}

// admissible says why the rule's policy doesn't admit an address.
func (i *Instance) admissible(r *rule.Rule, a netip.Addr) error {
	switch i.Judge(r, a) {
	case rule.Pass:
		return fmt.Errorf("rule %s lets %s pass without admitting it, by a 'pass' line", r.Name, a)
	case rule.RefuseSpecial:
		return fmt.Errorf("rule %s refuses %s, a special-purpose address: an 'allow' line would admit it", r.Name, a)
	case rule.RefuseOwn:
		return fmt.Errorf("rule %s refuses %s, the gateway's own address or of a network connected to it: an 'allow' line would admit it", r.Name, a)
	}
	return nil
}

// begin notes the hold, and has the element written if it doesn't live for as long.
func (g *Gate) begin(o *holding) {
	ks := o.rule.sets[o.set].kernelSet
	o.write, o.err = nil, nil
	o.state = ks.state.Load()
	if o.err = o.rule.check(o.set, o.state); o.err == nil && o.state.layout != o.at.layout {
		o.err = errLayout
	}
	if o.err != nil {
		return
	}
	now := g.now()
	s, hash := g.locate(&o.at)
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.find(hash, &o.at)
	w := write{kind: extension, epoch: o.state.epoch, until: o.until}
	var held moment
	switch {
	case b == nil:
		w.kind = newcomer
		var fate Fate
		if b, fate = g.create(s, hash, &o.at, ks, soon); fate != Unjudged {
			o.err = errors.New(Cause{Fate: fate, Rule: o.rule.rule}.String())
			return
		}
	case b.ending == notEnding:
		held = b.holds(o.state.epoch)
	default:
		if !b.own && !b.busy() {
			held = b.holds(o.state.epoch)
		}
		b.revive()
		b.held = held
	}
	b.heldByHand(o.Rule, o.UID, now, o.until)
	if held >= o.until {
		b.until = max(b.until, o.until)
		return
	}
	if w.binding = b; b.batch == nil || b.writing < o.until {
		g.extend(b, w)
	}
	o.write, o.index = b.batch, b.index
}

// complete waits for the write of an element, once more if its set has changed
// meanwhile, and takes the hold back if that fails.
func (g *Gate) complete(ctx context.Context, o *holding) HeldByHand {
	for o.err == nil && o.write != nil {
		select {
		case <-o.write.done:
			switch err := o.write.writes[o.index].err; {
			case errors.Is(err, errOvertaken):
				g.afresh(ctx, o)
			case err != nil:
				o.err = err
			default:
				// What was written may be lost already. It is promised, and comes
				// back with its set.
				if g.afresh(ctx, o); o.err != nil {
					o.err = ErrPending
				}
			}
		case <-ctx.Done():
			o.err = ErrPending
		case <-g.closing:
			o.err = errClosed
		}
	}
	s, hash := g.locate(&o.at)
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.find(hash, &o.at)
	if o.err == nil && b == nil {
		o.err = errOvertaken // by a revocation
	}
	now := g.now()
	if o.err != nil && !errors.Is(o.err, ErrPending) {
		g.hands.give(o.at, o.Rule, o.before)
		if b != nil {
			b.release(o.Rule, o.before)
		}
	}
	out := HeldByHand{Err: o.err, Left: max(o.until, o.before) - now, Longer: o.before > o.until}
	if b != nil {
		out.Entry = b.entry(now)
		return out
	}
	p := part{set: o.rule.sets[o.set].id, layout: o.at.layout}
	out.Client, out.Addr, out.Service, _ = o.at.layout.Split(o.key)
	out.Set, out.Layout = p.set, p.layout
	return out
}

// afresh begins again once the set can be fed.
func (g *Gate) afresh(ctx context.Context, o *holding) {
	ks := o.rule.sets[o.set].kernelSet
	for {
		st := ks.state.Load()
		if st.err == nil {
			g.begin(o)
			return
		}
		select {
		case <-st.changed:
		case <-ctx.Done():
			o.err = st.err
			return
		case <-g.closing:
			o.err = errClosed
			return
		}
	}
}

// heldByHand notes that an administrator wants the binding under a rule until
// then. The shard is locked.
func (b *binding) heldByHand(ruleName string, uid uint32, now, until moment) {
	who := strconv.FormatUint(uint64(uid), 10)
	for i := range b.reasons {
		if r := &b.reasons[i]; r.byHand(ruleName) {
			r.subject = &subject{rule: ruleName, origin: rule.ByHand, name: who}
			r.last, r.until = now, max(r.until, until)
			return
		}
	}
	b.reasons = append(b.reasons, reason{subject: &subject{rule: ruleName, origin: rule.ByHand, name: who}, first: now, last: now, until: until})
}

func (r *reason) byHand(ruleName string) bool {
	return r.subject.origin == rule.ByHand && r.subject.rule == ruleName
}

// release takes a hold back that could not be made, to what it was before. The
// shard is locked.
func (b *binding) release(ruleName string, before moment) {
	b.reasons = slices.DeleteFunc(b.reasons, func(r reason) bool { return r.byHand(ruleName) && before == 0 })
	for i := range b.reasons {
		if r := &b.reasons[i]; r.byHand(ruleName) {
			r.until = before
		}
	}
}
