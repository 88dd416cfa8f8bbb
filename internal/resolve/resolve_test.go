package resolve

import (
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/namewall/namewall/internal/rule"
)

// A name is asked for at once, and then whenever its TTL is over, never earlier,
// when caches would answer, and never much later.
func TestAskedWhenTheTTLIsOver(t *testing.T) {
	for _, test := range []struct{ ttl, least, most time.Duration }{
		{time.Minute, time.Minute, time.Minute + 4*time.Second},
		{5 * time.Minute, 5 * time.Minute, 5*time.Minute + 19*time.Second},
		{12 * time.Hour, 12 * time.Hour, 12*time.Hour + 30*time.Second},
		{7 * 24 * time.Hour, 24 * time.Hour, 24*time.Hour + 30*time.Second}, // the rule's MAX
		{0, askMin, askMin + time.Second},
	} {
		t.Run(test.ttl.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.says(fe1, IPv4, good(test.ttl, addr1))
				begin := time.Now()
				start(t, w, name(fe1))
				pass(20 * test.most)
				times := w.times(fe1, IPv4)
				if len(times) < 10 || !times[0].Equal(begin) {
					t.Fatalf("asked %d times, first after %v", len(times), times[0].Sub(begin))
				}
				for i := range times[1:] {
					if d := times[i+1].Sub(times[i]); d < test.least || d > test.most {
						t.Errorf("asked again after %v", d)
					}
				}
			})
		})
	}
}

// Only the families for which there is a set are asked for, and both are asked
// for in the pace of the shorter TTL.
func TestFamilies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.says(fe1, IPv4, good(time.Hour, addr1))
		w.says(fe1, IPv6, good(time.Minute, addr6))
		start(t, w, name(fe1))
		pass(5 * time.Minute)
		if n := len(w.times(fe1, IPv6)); n != 0 {
			t.Errorf("asked %d times for what there is no set for", n)
		}
		w.change(func() { w.v4only = false })
		pass(time.Hour)
		before := len(w.times(fe1, IPv6))
		pass(time.Hour)
		if n := len(w.times(fe1, IPv6)) - before; n < 50 || n > 60 {
			t.Errorf("asked %d times in an hour", n)
		}
		if !w.holds(fe1, addr1) || !w.holds(fe1, addr6) {
			t.Error("an address is missing")
		}
	})
}

// While no answer comes the questions grow rare, and the first good answer ends
// that.
func TestBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.change(func() { w.down = "SERVFAIL" })
		w.says(fe1, IPv4, good(ttl, addr1))
		start(t, w, name(fe1))
		pass(time.Minute)
		if n := len(w.times(fe1, IPv4)); n < 5 || n > 9 {
			t.Errorf("asked %d times in the first minute", n)
		}
		pass(9 * time.Minute)
		before := len(w.times(fe1, IPv4))
		pass(time.Hour)
		if n := len(w.times(fe1, IPv4)) - before; n < 59 || n > 121 {
			t.Errorf("asked %d times in an hour", n)
		}
		if s, why := w.state(fe1); s != Failing || why != "SERVFAIL" || w.holds(fe1, addr1) {
			t.Errorf("%v (%s)", s, why)
		}
		w.change(func() { w.down = "" })
		pass(backoffMax)
		if s, _ := w.state(fe1); s != Resolved || !w.holds(fe1, addr1) {
			t.Errorf("%v", s)
		}
		times := w.times(fe1, IPv4)
		pass(2 * ttl)
		if n := len(w.times(fe1, IPv4)) - len(times); n < 1 || n > 2 {
			t.Errorf("asked %d times in two TTLs after the failure", n)
		}
	})
}

// While DNS is down the addresses stay for `stale` from the last good answer,
// without a gap, and go after a last life.
func TestKeptWhileDNSIsDown(t *testing.T) {
	for _, test := range []struct {
		name string
		life rule.Lifetime
		ttl  time.Duration
	}{
		{"default", life, time.Minute},
		{"no TTL", life, 0},
		{"long TTL", life, 3 * time.Hour},
		{"short lives", rule.Lifetime{Min: time.Second, Max: time.Second, Grace: time.Second}, time.Minute},
		{"short grace", rule.Lifetime{Min: time.Second, Max: time.Hour, Grace: time.Second}, 5 * time.Minute},
	} {
		for _, why := range []string{"SERVFAIL", "hang"} {
			t.Run(test.name+" "+why, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld()
					w.life = test.life
					w.says(fe1, IPv4, good(test.ttl, addr1))
					n := name(fe1)
					n.Lifetime, n.Stale = test.life, 6*time.Hour
					start(t, w, n)
					pass(10 * time.Second)
					last := time.Now()
					w.change(func() { w.down, w.hang = why, why == "hang" })
					for time.Since(last) < n.Stale-11*time.Second {
						pass(499 * time.Millisecond)
						if !w.holds(fe1, addr1) {
							t.Fatalf("gone after %v", time.Since(last))
						}
					}
					if s, _ := w.state(fe1); s != Kept {
						t.Errorf("%v", s)
					}
					pass(test.life.Written(max(test.ttl, test.life.Min)) + 20*time.Second)
					if w.holds(fe1, addr1) {
						t.Error("it outlives `stale` by more than a life")
					}
					pass(2 * backoffMax)
					if s, _ := w.state(fe1); s != Failing {
						t.Errorf("%v", s)
					}
					if c := w.told(); len(c) != 0 {
						t.Errorf("a failure is told as a change: %+v", c)
					}
				})
			})
		}
	}
}

