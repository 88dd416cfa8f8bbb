package gate

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

// A commit that hangs behind another program's transaction delays only who waits
// for it, for `wait` and no longer, and lands all the same. If it takes long, that
// is told, once.
func TestStalledCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, log := newFakeKernel(), new(lines)
		k.declare(web4, v4, 0)
		b := &bench{fakeKernel: k}
		b.gate = New(Options{Kernel: k, Log: log})
		defer b.gate.Close()
		b.load(newRule("web", []set.ID{web4}))
		b.ask("www.example.com.", time.Minute, addr1) // is covered from now on
		time.Sleep(tick / 2)                          // not while the keeper looks
		release := k.stall()
		hang := time.Now()
		for _, a := range []int{50, 51, 52} { // the first is in the commit, the others are behind it
			q := make(chan *Question)
			go func() { q <- b.ask("new.example.com.", time.Minute, addr1, modelAddr(a)) }()
			synctest.Wait()
			if q := b.ask("www.example.com.", time.Minute, addr1); q.Fates[0] != Promised || q.Held != 0 {
				t.Errorf("what is covered: %v, held %v", q.Fates[0], q.Held)
			}
			if q := <-q; q.Fates[0] != Promised || q.Fates[1] != Late || q.Held != rule.DefaultWait {
				t.Errorf("what isn't: %v, held %v", q.Fates, q.Held)
			}
		}
		if p := b.gate.Problems(); len(p) != 1 || time.Since(hang) < stalledAfter {
			t.Errorf("problems after %v: %v", time.Since(hang), p)
		}
		time.Sleep(time.Minute)
		log.expect(t, "rule web: set inet filter web4: "+errStalled.Error())
		release()
		synctest.Wait()
		for _, a := range []int{50, 51, 52} {
			if k.life(web4, modelKey(a)) <= 0 {
				t.Errorf("the write of %v was given up", modelAddr(a))
			}
			if q := b.ask("new.example.com.", time.Minute, modelAddr(a)); q.Fates[0] != Promised || q.Held != 0 {
				t.Errorf("asked again: %v, held %v", q.Fates[0], q.Held)
			}
		}
		time.Sleep(2 * tick)
		if p := b.gate.Problems(); len(p) > 0 {
			t.Errorf("afterwards: %v", p)
		}
		log.expect(t, "rule web: set inet filter web4 can be fed again")
	})
}
