package gate

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/namewall/namewall/internal/nft"
	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
	"pgregory.net/rapid"
)

const planWorld = 32

func planAddr(n int) netip.Addr { return netip.AddrFrom4([4]byte{198, 51, 100, byte(n)}) }

func drawSpan(t *rapid.T) set.Span {
	first := rapid.IntRange(0, planWorld-1).Draw(t, "first")
	last := rapid.IntRange(first, min(planWorld-1, first+10)).Draw(t, "last")
	return set.Span{First: planAddr(first), Last: planAddr(last)}
}

// Whatever configurations give one after the other, and whatever others hold: what
// is to be open is, what isn't is open by others alone, theirs is not touched, what
// stays is never closed in between, and no range meets another.
func TestPlans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := rapid.SampledFrom([]set.Layout{{}, {Port: true}, {Proto: true, Port: true}}).Draw(t, "layout")
		services := []set.Service{{}}
		if l.Port {
			services = []set.Service{{Port: 80}, {Port: 443}}
		}
		var have []nft.Range
		for range rapid.IntRange(0, 4).Draw(t, "others") {
			span := drawSpan(t)
			from, to := services[0], services[len(services)-1]
			if rapid.Bool().Draw(t, "narrow") {
				to = from
			}
			r := nft.Range{First: l.Key(netip.Addr{}, span.First, from), Last: l.Key(netip.Addr{}, span.Last, to)}
			if !slices.ContainsFunc(have, func(o nft.Range) bool { return meet(boxOf(l, o), boxOf(l, r)) }) {
				have = append(have, r)
			}
		}
		others := slices.Clone(have)
		keeps := rapid.Bool().Draw(t, "keep")
		rg := new(ranges)
		for range rapid.IntRange(1, 4).Draw(t, "configurations") {
			var gifts []gift
			for range rapid.IntRange(0, 5).Draw(t, "gifts") {
				g := gift{rule: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "rule"), span: drawSpan(t), service: rapid.SampledFrom(services).Draw(t, "service")}
				if keeps {
					g.revoke = rule.RevokeKeep
				}
				gifts = append(gifts, g)
			}
			slices.SortFunc(gifts, gift.compare)
			p := planFor(l, gifts, have, rg)
			before := have
			for _, tr := range p.transactions() {
				next, errno := swapped(l, have, tr.remove, tr.add)
				if errno != 0 {
					t.Fatalf("%v of %+v\nto %+v", errno, tr, have)
				}
				have = next
			}
			if again := planFor(l, gifts, have, rg); len(again.add)+len(again.remove) > 0 {
				t.Errorf("not done: %+v", again)
			}
			for _, o := range others {
				if !slices.Contains(have, o) {
					t.Errorf("%+v of others has gone", o)
				}
			}
			if keeps { // and what was own is theirs now
				others = slices.DeleteFunc(slices.Clone(have), func(r nft.Range) bool { return r.Own })
			}
			for n := range planWorld {
				for _, s := range services {
					a := planAddr(n)
					want := slices.ContainsFunc(gifts, func(g gift) bool { return g.service == s && g.span.Contains(a) })
					theirs, _ := opensFor(l, others, a, s)
					kept, _ := opensFor(l, before, a, s)
					open, _ := opensFor(l, have, a, s)
					if open != (want || theirs || keeps && kept) {
						t.Errorf("%v %v: open %v, to be open %v, by others %v", a, s, open, want, theirs)
					}
					if covers := p.open.covers(a, []set.Service{s}); covers != want {
						t.Errorf("%v %v: taken for open: %v", a, s, covers)
					}
				}
			}
			rg.open.Store(&p.open)
		}
	})
}

// Long plans are cut into transactions, but not where one range takes the place of
// others.
func TestPlansAreCut(t *testing.T) {
	p := &plan{}
	for n := range 3 * nft.RangesMax {
		first := netip.AddrFrom4([4]byte{10, byte(n >> 8), byte(n), 0})
		p.add = append(p.add, ranged{span: set.Span{First: first, Last: first}})
	}
	whole := set.SpanOf(netip.MustParsePrefix("11.0.0.0/8"))
	p.remove = append(p.remove, ranged{span: whole})
	for n := range 2 * nft.RangesMax {
		first := netip.AddrFrom4([4]byte{11, byte(n >> 8), byte(n), 0})
		p.add = append(p.add, ranged{span: set.Span{First: first, Last: first}})
	}
	all := p.transactions()
	n := 0
	for _, tr := range all {
		n += len(tr.add) + len(tr.remove)
		if len(tr.remove) > 0 && len(tr.add) != 2*nft.RangesMax {
			t.Errorf("what takes a range's place comes in %d parts of it", len(tr.add))
		}
	}
	if n != 5*nft.RangesMax+1 || len(all) < 4 {
		t.Errorf("%d ranges in %d transactions", n, len(all))
	}
}
