package gate

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"strconv"
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

// perName is how many addresses a name has where there are many bindings: there may be
// fewer names than those.
const perName = 4

func appendName(b []byte, i int) []byte {
	return append(strconv.AppendInt(append(b, 'h'), int64(i), 10), ".example.com."...)
}

func nameNumber(i int) string { return string(appendName(nil, i/perName)) }

func addrNumber(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}

// promiseFake has n addresses promised.
func (b *Block) promiseFake(tb testing.TB, n int) {
	tb.Helper()
	q := new(Question)
	for i := range n {
		q.Walk.Addrs = append(q.Walk.Addrs, answer.Addr{Addr: addrNumber(i), TTL: time.Hour})
		if i+1 < n && (i+1)%perName != 0 {
			continue
		}
		q.Name = nameNumber(i)
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
}

// BenchmarkBindings is a covered answer of one address with many bindings, asked
// for evenly or as names are (Zipf's law, with the exponent near 1 that DNS caches
// see: Jung, Sit, Balakrishnan and Morris, 2002).
func BenchmarkBindings(b *testing.B) {
	for _, n := range []int{1000, 1_000_000} {
		block := benchGate(b, manyRule)
		block.promiseFake(b, n)
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
				var name []byte
				for i := 0; b.Loop(); i++ {
					// As from a packet, which has just been read: not from memory
					// that grows with the bindings.
					at := int(order[i%asked])
					name = appendName(name[:0], at/perName)
					q.Reset()
					q.Name = unsafe.String(&name[0], len(name))
					block.Concerns(q)
					q.Walk.Addrs = append(q.Walk.Addrs[:0], answer.Addr{Addr: addrNumber(at), TTL: time.Minute})
					block.Admit(b.Context(), q)
				}
				if q.Fates[0] != Promised {
					b.Fatal(q.Fates[0])
				}
			})
		}
	}
}

// BenchmarkMemory is what a binding takes of the heap, with a reason of its own
// (B/all), and without that and the names that reasons speak of (B/binding).
func BenchmarkMemory(b *testing.B) {
	const n = 200_000
	for b.Loop() {
		start := heapInUse()
		block := benchGate(b, manyRule)
		block.promiseFake(b, n)
		all := heapInUse() - start
		runtime.KeepAlive(block)

		start = heapInUse()
		var t nameTable
		for i := range n {
			t.take(tagRule("web").of(nameNumber(i)), "web", nameNumber(i), addrNumber(i), maxBindings, 0, forever)
		}
		names := heapInUse() - start
		runtime.KeepAlive(&t)

		reasons := uint64(n * unsafe.Sizeof(reason{}))
		b.ReportMetric(float64(all)/n, "B/all")
		b.ReportMetric(float64(all-names-reasons)/n, "B/binding")
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
