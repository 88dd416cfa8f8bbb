package gate

import (
	"net/netip"
	"slices"
	"syscall"

	"github.com/namewall/namewall/internal/nft"
	"github.com/namewall/namewall/internal/set"
)

// declareInterval makes an interval set, or makes it anew, and tells the gate.
func (k *fakeKernel) declareInterval(id set.ID, layout set.Layout) {
	k.change(func() {
		k.handles++
		info := nft.Set{ID: id, KeyType: layout.String(), Layout: layout, Known: true, Interval: true, Handle: k.handles, Count: -1}
		k.sets[id] = &fakeSet{info: info}
	})
	k.tell(nft.Event{Kind: nft.SetNew, ID: id})
}

func (k *fakeKernel) Ranges(of nft.Set) ([]nft.Range, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.sets[of.ID]
	if s == nil {
		return nil, nft.ErrNoSet
	}
	return slices.Clone(s.ranges), nil
}

func (k *fakeKernel) Swap(in nft.Set, remove, add []nft.Range) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.swapErr != nil {
		if err := k.swapErr(); err != nil {
			return err
		}
	}
	s := k.sets[in.ID]
	if s == nil {
		return &nft.Error{Set: in.ID, Errno: syscall.ENOENT}
	}
	next, errno := swapped(in.Layout, s.ranges, remove, add)
	if errno != 0 {
		return &nft.Error{Set: in.ID, Errno: errno}
	}
	s.ranges = next
	k.commits++
	return nil
}

// swapped is what a set holds after a swap, as the strictest kernel has it.
func swapped(l set.Layout, ranges, remove, add []nft.Range) ([]nft.Range, syscall.Errno) {
	next := slices.Clone(ranges)
	for _, r := range remove {
		at := slices.IndexFunc(next, func(have nft.Range) bool { return have.First == r.First && have.Last == r.Last })
		if at < 0 {
			return nil, syscall.ENOENT
		}
		next = slices.Delete(next, at, at+1)
	}
	for _, r := range add {
		if slices.ContainsFunc(next, func(have nft.Range) bool { return meet(boxOf(l, have), boxOf(l, r)) }) {
			return nil, syscall.EEXIST
		}
		next = append(next, r)
	}
	return next, 0
}

func meet(a, b box) bool {
	return overlaps([]set.Span{a.span}, b.span) &&
		a.first.Proto <= b.last.Proto && b.first.Proto <= a.last.Proto && a.first.Port <= b.last.Port && b.first.Port <= a.last.Port
}

// opensFor tells whether a set's ranges let an address through, and whether it is
// by a range of namewall's.
func opensFor(l set.Layout, ranges []nft.Range, a netip.Addr, s set.Service) (open, own bool) {
	for _, r := range ranges {
		if b := boxOf(l, r); b.span.Contains(a) && b.holds(s) {
			open, own = true, own || r.Own
		}
	}
	return open, own
}

func overlaps(spans []set.Span, other set.Span) bool {
	return len(set.Within(set.Merge(spans), other)) > 0
}

func sorted(all []string) []string {
	slices.Sort(all)
	return all
}