// An address that an answer has no longer is not admitted again, whatever
// happens to DNS.
func TestRemovedAddressIsNotExtended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.says(fe1, IPv4, good(ttl, addr1, addr2))
		start(t, w, name(fe1))
		pass(10 * time.Minute)
		w.says(fe1, IPv4, good(ttl, addr2))
		pass(2 * ttl)
		w.change(func() { w.down = "timeout"; w.admitted = nil })
		pass(life.Written(ttl))
		if w.holds(fe1, addr1) || !w.holds(fe1, addr2) {
			t.Errorf("holds the old one: %v, the other: %v", w.holds(fe1, addr1), w.holds(fe1, addr2))
		}
		for _, a := range w.admissions() {
			if slices.Contains(a.addrs, addr1) {
				t.Errorf("%+v", a)
			}
		}
	})
}

// That a name is gone is believed once it was heard over MIN.
func TestAbsenceIsDoubted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.says(fe1, IPv4, good(ttl, addr1))
		start(t, w, name(fe1))
		pass(time.Hour)
		w.says(fe1, IPv4, nxdomain)
		begin := time.Now()
		pass(life.Min - ttl)
		if s, why := w.state(fe1); s != Kept || why != "NXDOMAIN" || !w.holds(fe1, addr1) {
			t.Errorf("after %v: %v (%s), %v", time.Since(begin), s, why, w.holds(fe1, addr1))
		}
		if c := w.told(); len(c) != 0 {
			t.Errorf("told too early: %+v", c)
		}
		if last := w.transitions()[len(w.transitions())-1]; last.Left != life.Min {
			t.Errorf("to be kept for %v", last.Left)
		}
		pass(4 * ttl)
		w.change(func() { w.admitted = nil })
		if s, why := w.state(fe1); s != Absent || why != "NXDOMAIN" {
			t.Errorf("%v (%s)", s, why)
		}
		want := []Change{{Key: fe1, Removed: []netip.Addr{addr1}}}
		if diff := cmp.Diff(want, w.told(), sameAddrs, cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
		pass(life.Written(life.Min))
		if len(w.admissions()) != 0 || w.holds(fe1, addr1) {
			t.Errorf("the address stays: %+v", w.admissions())
		}
		w.says(fe1, IPv4, good(ttl, addr1))
		pass(backoffMax)
		if s, _ := w.state(fe1); s != Resolved || !w.holds(fe1, addr1) || len(w.told()) != 1 {
			t.Errorf("%v", s)
		}
	})
}

// Failures in between don't make an absence sure, and a good answer ends the
// doubt.
func TestDoubtEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.says(fe1, IPv4, good(ttl, addr1))
		start(t, w, name(fe1))
		pass(time.Hour)
		w.says(fe1, IPv4, nxdomain)
		pass(30 * time.Minute)
		w.says(fe1, IPv4, good(ttl, addr1))
		pass(2 * time.Minute)
		w.says(fe1, IPv4, nxdomain)
		pass(45 * time.Minute)
		w.change(func() { w.down = "SERVFAIL" })
		pass(10 * time.Hour)
		if s, why := w.state(fe1); s != Kept || why != "NXDOMAIN" && why != "SERVFAIL" || len(w.told()) != 0 {
			t.Errorf("%v (%s)", s, why)
		}
		w.change(func() { w.down = "" })
		pass(2 * time.Minute)
		if s, _ := w.state(fe1); s != Absent {
			t.Errorf("%v", s)
		}
	})
}

// One family without addresses is nothing special, and nor is one whose answers
// fail: the other is resolved.
func TestOneFamily(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.change(func() { w.v4only = false })
		w.says(fe1, IPv4, good(ttl, addr1))
		w.says(fe1, IPv6, Answer{None: true, Why: "NODATA"})
		w.says(fe2, IPv4, good(ttl, addr2))
		w.says(fe2, IPv6, Answer{Why: "SERVFAIL"})
		start(t, w, name(fe1), name(fe2))
		pass(20 * time.Minute)
		if s, _ := w.state(fe1); s != Resolved {
			t.Errorf("%v", s)
		}
		if s, why := w.state(fe2); s != Failing || why != "SERVFAIL" || !w.holds(fe2, addr2) {
			t.Errorf("%v (%s)", s, why)
		}
		if n := len(w.times(fe1, IPv4)); n > 21 {
			t.Errorf("asked %d times in twenty TTLs", n)
		}
	})
}

var sameAddrs = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

