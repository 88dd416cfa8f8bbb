package gate

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/namewall/namewall/internal/conntrack"
	"github.com/namewall/namewall/internal/nft"
	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

// plan is what is to be done to an interval set.
//
// What others hold there is theirs: it is neither deleted nor written again, as the
// kernel admits no overlap. What is written is the rest, so that both together open
// what is to be open.
type plan struct {
	layout      set.Layout
	remove, add []ranged
	open        opened
	ended       []ended       // what is no longer open by it
	expires     time.Duration // when something ends that others hold in our place; 0: never
}

// ranged is a run of keys of one service.
type ranged struct {
	service set.Service
	span    set.Span
	theirs  bool // to be written without namewall's comment
}

// ended is an own range that is taken out, with what of it nobody opens any more.
type ended struct {
	openSpan
	revoke rule.Revoke
	gone   []set.Span
}

func (g gift) compare(other gift) int {
	return cmp.Or(compareServices(g.service, other.service), g.span.Compare(other.span), cmp.Compare(g.rule, other.rule), cmp.Compare(g.revoke, other.revoke))
}

func compareServices(a, b set.Service) int {
	return cmp.Or(cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.Port, b.Port))
}

// planFor compares what is to be open with what there is. gifts are in order.
func planFor(l set.Layout, gifts []gift, have []nft.Range, rg *ranges) *plan {
	p := &plan{layout: l, open: opened{gifts: gifts}}
	services := make(map[set.Service][]set.Span) // what is to be open
	for _, g := range gifts {
		services[g.service] = append(services[g.service], g.span)
	}
	own := make(map[set.Service][]set.Span)
	var foreign []box
	for _, r := range have {
		b := boxOf(l, r)
		if r.Own && b.first == b.last {
			own[b.first] = append(own[b.first], b.span)
			if _, wanted := services[b.first]; !wanted {
				services[b.first] = nil
			}
		} else {
			foreign = append(foreign, b)
		}
	}
	before := historyOf(gifts, rg)
	for _, s := range slices.SortedFunc(maps.Keys(services), compareServices) {
		p.service(s, services[s], own[s], foreign, before)
	}
	return p
}

// box is a range of any kind: whoever wrote it may have given it ports from one to
// another.
type box struct {
	span        set.Span
	first, last set.Service
	expires     time.Duration
}

func boxOf(l set.Layout, r nft.Range) box {
	_, first, from, _ := l.Split(r.First)
	_, last, to, _ := l.Split(r.Last)
	return box{set.Span{First: first, Last: last}, from, to, r.Expires}
}

func (b *box) holds(s set.Service) bool {
	return b.first.Proto <= s.Proto && s.Proto <= b.last.Proto && b.first.Port <= s.Port && s.Port <= b.last.Port
}

// service plans for the keys of one service.
func (p *plan) service(s set.Service, want, own []set.Span, foreign []box, before history) {
	want = set.Merge(want)
	var others []set.Span
	for i := range foreign {
		b := &foreign[i]
		if !b.holds(s) {
			continue
		}
		others = append(others, b.span)
		if b.expires > 0 && len(set.Within(want, b.span)) > 0 && (p.expires == 0 || b.expires < p.expires) {
			p.expires = b.expires
		}
	}
	others = set.Merge(others)
	p.opens(s, want, others)
	// A range that is to be kept, although the configuration doesn't give all of it any
	// more, becomes the administrator's: it loses its comment.
	left := make(map[set.Span]bool, len(own))
	over := set.Subtract(own, slices.Concat(want, others))
	var theirs []set.Span
	for _, o := range own {
		gone := set.Within(over, o)
		if len(gone) == 0 {
			left[o] = true
			continue
		}
		givers, revoke := before.of(s, o)
		if revoke == rule.RevokeKeep {
			theirs = append(theirs, o)
			p.remove = append(p.remove, ranged{service: s, span: o})
			p.add = append(p.add, ranged{service: s, span: o, theirs: true})
			continue
		}
		left[o] = true
		p.ended = append(p.ended, ended{openSpan{service: s, span: o, rules: givers, own: true}, revoke, gone})
	}
	missing := set.Subtract(want, slices.Concat(others, theirs))
	for _, m := range missing {
		if left[m] {
			delete(left, m)
		} else {
			p.add = append(p.add, ranged{service: s, span: m})
		}
	}
	for _, o := range own {
		if left[o] {
			p.remove = append(p.remove, ranged{service: s, span: o})
		}
	}
}

