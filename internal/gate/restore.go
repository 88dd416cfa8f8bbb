package gate

import (
	"slices"
	"strings"

	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/state"
)

// Restore has Start take over what an earlier process promised, as far as the
// configuration still says so: a reason counts only if its rule still matches
// the name, feeds the set, opens the service and admits the address, and for no
// longer than its `lifetime` allows. What has no such reason left because the
// configuration has changed is ended as its rule had it.
func (i *Instance) Restore(s state.Snapshot) { i.earlier = s }

// restore makes bindings of what was restored; what the kernel doesn't hold of
// them is put back when their sets have been read. Gate.mu is held, and the
// keeper has not seen the sets.
func (i *Instance) restore() {
	r := restorer{
		Instance: i, configured: i.configured(), now: i.gate.now(),
		choices: make(map[string]rule.Revoke),
		left:    &Instance{gate: i.gate},
	}
	for _, old := range i.earlier.Rules {
		r.choices[old.Name], _ = rule.ParseRevoke(old.Revoke) // from a file that has its checksum
	}
	for _, b := range i.earlier.Bindings {
		r.restore(i.earlier.Sets[b.Set], b)
	}
	for _, in := range i.earlier.Intervals {
		r.interval(in)
	}
	if len(r.left.used) > 0 {
		i.gate.retire(r.left.used, r.choices, nil)
	}
	if len(i.earlier.Bindings) > 0 {
		i.gate.log.Infof("took over %d of %d promises from the state file", r.restored, len(i.earlier.Bindings))
	}
	if r.ending > 0 {
		i.gate.log.Infof("the configuration no longer gives %d of them, which are revoked", r.ending)
	}
	i.earlier = state.Snapshot{}
}

type restorer struct {
	*Instance
	*configured
	now     moment
	choices map[string]rule.Revoke
	left    *Instance // stands for the configuration of which there is only what it had promised

	restored, ending int // bindings
}

// restore takes over one binding, if any of its reasons still counts, or has it
// ended if none is configured any more.
func (r *restorer) restore(in state.Set, b state.Binding) {
	p := part{set: in.ID, layout: in.Layout}
	var ok bool
	if p.client, p.addr, p.service, ok = in.Layout.Split(b.Key); !ok {
		return
	}
	if b.Revoked != state.NotRevoked {
		r.dismiss(in, b)
		return
	}
	var reasons []reason
	given := len(b.Reasons) == 0 // of unknown origin
	overlong := false            // what gave it a longer life than any name has left
	for n := range b.Reasons {
		why := &b.Reasons[n]
		if !r.gives(&p, why.Rule, why.Origin, why.Name) {
			overlong = overlong || why.Origin != rule.ByName && r.choices[why.Rule] != rule.RevokeKeep
			continue
		}
		given = true
		if !r.admits(&p, why.Rule, why.Origin, why.Name, why.Client) {
			continue
		}
		if again, fate := r.reason(&p, why, r.now+b.Left); fate == Unjudged {
			reasons = append(reasons, again)
		}
	}
	switch {
	case len(reasons) > 0:
		r.restored += r.put(r.gate.sets[setKey{in.ID, false}], in, b, func(own *binding) {
			own.set.owing.Store(true)
			own.reasons, own.overlong = reasons, overlong
			for _, why := range reasons {
				own.until = max(own.until, why.until)
				if why.subject.origin == rule.ByHand {
					r.gate.hands.put(own.at, why.subject.rule, why.until)
				}
			}
		})
	case !given:
		r.end(in, b)
	}
}

