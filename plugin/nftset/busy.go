package nftset

import (
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/namewall/namewall/internal/busiest"
)

const (
	// busyCounters is how many names, rules and clients are counted: of 10 000
	// answers a second it finds whoever causes ten. All of it takes a megabyte.
	busyCounters = 1024
	// busyWindow is for how long answers are counted before what is older than that
	// is left out: `namewall top` shows the last one to two of them.
	busyWindow = 5 * time.Minute
	// busyExact is how many answers of a window are counted one by one: twenty a
	// second. Of those that come after them it is one in busySample, for that many,
	// so that where answers are many a count costs them nothing; but all that waited
	// for busyLong, longer than anybody does if nothing is wrong, or of which
	// something was refused.
	busyExact  = 6_000
	busySample = 16
	busyLong   = 10 * time.Millisecond
)

// busy knows the names, rules and clients that had the most answers under rules of
// late. Other answers don't come here. None waits: one that finds another being
// counted isn't.
type busy struct {
	missed  atomic.Uint64 // answers that were not counted, since the start
	sampled atomic.Bool   // the present window has had busyExact

	mu      sync.Mutex    // guards what follows; answers only try to take it
	windows [2]busyCounts // the present one and the one before
}

// busyCounts are of one window.
type busyCounts struct {
	began   time.Duration // on the gate's clock
	names   *busiest.Sketch[string]
	rules   *busiest.Sketch[string]
	clients *busiest.Sketch[netip.Addr]
	total   busiest.Count
	waited  uint64 // answers that were held
}

// note counts an answer.
func (b *busy) note(q *work, o outcome) {
	times := uint64(1)
	if o == whole && q.Held < busyLong && b.sampled.Load() {
		if rand.Uint32N(busySample) != 0 {
			return
		}
		times = busySample
	}
	if !b.mu.TryLock() {
		b.missed.Add(times)
		return
	}
	defer b.mu.Unlock()
	w := b.window(q.Began)
	refused := o != whole
	w.names.Add(q.Name, times, refused, q.Held)
	w.clients.Add(q.Client, times, refused, q.Held)
	for i := range q.Matches {
		if i == 0 || q.Matches[i].Rule != q.Matches[i-1].Rule {
			w.rules.Add(q.Matches[i].Rule.Name, times, refused, q.Held)
		}
	}
	if w.total.Times += times; w.total.Times >= busyExact {
		b.sampled.Store(true)
	}
	if refused {
		w.total.Marked++
	}
	if q.Held > 0 {
		w.waited += times
		w.total.Held += time.Duration(times) * q.Held
		w.total.Longest = max(w.total.Longest, q.Held)
	}
}

// window is the present one. The mutex is held.
func (b *busy) window(now time.Duration) *busyCounts {
	w := &b.windows[0]
	if w.names != nil && now-w.began < busyWindow {
		return w
	}
	before := &b.windows[1]
	*w, *before = *before, *w
	w.begin(now)
	b.sampled.Store(false)
	if before.names == nil || now-before.began >= 2*busyWindow { // none came for long
		before.begin(now)
	}
	return w
}

// begin makes an empty window of it.
func (w *busyCounts) begin(now time.Duration) {
	if w.names == nil {
		w.names, w.rules, w.clients = busiest.New[string](busyCounters), busiest.New[string](busyCounters), busiest.New[netip.Addr](busyCounters)
	}
	w.names.Reset()
	w.rules.Reset()
	w.clients.Reset()
	*w = busyCounts{began: now, names: w.names, rules: w.rules, clients: w.clients}
}

// both are the counts of two windows together.
func both[K comparable](a, b *busiest.Sketch[K]) map[K]busiest.Count {
	all := make(map[K]busiest.Count)
	sum := func(key K, _ busiest.Count) {
		x, y := a.Of(key), b.Of(key)
		all[key] = busiest.Count{
			Times: x.Times + y.Times, Over: x.Over + y.Over, Marked: x.Marked + y.Marked,
			Held: x.Held + y.Held, Longest: max(x.Longest, y.Longest),
		}
	}
	a.Each(sum)
	b.Each(sum)
	return all
}
