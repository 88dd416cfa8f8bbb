//go:build linux

package gate

import (
	"net/netip"
	"testing"
	"time"

	"github.com/namewall/namewall/internal/set"
)

// foreign is an address that no rule admits.
var foreign = netip.MustParseAddr("203.0.113.1")

// What a set holds at the start is used: no commit for what lives long enough or
// for ever, a longer life for what doesn't. Neither a stop nor a start takes
// anything away.
func TestAdoptOnTheKernel(t *testing.T) {
	bothWays(t, func(t *testing.T, prepare func(*realBench)) {
		web := newRule("web", []set.ID{web4})
		r := startReal(t, func(r *realBench) {
			prepare(r)
			r.Nft("add element inet filter web4 { 198.51.100.0 timeout 5h, 198.51.100.1, 198.51.100.2 timeout 5h expires 1m, 203.0.113.1 timeout 20h }")
		}, web)
		ask := func(i int, ttl time.Duration, commits int) {
			t.Helper()
			before := r.gate.Commits()
			if q := r.ask("www.example.com.", ttl, nthAddr(i)); q.Fates[0] != Promised {
				t.Errorf("%v: %v %v", nthAddr(i), q.Fates[0], q.Causes)
			}
			if n := r.gate.Commits() - before; n != int64(commits) {
				t.Errorf("%v: %d commits, want %d", nthAddr(i), n, commits)
			}
			if e, ok := r.element(web4, key4(nthAddr(i))); !ok || !e.Permanent() && e.Expires < ttl {
				t.Errorf("%v: %+v, %v", nthAddr(i), e, ok)
			}
		}
		ask(0, 10*time.Minute, 0)
		ask(1, 10*time.Hour, 0)
		ask(2, 10*time.Minute, 1)
		ask(0, 6*time.Hour, 1)
		ask(3, 10*time.Minute, 1)

		r.gate.Close()
		r.run(web)
		ask(0, 6*time.Hour, 0)
		ask(1, 10*time.Hour, 0)
		ask(2, 10*time.Minute, 0)
		ask(3, 10*time.Minute, 0)
		if e, ok := r.element(web4, key4(nthAddr(1))); !ok || !e.Permanent() {
			t.Errorf("the permanent element: %+v, %v", e, ok)
		}
		if e, ok := r.element(web4, key4(foreign)); !ok || e.Timeout != 20*time.Hour {
			t.Errorf("the element that nobody asked for: %+v, %v", e, ok)
		}
	})
}

// Answers extend a life that is too short for them, and shorten none.
func TestRefreshOnTheKernel(t *testing.T) {
	bothWays(t, func(t *testing.T, prepare func(*realBench)) {
		r := startReal(t, prepare, newRule("web", []set.ID{web4}))
		least := time.Duration(0)
		for _, ttl := range []time.Duration{time.Minute, 2 * time.Hour, time.Minute, 9 * time.Hour, 3 * time.Hour} {
			least = max(least, ttl)
			if q := r.ask("www.example.com.", ttl, addr1); q.Fates[0] != Promised {
				t.Fatalf("%v %v", q.Fates[0], q.Causes)
			}
			if left := r.life(web4, key4(addr1)); left < least {
				t.Errorf("with a TTL of %v, %v left", ttl, left)
			}
		}
	})
}
