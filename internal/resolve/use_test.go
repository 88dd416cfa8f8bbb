package resolve

import (
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// A change of the configuration asks for new names alone, admits what stays under
// the new rules, and forgets what has left.
func TestUseHandsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, now := newWorld(), newWorld()
		fe3 := Key{"in", "fe3.example.com."}
		for _, w := range []*world{old, now} {
			w.says(fe1, IPv4, good(ttl, addr1))
			w.says(fe2, IPv4, good(ttl, addr2))
			w.says(fe3, IPv4, good(ttl, addr3))
		}
		r := New(old)
		t.Cleanup(r.Close)
		r.Use(old, []Name{name(fe1), name(fe2)})
		pass(30 * time.Second)
		asked, admitted := len(old.questions()), len(old.admissions())

		r.Use(now, []Name{name(fe2), name(fe3)})
		synctest.Wait()
		if len(now.times(fe2, IPv4)) != 0 || len(now.times(fe3, IPv4)) != 1 {
			t.Errorf("asked %v", now.questions())
		}
		if !now.holds(fe2, addr2) || !now.holds(fe3, addr3) {
			t.Error("not admitted under the new rules")
		}
		if n := len(now.admissions()); n != 2 {
			t.Errorf("%d admissions", n)
		}
		pass(40 * time.Second)
		if len(now.times(fe2, IPv4)) != 1 || len(now.times(fe1, IPv4)) != 0 {
			t.Errorf("asked %v", now.questions())
		}
		pass(time.Hour)
		if len(old.questions()) != asked || len(old.admissions()) != admitted {
			t.Error("the old configuration is still in use")
		}
		if s := r.Stats()["in"]; s[Resolved] != 2 || s[Waiting] != 0 {
			t.Errorf("%v", s)
		}
		// A change is one against what was known before.
		now.says(fe2, IPv4, good(ttl, addr3))
		pass(2 * ttl)
		if c := old.told(); len(c) != 1 || c[0].Key != fe2 {
			t.Errorf("told %+v", c)
		}
	})
}

// What was under way when the configuration changed is begun anew, and what
// becomes of it afterwards doesn't count.
func TestUseDropsWhatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, now := newWorld(), newWorld()
		old.says(fe1, IPv4, good(ttl, addr1))
		old.took = 10 * time.Second
		now.says(fe1, IPv4, good(ttl, addr2))
		r := New(old)
		t.Cleanup(r.Close)
		r.Use(old, []Name{name(fe1)})
		pass(time.Second)
		r.Use(now, []Name{name(fe1)})
		pass(20 * time.Second)
		if len(now.times(fe1, IPv4)) != 1 || len(old.admissions()) != 0 || !now.holds(fe1, addr2) || now.holds(fe1, addr1) {
			t.Errorf("asked %v, admitted %v and %v", now.questions(), old.admissions(), now.admissions())
		}
	})
}

// A set of another family in the new configuration has its addresses asked for.
func TestUseAsksForANewFamily(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.says(fe1, IPv4, good(time.Hour, addr1))
		w.says(fe1, IPv6, good(time.Hour, addr6))
		r := start(t, w, name(fe1))
		pass(time.Minute)
		w.change(func() { w.v4only = false })
		r.Use(w, []Name{name(fe1)})
		pass(time.Minute)
		if !w.holds(fe1, addr6) {
			t.Error("not asked for")
		}
	})
}

// The end of a configuration that has been replaced ends nothing; that of the one
// in use, everything.
func TestRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, now := newWorld(), newWorld()
		now.says(fe1, IPv4, good(ttl, addr1))
		r := start(t, old, name(fe1))
		r.Use(now, []Name{name(fe1)})
		r.Release(old)
		pass(time.Hour)
		n := len(now.questions())
		if n < 50 {
			t.Errorf("asked %d times in an hour", n)
		}
		r.Release(now)
		pass(time.Hour)
		if len(now.questions()) != n || len(r.Stats()) != 0 {
			t.Errorf("goes on, %v", r.Stats())
		}
	})
}