// What has changed is told once, of both families together, and never the order
// of the addresses, nor what was known first.
func TestChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.change(func() { w.v4only = false })
		w.says(fe1, IPv4, good(ttl, addr1, addr2))
		w.says(fe1, IPv6, Answer{None: true, Why: "NODATA"})
		start(t, w, name(fe1))
		pass(2 * ttl)
		w.says(fe1, IPv4, good(ttl, addr2, addr1, addr1))
		pass(2 * ttl)
		if c := w.told(); len(c) != 0 {
			t.Errorf("told %+v", c)
		}
		w.says(fe1, IPv4, good(ttl, addr3, addr2))
		w.says(fe1, IPv6, good(ttl, addr6))
		pass(2 * ttl)
		want := []Change{{
			Key: fe1, Added: []netip.Addr{addr3, addr6}, Removed: []netip.Addr{addr1},
			Now: []netip.Addr{addr2, addr3, addr6},
		}}
		if diff := cmp.Diff(want, w.told(), sameAddrs); diff != "" {
			t.Error(diff)
		}
		// What had changed during a failure is told after it.
		w.change(func() { w.down = "timeout" })
		pass(2 * stale)
		w.says(fe1, IPv4, good(ttl, addr2))
		w.change(func() { w.down = "" })
		pass(2 * backoffMax)
		if c := w.told(); len(c) != 1 || !slices.Equal(c[0].Removed, []netip.Addr{addr3}) || len(c[0].Added) != 0 {
			t.Errorf("told %+v", c)
		}
	})
}

// A thousand names: few questions at a time, no goroutine for a name, and no
// crowd when their TTL is over.
func TestThousandNames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.took = 50 * time.Millisecond
		var names []Name
		for i := range 1000 {
			k := Key{"in", fmt.Sprintf("fe%d.example.com.", i)}
			w.says(k, IPv4, good(5*time.Minute, netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)})))
			names = append(names, name(k))
		}
		before := runtime.NumGoroutine()
		begin := time.Now()
		r := start(t, w, names...)
		most := 0
		for range 20 {
			pass(100 * time.Millisecond)
			most = max(most, runtime.NumGoroutine()-before)
		}
		<-r.FirstRound()
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("the first round took %v", took)
		}
		w.change(func() {
			if most > 2*atOnce+5 || w.most > atOnce {
				t.Errorf("%d goroutines, %d questions at once", most, w.most)
			}
		})
		if n := r.Stats()["in"][Resolved]; n != 1000 {
			t.Errorf("%d names resolved", n)
		}
		pass(time.Hour)
		w.change(func() { w.asked = nil })
		pass(5 * time.Minute)
		rush := make(map[int64]int)
		for _, a := range w.questions() {
			rush[a.at.Unix()]++
		}
		if n := len(w.questions()); n < 900 || n > 1000 {
			t.Errorf("%d questions in a TTL", n)
		}
		for second, n := range rush {
			if n > 60 {
				t.Errorf("%d questions in second %d", n, second-begin.Unix())
			}
		}
		if n := r.Stats()["in"][Resolved]; n != 1000 {
			t.Errorf("%d names resolved", n)
		}
	})
}

// As long as answers come nothing is admitted but them: a removed address would
// live on, however short lives are.
func TestNothingIsAdmittedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.life = rule.Lifetime{Min: time.Second, Max: time.Hour, Grace: time.Second}
		w.says(fe1, IPv4, good(5*time.Minute, addr1))
		n := name(fe1)
		n.Lifetime = w.life
		start(t, w, n)
		pass(24 * time.Hour)
		if asked := len(w.times(fe1, IPv4)); len(w.admissions()) != asked {
			t.Errorf("%d admissions, %d answers", len(w.admissions()), asked)
		}
	})
}

// An answer that comes while an older one is being admitted is admitted next.
func TestSlowAdmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.v4only = false
		w.says(fe1, IPv4, good(time.Hour, addr1))
		w.says(fe1, IPv6, good(time.Minute, addr6))
		w.admits = 90 * time.Second
		start(t, w, name(fe1))
		pass(30 * time.Second)
		w.says(fe1, IPv4, good(time.Hour, addr2))
		pass(time.Minute)
		w.change(func() { w.down = "SERVFAIL" })
		pass(10 * time.Minute)
		if !w.holds(fe1, addr2) {
			t.Errorf("admitted %+v", w.admissions())
		}
		w.change(func() { w.admits = 0 })
	})
}

// An admission that failed is tried again soon, without another question.
func TestAdmissionIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.refuses = errNotReady
		w.says(fe1, IPv4, good(time.Hour, addr1))
		r := start(t, w, name(fe1))
		pass(10 * time.Minute)
		select {
		case <-r.FirstRound():
		default:
			t.Error("the first round waits for the kernel")
		}
		w.change(func() { w.refuses = nil })
		pass(backoffMax)
		if !w.holds(fe1, addr1) || len(w.times(fe1, IPv4)) != 1 {
			t.Errorf("holds: %v, asked %d times", w.holds(fe1, addr1), len(w.times(fe1, IPv4)))
		}
	})
}