// opens notes what is open for a service, and by which rules. want and others are
// merged.
func (p *plan) opens(s set.Service, want, others []set.Span) {
	at := 0
	for _, w := range want {
		one := openSpan{service: s, span: w, own: len(set.Within(others, w)) == 0}
		for ; at < len(p.open.gifts); at++ {
			g := &p.open.gifts[at]
			if c := compareServices(g.service, s); c < 0 {
				continue
			} else if c > 0 || !w.Contains(g.span.First) {
				break
			}
			if !slices.Contains(one.rules, g.rule) {
				one.rules = append(one.rules, g.rule)
			}
		}
		p.open.spans = append(p.open.spans, one)
	}
}

// history tells of what is no longer given who gave it last, and what is to become
// of it.
type history struct {
	lost  map[giver][]set.Span // merged
	inert rule.Revoke          // of what nobody is known to have given
}

type giver struct {
	rule    string
	revoke  rule.Revoke
	service set.Service
}

// historyOf is what was given before and isn't any more. Of what an earlier process
// has written the state file says what is to become, or else who uses the set now.
func historyOf(gifts []gift, rg *ranges) history {
	h := history{lost: make(map[giver][]set.Span)}
	switch {
	case rg.inherited != nil:
		h.inert = *rg.inherited
	case len(gifts) > 0:
		h.inert = gifts[0].revoke
	}
	last := rg.open.Load()
	if last == nil {
		return h
	}
	still := make(map[gift]bool, len(gifts))
	for _, g := range gifts {
		still[g] = true
	}
	for _, g := range last.gifts {
		if !still[g] {
			by := giver{g.rule, g.revoke, g.service}
			h.lost[by] = append(h.lost[by], g.span)
		}
	}
	for by, spans := range h.lost {
		h.lost[by] = set.Merge(spans)
	}
	return h
}

// of tells it of one range. Of several rules the one decides that wants most.
func (h history) of(s set.Service, o set.Span) (rules []string, revoke rule.Revoke) {
	revoke = h.inert
	found := false
	for by, spans := range h.lost {
		if by.service != s || len(set.Within(spans, o)) == 0 {
			continue
		}
		if rules = append(rules, by.rule); !found || severity(by.revoke) > severity(revoke) {
			found, revoke = true, by.revoke
		}
	}
	slices.Sort(rules)
	return slices.Compact(rules), revoke
}

func severity(r rule.Revoke) int {
	return slices.Index([]rule.Revoke{rule.RevokeKeep, rule.RevokeDelete, rule.RevokeKill}, r)
}

// flows are what an ended range has let through and nothing of the set does now.
func (e *ended) flows() []conntrack.Flow {
	var all []conntrack.Flow
	for _, s := range e.gone {
		all = append(all, conntrack.Flow{Addr: s.First, Last: s.Last, Service: e.service})
	}
	return all
}

// transaction is what is done at once.
type transaction struct{ remove, add []nft.Range }

// transactions cuts a plan into transactions, nowhere between ranges that overlap.
func (p *plan) transactions() []transaction {
	type step struct {
		ranged
		adds bool
	}
	var steps []step
	for _, r := range p.remove {
		steps = append(steps, step{r, false})
	}
	for _, r := range p.add {
		steps = append(steps, step{r, true})
	}
	slices.SortFunc(steps, func(a, b step) int {
		return cmp.Or(compareServices(a.service, b.service), a.span.First.Compare(b.span.First), a.span.Last.Compare(b.span.Last))
	})
	var all []transaction
	var last step // of which the end lies furthest
	n := 0
	for _, s := range steps {
		apart := s.service != last.service || last.span.Last.Less(s.span.First)
		if len(all) == 0 || n >= nft.RangesMax && apart {
			all, n, last = append(all, transaction{}), 0, s
		}
		if apart || last.span.Last.Less(s.span.Last) {
			last = s
		}
		n++
		r := nft.Range{First: p.layout.Key(netip.Addr{}, s.span.First, s.service), Last: p.layout.Key(netip.Addr{}, s.span.Last, s.service), Own: !s.theirs}
		if in := &all[len(all)-1]; s.adds {
			in.add = append(in.add, r)
		} else {
			in.remove = append(in.remove, r)
		}
	}
	return all
}