// The first round ends when all have been tried, or when it takes too long; later
// names are no part of it.
func TestFirstRound(t *testing.T) {
	over := func(r *Resolver) bool {
		synctest.Wait()
		select {
		case <-r.FirstRound():
			return true
		default:
			return false
		}
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.took = time.Second
		w.says(fe1, IPv4, good(ttl, addr1))
		r := New(w)
		t.Cleanup(r.Close)
		if over(r) {
			t.Error("over before it began")
		}
		r.Use(w, []Name{name(fe1), name(fe2)})
		pass(900 * time.Millisecond)
		if over(r) {
			t.Error("over while nothing is known")
		}
		pass(200 * time.Millisecond)
		if !over(r) || !w.holds(fe1, addr1) {
			t.Error("not over when all have been tried")
		}
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.hang = true
		r := start(t, w, name(fe1))
		pass(firstRoundMax - time.Millisecond)
		if over(r) {
			t.Error("over too early")
		}
		pass(2 * time.Millisecond)
		if !over(r) {
			t.Error("it waits for ever")
		}
	})
	synctest.Test(t, func(t *testing.T) {
		if r := start(t, newWorld()); !over(r) {
			t.Error("nothing to wait for is waited for")
		}
	})
}

// After a restart with DNS down, what was known of the last answer is admitted
// before its life is over and stays for `stale` from that answer. What had gone
// earlier stays gone.
func TestKnownFromBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.change(func() { w.down = "SERVFAIL"; w.v4only = false })
		n := name(fe1)
		n.Stale = 3 * time.Hour
		n.Known = []Known{
			{Addr: addr1, Age: time.Hour, Left: 10 * time.Minute},
			{Addr: addr2, Age: time.Hour + 2*time.Millisecond, Left: 30 * time.Minute},
			{Addr: addr3, Age: 2 * time.Hour, Left: 40 * time.Minute}, // not in the last answer
			{Addr: addr6, Age: 2 * time.Hour, Left: 20 * time.Minute},
		}
		for _, k := range n.Known {
			w.held[held{fe1, k.Addr}] = time.Now().Add(k.Left)
		}
		begin := time.Now()
		start(t, w, n)
		for time.Since(begin) < 2*time.Hour-time.Second {
			pass(time.Second)
			if !w.holds(fe1, addr1) || !w.holds(fe1, addr2) {
				t.Fatalf("gone after %v", time.Since(begin))
			}
		}
		if w.holds(fe1, addr3) {
			t.Error("an address is back that the last answer didn't have")
		}
		for _, a := range w.admissions() {
			if slices.Contains(a.addrs, addr6) && time.Since(begin)-time.Since(a.at) > time.Hour {
				t.Errorf("IPv6 is kept by the answer for IPv4: %+v", a)
			}
		}
		if first := w.admissions()[0]; first.at.Sub(begin) < 9*time.Minute || first.age < time.Hour+9*time.Minute {
			t.Errorf("first admitted after %v, aged %v", first.at.Sub(begin), first.age)
		}
		if s, _ := w.state(fe1); s != Kept {
			t.Errorf("%v", s)
		}
		pass(2 * time.Hour)
		if w.holds(fe1, addr1) {
			t.Error("it outlives `stale` by more than a life")
		}
		if len(w.told()) != 0 {
			t.Error("a change without an answer")
		}
	})
}

// What was known too long ago is not kept.
func TestKnownFromLongAgo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.change(func() { w.down = "SERVFAIL" })
		n := name(fe1)
		n.Known = []Known{{Addr: addr1, Age: stale + time.Minute, Left: time.Minute}}
		start(t, w, n)
		pass(time.Hour)
		if len(w.admissions()) != 0 {
			t.Errorf("admitted %+v", w.admissions())
		}
		if s, _ := w.state(fe1); s != Failing {
			t.Errorf("%v", s)
		}
	})
}

// The first answer after a restart is compared with what was known, and with
// nothing if nothing was.
func TestFirstAnswerAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.change(func() { w.v4only = false })
		w.says(fe1, IPv4, good(ttl, addr1, addr2))
		w.says(fe1, IPv6, good(ttl, addr6))
		w.says(fe2, IPv4, good(ttl, addr3))
		known := name(fe1)
		known.Known = []Known{{Addr: addr1, Left: time.Hour}, {Addr: addr3, Left: time.Hour}}
		start(t, w, known, name(fe2))
		pass(time.Second)
		c := w.told()
		if len(c) != 1 || c[0].Key != fe1 || !slices.Equal(c[0].Added, []netip.Addr{addr2, addr6}) || !slices.Equal(c[0].Removed, []netip.Addr{addr3}) {
			t.Errorf("told %+v", c)
		}
	})
}
