package gate

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

func TestReloadKeepsWhatWasPromised(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		k.declare(app4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		b.ask("www.example.com.", time.Minute, addr1)
		commits := k.commitsSoFar()
		old, oldBlock := b.inst, b.block

		b.load(newRule("web", []set.ID{web4}), newRule("app", []set.ID{app4}))
		if q := b.ask("www.example.com.", time.Minute, addr1); q.Fates[0] != Promised || k.commitsSoFar() != commits+1 {
			t.Errorf("%v, %d commits: only the new set needs one", q.Fates, k.commitsSoFar()-commits)
		}
		newBlock := b.block
		b.block = oldBlock // a question that the old servers still have
		if q := b.ask("late.example.com.", time.Minute, addr2); q.Fates[0] != Promised {
			t.Errorf("under the old configuration: %v", q.Fates)
		}
		old.Stop()
		b.block = newBlock
		if q := b.ask("late.example.com.", time.Minute, addr2); q.Fates[0] != Promised || len(b.gate.Problems()) != 0 {
			t.Errorf("%v", q.Fates)
		}
	})
}

func TestSetThatLeavesTheConfigurationIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		k.declare(app4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}), newRule("app", []set.ID{app4}, keeping))
		b.ask("www.example.com.", time.Minute, addr1)
		old := b.inst
		b.load(newRule("web", []set.ID{web4}))
		old.Stop()
		if s := b.gate.Stats(); len(s.Sets) != 1 {
			t.Errorf("%+v", s)
		}
		time.Sleep(settling + lastAnswers + 3*retryMax)
		if s := b.gate.Stats(); len(s.Sets) != 1 || s.Bindings != 1 {
			t.Errorf("%+v", s)
		}
		if k.life(app4, key4(addr1)) <= 0 {
			t.Error("its element was deleted")
		}
		old = b.inst
		b.load(newRule("web", []set.ID{web4}), newRule("app", []set.ID{app4}))
		old.Stop()
		commits := k.commitsSoFar()
		if q := b.ask("www.example.com.", time.Minute, addr1); q.Fates[0] != Promised || k.commitsSoFar() != commits {
			t.Errorf("%v, %d commits: the element had been adopted again", q.Fates, k.commitsSoFar()-commits)
		}
	})
}

// A reload may fail after its configuration has been started, without a word to
// it.
func TestFailedReloadChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		b.ask("www.example.com.", time.Minute, addr1)
		old, oldBlock := b.inst, b.block
		b.load(newRule("web", []set.ID{app4})) // which doesn't exist
		if len(b.gate.Problems()) != 1 {
			t.Fatalf("%v", b.gate.Problems())
		}
		old.Keep()
		b.inst, b.block = old, oldBlock
		if s := b.gate.Stats(); len(b.gate.Problems()) != 0 || len(s.Sets) != 1 {
			t.Errorf("%v, %+v", b.gate.Problems(), s)
		}
		if q := b.ask("www.example.com.", time.Minute, addr1, addr2); q.Fates[0] != Promised || q.Fates[1] != Promised {
			t.Errorf("%v", q.Fates)
		}
	})
}

// On SIGTERM the plugins are told to shut down while questions still come.
func TestAnswersAfterTheLastStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		b.inst.Stop()
		b.inst.Stop()
		if q := b.ask("www.example.com.", time.Minute, addr1); q.Fates[0] != Promised {
			t.Errorf("%v", q.Fates)
		}
	})
}

// A Corefile without the directive, and then one with it again, is a reload in
// two steps: the last configuration stays until there is another.
func TestDirectiveIsTakenOutAndPutBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("old", []set.ID{app4})) // which is missing
		b.inst.Stop()
		b.load(newRule("web", []set.ID{web4}))
		if p, s := b.gate.Problems(), b.gate.Stats().Sets; len(p) != 0 || len(s) != 1 || s[0].ID != web4 {
			t.Errorf("%v, %+v", p, s)
		}
	})
}

// A configuration that has ended can't take over again: caddy says that it is to
// go on also when only its shutdown has failed.
func TestStoppedConfigurationIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		old := b.inst
		b.load(newRule("web", []set.ID{web4}))
		old.Stop()
		old.Keep()
		if q := b.ask("www.example.com.", time.Minute, addr1); q.Fates[0] != Promised {
			t.Errorf("%v %v", q.Fates[0], q.Causes)
		}
	})
}

func TestCloseLetsGoOfWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		g := New(Options{Kernel: k})
		b := &bench{fakeKernel: k, gate: g}
		b.load(newRule("web", []set.ID{web4}, func(r *rule.Rule) { r.Wait = time.Hour }))
		k.remove(web4)
		done := make(chan *Question)
		go func() { done <- b.ask("www.example.com.", time.Minute, addr1) }()
		synctest.Wait()
		g.Close()
		if q := <-done; q.Fates[0].Given() {
			t.Errorf("%v", q.Fates)
		}
	})
}

// A configuration that takes the place of another revokes what only that had
// promised, and holds its place among others; what is no longer active is replaced
// by nothing.
func TestStartBeside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		k.declare(app4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}), newRule("app", []set.ID{app4}))
		b.ask("www.example.com.", time.Minute, addr1)
		first := b.inst
		b.load(newRule("other", []set.ID{web4}))
		newest := b.inst

		next := b.gate.Stage([]*rule.Rule{newRule("web", []set.ID{web4})}, rule.Site{})
		if !next.StartBeside(first) {
			t.Fatal("the first configuration is active")
		}
		first.Stop()
		time.Sleep(settling + tick)
		if k.life(web4, key4(addr1)) <= 0 || k.life(app4, key4(addr1)) > 0 {
			t.Errorf("lives %v and %v: what the new one gives stays, and the rest goes", k.life(web4, key4(addr1)), k.life(app4, key4(addr1)))
		}
		if all := b.gate.instances; len(all) != 2 || all[0] != next || all[1] != newest {
			t.Errorf("%d configurations, or in another order", len(all))
		}

		if late := b.gate.Stage([]*rule.Rule{newRule("web", []set.ID{app4})}, rule.Site{}); late.StartBeside(first) {
			t.Error("in the place of one that was replaced")
		}
		newest.Keep()
		if late := b.gate.Stage([]*rule.Rule{newRule("web", []set.ID{app4})}, rule.Site{}); late.StartBeside(next) {
			t.Error("in the place of one that was dropped")
		}
		if n := len(b.gate.instances); n != 1 {
			t.Errorf("%d configurations", n)
		}
	})
}
