package gate

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

// The tests here are about answers that wait for one thing while another, that
// they had already, changes: after every wait everything is looked at again.

// An address is promised for its TTL and grace from when the answer leaves, not
// from when it came.
func TestLifeIsLeftWhenTheAnswerLeaves(t *testing.T) {
	const ttl = time.Minute
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		k.put(web4, key4(addr1), ttl+rule.DefaultGrace+hearsay+time.Millisecond) // just enough
		b := start(t, k, newRule("web", []set.ID{web4}))
		release := k.stall()
		done := make(chan *Question)
		go func() { done <- b.ask("www.example.com.", ttl, addr1, addr2) }()
		time.Sleep(rule.DefaultWait - time.Millisecond)
		release()
		q := <-done
		if left := k.life(web4, key4(addr1)); q.Fates[0] != Promised || left < ttl+rule.DefaultGrace {
			t.Errorf("%v with %v in the kernel, for a TTL of %v", q.Fates[0], left, ttl)
		}
	})
}

// A set that has gone while another one was waited for is missed.
func TestSetVanishesWhileAnotherIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		k.declare(app4, v4, 0)
		k.put(web4, key4(addr1), 5*time.Hour)
		b := start(t, k, newRule("web", []set.ID{web4}), newRule("app", []set.ID{app4}))
		release := k.stall()
		done := make(chan *Question)
		go func() { done <- b.ask("www.example.com.", time.Minute, addr1) }()
		synctest.Wait()
		k.remove(web4)
		time.Sleep(rule.DefaultWait / 2)
		release()
		if q := <-done; q.Fates[0] != NotReady || q.Held != rule.DefaultWait {
			t.Errorf("%v, held %v", q.Fates[0], q.Held)
		}
	})
}

// A set that is of another family when the write reaches it refuses nothing: it
// has no say.
func TestLayoutChangesWhileHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		release := k.stall()
		done := make(chan *Question)
		go func() { done <- b.ask("www.example.com.", time.Minute, addr1) }()
		synctest.Wait()
		k.declare(web4, v6, 0)
		synctest.Wait()
		release()
		if q := <-done; q.Fates[0] != NoFamily {
			t.Errorf("%v %v", q.Fates[0], q.Causes)
		}
	})
}

// A rule whose sets turn out to be of the other family, once they have been read,
// has no say, however many they are.
func TestSetsThatAreReadHaveTheOtherFamily(t *testing.T) {
	other6 := set.ID{Family: set.Inet, Table: "filter", Name: "other6"}
	for _, test := range []struct {
		name  string
		rules []*rule.Rule
		want  Fate
	}{
		{"alone", []*rule.Rule{newRule("six", []set.ID{web6, other6})}, NoFamily},
		{"another has it", []*rule.Rule{newRule("six", []set.ID{web6, other6}), newRule("four", []set.ID{web4})}, Promised},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel()
				k.declare(web4, v4, 0)
				k.declare(web6, v6, 0)
				k.declare(other6, v6, 0)
				read := make(chan struct{})
				k.dumped = func() { <-read }
				b := start(t, k, test.rules...)
				done := make(chan *Question)
				go func() { done <- b.ask("www.example.com.", time.Minute, addr1) }()
				time.Sleep(time.Second)
				close(read)
				if q := <-done; q.Fates[0] != test.want || q.Held != time.Second {
					t.Errorf("%v, held %v, %v", q.Fates[0], q.Held, q.Causes)
				}
			})
		})
	}
}
