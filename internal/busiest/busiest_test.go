package busiest

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Whatever is added, no count is too small, none is too large by more than it
// says, and whoever is frequent is there.
func TestBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(1, 8).Draw(t, "counters")
		s := New[int](most)
		exact := make(map[int]uint64)
		added := rapid.SliceOf(rapid.IntRange(0, 20)).Draw(t, "keys")
		for _, key := range added {
			s.Add(key, 1, false, 0)
			exact[key]++
		}
		seen := make(map[int]bool)
		s.Each(func(key int, c Count) {
			seen[key] = true
			if c.Times < exact[key] || c.Times-c.Over > exact[key] {
				t.Fatalf("%d: %d, at most %d too many, and it was %d", key, c.Times, c.Over, exact[key])
			}
		})
		if len(seen) > most || len(seen) != min(most, len(exact)) {
			t.Fatalf("%d keys in %d counters", len(seen), most)
		}
		for key, n := range exact {
			if !seen[key] && (n > s.Of(key).Times || n > uint64(len(added)/most)) {
				t.Fatalf("%d was added %d times and isn't there: %+v", key, n, s.Of(key))
			}
		}
	})
}

// The busiest of many are found in their order, with what was said of them.
func TestBusiest(t *testing.T) {
	s := New[int](64)
	for range 2 {
		r := rand.New(rand.NewPCG(1, 2))
		for i := range 100_000 {
			s.Add(1000+r.IntN(100_000), 1, false, 0)
			for key := range 5 {
				if i%(key+2) == 0 {
					s.Add(key, 1, i%20 == 0, time.Duration(i%7)*time.Millisecond)
				}
			}
		}
		type entry struct {
			key int
			Count
		}
		var all []entry
		s.Each(func(key int, c Count) { all = append(all, entry{key, c}) })
		slices.SortFunc(all, func(a, b entry) int { return cmp.Compare(b.Times, a.Times) })
		for key := range 5 {
			if e := all[key]; e.key != key || e.Times < uint64(100_000/(key+2)) || e.Longest != 6*time.Millisecond || e.Held < e.Longest {
				t.Errorf("%d. is %+v", key, e)
			}
		}
		if e := all[0]; e.Over > 100 || e.Marked < 4900 || e.Marked > 5000 {
			t.Errorf("%+v", e)
		}
		s.Reset()
	}
	s.Each(func(key int, c Count) { t.Errorf("%d: %+v is left", key, c) })
}

func BenchmarkAdd(b *testing.B) {
	for name, keys := range map[string]int{"few": 100, "many": 1 << 20} {
		b.Run(name, func(b *testing.B) {
			s := New[uint64](1024)
			r := rand.New(rand.NewPCG(1, 2))
			b.ReportAllocs()
			for b.Loop() {
				s.Add(r.Uint64N(uint64(keys)), 1, false, 0)
			}
		})
	}
}
