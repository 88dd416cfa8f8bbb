package gate

import (
	"net/netip"
	"strings"

	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
	"github.com/namewall/namewall/internal/state"
)

// Snapshot is what has been promised, for the state file. Answers get in
// between while it is taken.
func (g *Gate) Snapshot(taken state.Instant) state.Snapshot {
	s := state.Snapshot{Taken: taken}
	index := make(map[state.Set]int)
	now := g.now()
	g.each(func(b *binding) bool {
		if b.until <= now || b.set.forgotten.Load() {
			return true
		}
		in := state.Set{ID: b.set.id, Layout: b.layout}
		n, known := index[in]
		if !known {
			n = len(s.Sets)
			index[in] = n
			s.Sets = append(s.Sets, in)
		}
		s.Bindings = append(s.Bindings, state.Binding{Set: n, Key: b.at.key, Left: b.until - now, Reasons: b.saved(now)})
		return true
	})
	return s
}

// saved are the binding's reasons that are alive. The shard is locked.
func (b *binding) saved(now moment) []state.Reason {
	var all []state.Reason
	for i := range b.reasons {
		r := &b.reasons[i]
		if r.until > now {
			all = append(all, state.Reason{
				Rule: r.subject.rule, Name: r.subject.name, Chain: r.chain, Client: r.client,
				First: now - r.first, Last: now - r.last, Left: r.until - now,
			})
		}
	}
	return all
}

// Restore has Start take over what an earlier process promised, as far as the
// configuration still says so: a reason counts only if its rule still matches
// the name, feeds the set, opens the service and admits the address, and for no
// longer than its `lifetime` allows.
func (i *Instance) Restore(s state.Snapshot) { i.earlier = s }

// restore makes bindings of what was restored; what the kernel doesn't hold of
// them is put back when their sets have been read. It tells how many they are.
// Gate.mu is held, and the keeper has not seen the sets.
func (i *Instance) restore() int {
	r := restorer{Instance: i, rules: make(map[string]*ruleState), now: i.gate.now()}
	var all []*rule.Rule
	for _, rs := range i.rules {
		all = append(all, rs.rule)
		r.rules[rs.rule.Name] = rs
	}
	r.matcher = rule.NewMatcher(all)
	n := 0
	for _, b := range i.earlier.Bindings {
		if r.restore(i.earlier.Sets[b.Set], b) {
			n++
		}
	}
	i.earlier = state.Snapshot{}
	return n
}

type restorer struct {
	*Instance
	matcher *rule.Matcher
	rules   map[string]*ruleState
	lines   []rule.Match
	now     moment
}

// restore takes over one binding, if any of its reasons still counts.
func (r *restorer) restore(in state.Set, b state.Binding) bool {
	client, addr, service, ok := in.Layout.Split(b.Key)
	if !ok {
		return false
	}
	ks := r.gate.sets[in.ID]
	if ks == nil || !ks.suits(in.Layout) {
		return false
	}
	var reasons []reason
	for _, why := range b.Reasons {
		rs := r.rules[why.Rule]
		if rs == nil || !r.counts(rs.rule, why, in, client, addr, service) {
			continue
		}
		ru := rs.rule
		until := r.now + min(why.Left, b.Left, ru.Lifetime.Written(ru.Lifetime.Max))
		subject, fate := r.gate.names.take(ru.Name, why.Name, addr, ru.Limit, r.now, until)
		if fate != Unjudged {
			continue
		}
		for target := range strings.SplitSeq(why.Chain, chainArrow) {
			if ru.FollowTargets {
				r.gate.learn(target, why.Name, until, r.now)
			}
		}
		reasons = append(reasons, reason{
			subject: subject, chain: why.Chain, client: why.Client,
			first: r.now - why.First, last: r.now - why.Last, until: until,
		})
	}
	if len(reasons) == 0 {
		return false
	}
	at := ks.slot(b.Key)
	s, h := r.gate.locate(at)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.find(h, at) != nil {
		return false
	}
	own, fate := r.gate.create(s, h, at, ks, in.Layout)
	if fate != Unjudged {
		return false
	}
	ks.owing.Store(true)
	own.reasons = reasons
	for _, why := range reasons {
		own.until = max(own.until, why.until)
	}
	return true
}

// suits tells whether bindings of layout l can be the set's. If nothing is known
// of the set yet, they make it known: should the kernel's turn out to be another
// layout, they are dropped.
func (ks *kernelSet) suits(l set.Layout) bool {
	st := ks.state.Load()
	if !st.known {
		next := *st
		next.layout, next.known = l, true
		ks.become(st, next)
		return true
	}
	return st.layout == l
}

// counts tells whether rule ru, as it is configured now, would put the key into
// the set for that reason.
func (r *restorer) counts(ru *rule.Rule, why state.Reason, in state.Set, client, addr netip.Addr, service set.Service) bool {
	feeds := false
	for _, s := range ru.Sets {
		feeds = feeds || s.ID == in.ID && (!s.Known || s.Layout == in.Layout)
	}
	if !feeds || ru.Policy.Judge(addr, r.site) != rule.Admit {
		return false
	}
	asked := why.Client
	if in.Layout.Pair {
		asked = client
	}
	r.lines = r.matcher.Match(r.lines[:0], why.Name, asked)
	for _, m := range r.lines {
		if m.Rule == ru && opens(m.Services, service, in.Layout) {
			return true
		}
	}
	return false
}

// opens tells whether a line's services include that of a key.
func opens(services []set.Service, s set.Service, l set.Layout) bool {
	if !l.Port || len(services) == 0 {
		return !l.Port && len(services) == 0
	}
	for _, open := range services {
		if open.Port == s.Port && (!l.Proto || open.Proto == s.Proto) {
			return true
		}
	}
	return false
}