// reason is one that still counts. It has learnt again where its chain led to.
func (r *restorer) reason(p *part, why *state.Reason, end moment) (reason, Fate) {
	ru := r.configured.rules[why.Rule]
	longest := ru.Lifetime.Written(ru.Lifetime.Max)
	switch why.Origin {
	case rule.ByLine:
		longest = staticLife
	case rule.ByHand:
		longest = ByHandMax
	}
	until := min(r.now+why.Left, end, r.now+longest)
	sub := &subject{rule: ru.Name, origin: why.Origin, name: why.Name}
	of := sub.tag()
	if sub.named() {
		var fate Fate
		if sub, fate = r.gate.names.take(of, ru.Name, why.Name, p.addr, ru.Limit, r.now, until); fate != Unjudged {
			return reason{}, fate
		}
	}
	if ru.FollowTargets {
		for target := range strings.SplitSeq(why.Chain, chainArrow) {
			if target != "" {
				r.gate.learn(target, why.Name, until, r.now)
			}
		}
	}
	return reason{
		tag: of, subject: sub, chain: chain(why.Chain), client: why.Client,
		first: r.now - why.First, last: r.now - why.Last, until: until,
	}, Unjudged
}

// end has a binding ended that the configuration no longer gives, as soon as its
// set has been read.
func (r *restorer) end(in state.Set, b state.Binding) {
	last := b.Reasons[0]
	for _, why := range b.Reasons {
		if why.Left > last.Left {
			last = why
		}
	}
	choice := r.choices[last.Rule]
	if choice == rule.RevokeKeep {
		return
	}
	r.ending += r.put(r.leftSet(in), in, b, func(own *binding) {
		own.reasons = []reason{r.as(&last)}
		r.gate.end(own, choice)
	})
}

// dismiss has a binding ended that an administrator had revoked.
func (r *restorer) dismiss(in state.Set, b state.Binding) {
	choice := rule.RevokeDelete
	if b.Revoked == state.RevokedKill {
		choice = rule.RevokeKill
	}
	r.put(r.leftSet(in), in, b, func(own *binding) {
		for n := range b.Reasons {
			own.reasons = append(own.reasons, r.as(&b.Reasons[n]))
		}
		own.dismiss(newDismissal(Dismissal{})) // for which nobody waits
		r.gate.end(own, choice)
	})
}

// leftSet is a set in which something is to be ended, whether or not it is
// configured.
func (r *restorer) leftSet(in state.Set) *kernelSet {
	ks := r.gate.sets[setKey{in.ID, false}]
	if ks == nil || !slices.Contains(r.left.used, ks) {
		ks = r.left.use(rule.Set{ID: in.ID, Layout: in.Layout, Known: true})
	}
	return ks
}

// as is a reason as it was, whether or not it still counts.
func (r *restorer) as(why *state.Reason) reason {
	sub := &subject{rule: why.Rule, origin: why.Origin, name: why.Name}
	return reason{
		tag: sub.tag(), subject: sub, chain: chain(why.Chain), client: why.Client,
		first: r.now - why.First, last: r.now - why.Last, until: r.now + why.Left,
	}
}

// interval has a set of ranges looked at into which an earlier process wrote. What is
// left there of its ranges is known by their comments, which don't say whose rule's
// they were: the strictest choice of the set's rules counts.
func (r *restorer) interval(in state.Interval) {
	choice := r.choices[in.Rule]
	ks := r.gate.sets[setKey{in.ID, true}]
	if ks == nil {
		if choice == rule.RevokeKeep {
			return
		}
		ks = r.left.use(rule.Set{ID: in.ID, Layout: in.Layout, Known: true, Interval: true})
	}
	if known := ks.ranges.inherited; known == nil || choice.Stricter(*known) {
		ks.ranges.inherited = &choice
	}
}

// put makes the binding of a key that an earlier process wrote, and fills it. It
// returns how many that are: none if there can't be one.
func (r *restorer) put(ks *kernelSet, in state.Set, b state.Binding, fill func(*binding)) int {
	if !ks.suits(in.Layout) {
		return 0
	}
	at := ks.slot(b.Key, in.Layout)
	s, h := r.gate.locate(&at)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.find(h, &at) != nil {
		return 0
	}
	own, fate := r.gate.create(s, h, &at, ks, soon)
	if fate != Unjudged {
		return 0
	}
	own.own, own.held = true, r.now+b.Left // in an earlier life of the set
	fill(own)
	return 1
}
