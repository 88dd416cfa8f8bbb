package gate

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// check fails unless the index is as it promises to be.
func (x *index[T]) check(t *rapid.T) {
	used, last := 0, uint64(0)
	for i, p := range x.places {
		if p.v == nil {
			continue
		}
		used++
		if p.hash < last {
			t.Fatalf("place %d is out of order", i)
		}
		last = p.hash
		for j := x.home(p.hash); j < i; j++ {
			if x.places[j].v == nil {
				t.Fatalf("place %d is free, and the binding in %d belongs there", j, i)
			}
		}
	}
	if used != x.used {
		t.Fatalf("%d used, says %d", used, x.used)
	}
}

// The index holds what was put into it and not taken out, also if many keys have one
// hash, or hashes close to one another at either end.
func TestIndex(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s shard
		x := &s.index
		hash := func(n uint64) uint64 {
			switch n % 4 {
			case 0:
				return n / 4 % 8 // crowded
			case 1:
				return math.MaxUint64 - n/4%64 // beyond the last home
			}
			return n * spread
		}
		in := make(map[uint64]*binding)
		for range rapid.IntRange(0, 400).Draw(t, "steps") {
			n := uint64(rapid.IntRange(0, 255).Draw(t, "key"))
			at := slot{set: uint32(n)}
			if found := s.find(hash(n), &at); found != in[n] {
				t.Fatalf("key %d: %p, want %p", n, found, in[n])
			}
			if b := in[n]; b == nil {
				in[n] = &binding{at: at}
				x.put(hash(n), in[n])
			} else {
				x.remove(hash(n), b)
				x.remove(hash(n), b) // does nothing
				delete(in, n)
			}
			x.check(t)
		}
		if x.used != len(in) {
			t.Errorf("%d used, %d in", x.used, len(in))
		}
	})
}

// A walk meets every binding once that was there all the time, although others come
// and go whenever it pauses, and visits remove what they like.
func TestWalk(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var x index[binding]
		bindings, crowd, next := 0, uint64(rapid.IntRange(1, 9).Draw(t, "bindings to a hash")), uint64(0)
		in := make(map[*binding]uint64)
		put := func() {
			b := &binding{at: slot{set: uint32(bindings)}}
			in[b] = uint64(bindings) / crowd * spread
			x.put(in[b], b)
			bindings++
		}
		remove := func(b *binding) {
			x.remove(in[b], b)
			delete(in, b)
		}
		for range rapid.IntRange(0, 200).Draw(t, "at first") {
			put()
		}
		missed := maps.Clone(in)
		met := make(map[*binding]bool)
		removed := rapid.IntRange(1, 9).Draw(t, "of so many a visit removes one")
		for more := true; more; {
			next, more = x.walk(next, rapid.IntRange(1, 9).Draw(t, "at once"), func(_ uint64, b *binding) {
				if _, is := in[b]; !is || met[b] {
					t.Fatalf("binding %d is met, there: %v, met before: %v", b.at.set, is, met[b])
				}
				met[b] = true
				delete(missed, b)
				if int(b.at.set)%removed == 0 {
					remove(b)
				}
			})
			x.check(t)
			for range rapid.IntRange(0, 20).Draw(t, "that come") {
				put()
			}
			all := slices.SortedFunc(maps.Keys(in), func(a, b *binding) int { return cmp.Compare(a.at.set, b.at.set) })
			for _, b := range all {
				if rapid.IntRange(0, 9).Draw(t, "goes") == 0 {
					remove(b)
					delete(missed, b)
				}
			}
			x.check(t)
		}
		if len(missed) > 0 {
			t.Fatalf("%d were not met", len(missed))
		}
	})
}
