//go:build linux

package gate

import (
	"flag"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/namewall/namewall/internal/nft"
	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

var soak = flag.Duration("soak", 24*time.Second, "how long TestExpiryKeepsUp takes")

// Elements that live for seconds come by the ten thousand, in so many commits
// that the kernel's own collector never gets through. The kernel holds hardly
// more than what is alive, and memory doesn't grow.
func TestExpiryKeepsUp(t *testing.T) {
	r := startReal(t, nil, newRule("web", []set.ID{web6}, func(r *rule.Rule) { r.Lifetime = churnLife }))
	c := r.startChurn()
	defer c.end()

	var before, last usage
	start := time.Now()
	for range time.Tick(time.Second) {
		past := time.Since(start)
		if past >= *soak {
			break
		}
		switch 4 * past / *soak {
		case 0: // the first elements come to their ends
		case 3:
			last.sample(r)
		default:
			before.sample(r)
		}
	}
	c.end()
	all := before.plus(last)
	ratio, most := all.ratio(), slices.Max(all.ratios)
	t.Logf("%d elements a second, %d alive; the kernel held %.3f times as many, at most %.3f times; heap up to %d MiB, then %d MiB",
		c.promised.Load()*int64(time.Second)/int64(*soak), all.alive/all.samples, ratio, most, before.heap>>20, last.heap>>20)
	if n := c.refused.Load(); n > 0 {
		t.Errorf("%d addresses were not promised", n)
	}
	if ratio > 1.1 {
		t.Errorf("the kernel held %.3f times what was alive", ratio)
	}
	// A machine that was busy with something else and no longer is makes more
	// elements alive, which take more memory.
	if more := max(1, float64(last.peak)/float64(before.peak)); float64(last.heap) > 1.2*more*float64(before.heap) {
		t.Errorf("the heap has grown from %d to %d bytes, for at most %d and %d elements", before.heap, last.heap, before.peak, last.peak)
	}
}

// usage is the sum of samples of what elements take.
type usage struct {
	samples, alive int

	ratios []float64 // elements in the kernel for each that is alive
	heap   uint64    // after a collection, the highest sample
	peak   int       // alive, the highest sample
}

func (u *usage) sample(r *realBench) {
	r.t.Helper()
	alive, kernel := r.alive(), r.inKernel()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u.samples++
	u.alive += alive
	u.ratios = append(u.ratios, float64(kernel)/float64(alive))
	u.heap = max(u.heap, m.HeapAlloc)
	u.peak = max(u.peak, alive)
}

func (u usage) plus(v usage) usage {
	return usage{
		samples: u.samples + v.samples, alive: u.alive + v.alive,
		ratios: append(u.ratios, v.ratios...), heap: max(u.heap, v.heap), peak: max(u.peak, v.peak),
	}
}

// ratio is how many elements the kernel holds for each that is alive.
// It is the median, as a machine that stands still for a moment says nothing of the
// gate.
func (u usage) ratio() float64 {
	slices.Sort(u.ratios)
	return u.ratios[len(u.ratios)/2]
}

// alive counts what is promised.
func (r *realBench) alive() int {
	n, now := 0, r.gate.now()
	r.gate.each(func(b *binding) bool {
		if b.until > now {
			n++
		}
		return true
	})
	return n
}

// inKernel counts what web6 holds; where the kernel doesn't count (before 6.16),
// without what has expired and is not collected.
func (r *realBench) inKernel() int {
	r.t.Helper()
	s, err := r.reader.Set(web6)
	if err != nil {
		r.t.Fatal(err)
	}
	if s.Count >= 0 {
		return s.Count
	}
	keys := make(map[set.Key]bool)
	if err := r.reader.Elements(s, func(e nft.Element) error { keys[e.Key] = true; return nil }); err != nil {
		r.t.Fatal(err)
	}
	return len(keys)
}
