package gate

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"github.com/namewall/namewall/internal/answer"
	"github.com/namewall/namewall/internal/rule"
)

// manyRule admits the addresses of promiseFake: as many names as are admitted
// have them.
func manyRule(r *rule.Rule) {
	policy, err := rule.NewPolicy(rule.Lines{}, rule.Lines{Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	if err != nil {
		panic(err)
	}
	r.Policy, r.Limit, r.Wait = policy, maxBindings, time.Minute
}

// promiseFake has n addresses promised, each for the name that it is given by
// name, many at a time.
func (b *Block) promiseFake(tb testing.TB, n int, name func(i int) string) []netip.Addr {
	tb.Helper()
	addrs := make([]netip.Addr, n)
	addr := netip.MustParseAddr("10.0.0.0")
	const atOnce = 100
	q := new(Question)
	for i := range addrs {
		addrs[i], addr = addr, addr.Next()
		q.Walk.Addrs = append(q.Walk.Addrs, answer.Addr{Addr: addrs[i], TTL: time.Hour})
		if i+1 < n && (i+1)%atOnce != 0 && name(i+1) == name(i) {
			continue
		}
		q.Name = name(i)
		b.Concerns(q)
		b.Admit(tb.Context(), q)
		for _, f := range q.Fates {
			if f != Promised {
				tb.Fatal(f, q.Causes)
			}
		}
		walk := q.Walk.Addrs[:0]
		q.Reset()
		q.Walk.Addrs = walk
	}
	return addrs
}

// BenchmarkBindings is a covered answer of one address with many bindings, asked
// for evenly or as names are (Zipf's law, with the exponent near 1 that DNS caches
// see: Jung, Sit, Balakrishnan and Morris, 2002).
func BenchmarkBindings(b *testing.B) {
	for _, n := range []int{1000, 1_000_000} {
		block := benchGate(b, manyRule)
		// No more names than the gate takes, each with a few addresses.
		const each = 4
		names := make([]string, (n+each-1)/each)
		for i := range names {
			names[i] = fmt.Sprintf("h%d.example.com.", i)
		}
		addrs := block.promiseFake(b, n, func(i int) string { return names[i/each] })
		const asked = 1 << 20
		r := rand.New(rand.NewPCG(1, 2))
		shuffled := r.Perm(n) // who is asked for most is not where memory begins
		zipf := rand.NewZipf(r, 1.01, 1, uint64(n-1))
		for _, spread := range []struct {
			name string
			next func() int
		}{
			{"zipf", func() int { return shuffled[zipf.Uint64()] }},
			{"uniform", func() int { return r.IntN(n) }},
		} {
			order := make([]int32, asked)
			for i := range order {
				order[i] = int32(spread.next())
			}
			b.Run(fmt.Sprintf("%d/%s", n, spread.name), func(b *testing.B) {
				b.ReportAllocs()
				q := new(Question)
				for i := 0; b.Loop(); i++ {
					at := order[i%asked]
					q.Reset()
					q.Name = names[at/each]
					block.Concerns(q)
					q.Walk.Addrs = append(q.Walk.Addrs[:0], answer.Addr{Addr: addrs[at], TTL: time.Minute})
					block.Admit(b.Context(), q)
				}
				if q.Fates[0] != Promised {
					b.Fatal(q.Fates[0])
				}
			})
		}
	}
}

// BenchmarkMemory is what a binding takes of the heap: as one among many of a
// name, so that what the name takes is hardly in it, and without its reason.
func BenchmarkMemory(b *testing.B) {
	const n = 200_000
	for b.Loop() {
		block := benchGate(b, manyRule)
		before := heapInUse()
		addrs := block.promiseFake(b, n, func(int) string { return "www.example.com." })
		after := heapInUse()
		runtime.KeepAlive(block)
		runtime.KeepAlive(addrs)
		own := int(after-before) - 24*n // addrs are the benchmark's
		reasons := n * int(unsafe.Sizeof(reason{}))
		b.ReportMetric(float64(own)/n, "B/all")
		b.ReportMetric(float64(own-reasons)/n, "B/binding")
	}
}

// heapInUse is the heap that is in use.
func heapInUse() uint64 {
	runtime.GC()
	runtime.GC() // what pools let go of in the first
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
