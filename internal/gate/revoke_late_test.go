package gate

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
	"github.com/namewall/namewall/internal/state"
)

// Connections end also where there is nothing left to delete, because the set has
// gone from the ruleset with the rule, or was emptied.
func TestKillWithoutAnElement(t *testing.T) {
	app := func() *rule.Rule { return newRule("app", []set.ID{app4}, names("app.example.com")) }
	for name, lose := range map[string]func(*fakeKernel){
		"its set has gone":      func(k *fakeKernel) { k.remove(web4) },
		"its set was emptied":   func(k *fakeKernel) { k.remove(web4); k.declare(web4, v4, 0) },
		"it was deleted by nft": func(k *fakeKernel) { k.take(web4, key4(addr1)) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel()
				k.declare(web4, v4, 0)
				k.declare(app4, v4, 0)
				b := start(t, k, newRule("web", []set.ID{web4}, killingRule), app())
				b.ask("www.example.com.", time.Minute, addr1)
				old := b.inst
				b.load(app())
				old.Stop()
				lose(k)
				time.Sleep(settling + 2*tick)
				if len(k.ended()) != 1 {
					t.Errorf("ended were %v", k.ended())
				}
			})
		})
	}
}

// Elements of others let connections through as well as our own.
func TestKillSparesWhatOthersLetThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		k.declare(app4, v4, 0)
		app := func() *rule.Rule { return newRule("app", []set.ID{app4}, names("app.example.com")) }
		b := start(t, k, newRule("web", []set.ID{web4}, killingRule), app())
		b.ask("www.example.com.", time.Minute, addr1)
		k.put(app4, key4(addr1), 0)
		synctest.Wait()
		b.reload(app())
		if len(k.ended()) != 0 {
			t.Errorf("ended were %v", k.ended())
		}
	})
}

// A reason whose time is over keeps nothing, and what is left keeps no more than
// its own life.
func TestReasonsCountWhileTheyLive(t *testing.T) {
	one := func() *rule.Rule { return newRule("one", []set.ID{web4}, names("once.example.com")) }
	two := func() *rule.Rule { return newRule("two", []set.ID{web4}, names("often.example.com")) }
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, one(), two())
		b.ask("once.example.com.", time.Minute, addr1)
		for range 30 {
			b.ask("often.example.com.", 2*time.Hour, addr1)
			time.Sleep(time.Hour)
		}
		b.reload(one())
		if left := k.life(web4, key4(addr1)); left != 0 {
			t.Errorf("there for %v because of a name that was asked for a day ago", left)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, one(), two())
		b.ask("once.example.com.", time.Minute, addr1)
		b.ask("often.example.com.", 20*time.Hour, addr1)
		b.reload(one())
		time.Sleep(10 * time.Hour)
		k.flush(web4)
		time.Sleep(2 * tick)
		if left := k.life(web4, key4(addr1)); left != 0 {
			t.Errorf("put back for %v, without any reason in the configuration", left)
		}
	})
}

// What is found by a list of configurations counts only as long as that is the
// list.
func TestRevokeByAnOldList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		k.declare(app4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		b.reload(newRule("app", []set.ID{app4}))
		list := b.gate.configurations()
		b.reload(newRule("web", []set.ID{web4}))
		if q := b.ask("www.example.com.", time.Minute, addr1); q.Fates[0] != Promised {
			t.Fatal(q.Fates)
		}
		if _, done := (&keeper{Gate: b.gate}).revoke(list); done {
			t.Error("done, with a list that is out of date")
		}
		synctest.Wait()
		if k.life(web4, key4(addr1)) == 0 {
			t.Error("promised by the active configuration, and gone")
		}
	})
}

// What leaves the configuration and comes back at once, as a name that moves from
// one file to another, isn't touched.
func TestWhatComesBackAtOnceStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}, killingRule))
		b.ask("www.example.com.", time.Minute, addr1)
		for _, pattern := range []string{"x.example.com", "*.example.com"} {
			old := b.inst
			b.activate(newRule("web", []set.ID{web4}, killingRule, names(pattern)))
			old.Stop()
			time.Sleep(settling / 4)
		}
		time.Sleep(2 * lastAnswers)
		if k.life(web4, key4(addr1)) == 0 || len(k.ended()) > 0 {
			t.Errorf("gone, ended were %v", k.ended())
		}
	})
}

// An answer that was still given under a configuration that has left long since is
// revoked as its rule had it.
func TestLateAnswersHaveTheirOwnChoice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		k.declare(app4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}, keeping))
		old := b.block
		b.reload(newRule("app", []set.ID{app4}))
		next := b.block
		b.block = old
		time.Sleep(10 * time.Second)
		b.ask("www.example.com.", time.Minute, addr1)
		b.block = next
		b.reload(newRule("app2", []set.ID{app4}))
		if k.life(web4, key4(addr1)) == 0 {
			t.Error("deleted although its rule says keep")
		}
	})
}

// However long nftables can't be reached, what is to be deleted is deleted then.
func TestRevokeAfterALongTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		k.declare(app4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		b.ask("www.example.com.", 5*time.Hour, addr1)
		k.change(func() { k.commitErr, k.openErr = errBoom, errBoom })
		b.reload(newRule("app", []set.ID{app4}))
		time.Sleep(3 * lastAnswers)
		k.change(func() { k.commitErr, k.openErr = nil, nil })
		time.Sleep(time.Minute)
		if left := k.life(web4, key4(addr1)); left != 0 {
			t.Errorf("there for %v", left)
		}
		if n := len(b.gate.known()); n != 1 {
			t.Errorf("%d sets are followed", n)
		}
	})
}

// An answer that is refused for another reason takes nothing back.
func TestRefusedAnswersSaveNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		b.ask("www.example.com.", 5*time.Hour, addr1)
		release := k.stall()
		go b.ask("api.example.com.", time.Minute, addr2)
		synctest.Wait()
		b.reload(newRule("other", []set.ID{web4}, func(r *rule.Rule) { r.Limit = 1 }))
		go b.ask("www.example.com.", time.Minute, addr2, addr1)
		synctest.Wait()
		k.change(func() { k.slow = nil })
		release()
		time.Sleep(2 * lastAnswers)
		if left := k.life(web4, key4(addr1)); left != 0 {
			t.Errorf("neither promised nor revoked: %v", left)
		}
	})
}

// Whoever takes over an element whose revocation waits in the queue keeps it.
func TestForeignWhileRevocationIsQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		b.ask("www.example.com.", time.Minute, addr1)
		time.Sleep(2 * crossing)
		release := k.stall()
		go b.ask("api.example.com.", time.Minute, addr2)
		synctest.Wait()
		b.reload(newRule("new", []set.ID{web4}, names("api.example.com")))
		k.put(web4, key4(addr1), 0)
		synctest.Wait()
		k.change(func() { k.slow = nil })
		release()
		time.Sleep(time.Minute)
		if left := k.life(web4, key4(addr1)); left != -1 {
			t.Errorf("the administrator's permanent element has %v left", left)
		}
	})
}

// An administrator's element is left alone also by who asks between its set's
// return and the end of what was to be revoked.
func TestPermanentElementOfAnEndingBinding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		k.put(web4, key4(addr1), 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		b.ask("www.example.com.", time.Minute, addr1) // covered by it
		k.change(func() { k.openErr = errBoom })
		b.gate.fail(b.gate.session.Load(), errBoom)
		b.reload(newRule("web2", []set.ID{web4}))
		done := make(chan *Question)
		go func() { done <- b.ask("www.example.com.", time.Minute, addr1) }()
		synctest.Wait()
		k.change(func() { k.openErr = nil })
		<-done
		time.Sleep(retryMax)
		if left := k.life(web4, key4(addr1)); left != -1 {
			t.Errorf("it has %v left", left)
		}
	})
}

// The choice of the newest configuration that has the rule goes into the state
// file, and stays there over a process that could not carry it out.
func TestChoiceInTheStateFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}, killingRule))
		b.reload(newRule("web", []set.ID{web4}, keeping))
		b.ask("www.example.com.", time.Hour, addr1)
		restart(t, b, newRule("new", []set.ID{web4}))
		time.Sleep(settling)
		if k.life(web4, key4(addr1)) == 0 {
			t.Errorf("deleted, ended were %v: the rule said keep when it was written", k.ended())
		}
	})
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}, killingRule))
		b.ask("www.example.com.", time.Hour, addr1)
		k.change(func() { k.openErr = errBoom })
		second := New(Options{Kernel: k})
		t.Cleanup(second.Close)
		inst := second.Stage([]*rule.Rule{newRule("new", []set.ID{web4})}, rule.Site{})
		inst.Restore(b.gate.Snapshot(state.Instant{}))
		inst.Start()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		second.Settle(ctx)
		cancel()
		k.change(func() { k.openErr = nil })
		restart(t, &bench{fakeKernel: k, gate: second}, newRule("new", []set.ID{web4}))
		time.Sleep(settling)
		if k.life(web4, key4(addr1)) != 0 || len(k.ended()) == 0 {
			t.Errorf("%v left, ended were %v", k.life(web4, key4(addr1)), k.ended())
		}
	})
}

// To look for what is to be revoked builds nothing: healing waits for it, and with
// names by the hundred thousand a matcher takes longer than a set may be empty.
func TestRevokingBuildsNoMatcher(t *testing.T) {
	k := newFakeKernel()
	g := New(Options{Kernel: k})
	defer g.Close()
	r := newRule("web", []set.ID{web4}, func(r *rule.Rule) {
		for n := range 10_000 {
			p, err := rule.ParsePattern(fmt.Sprintf("h%d.example.com", n))
			if err != nil {
				t.Fatal(err)
			}
			r.Names[0].Patterns = append(r.Names[0].Patterns, p)
		}
	})
	i := g.Stage([]*rule.Rule{r}, rule.Site{})
	if n := testing.AllocsPerRun(10, func() { i.configured() }); n > 10 {
		t.Errorf("%v allocations", n)
	}
	if i.Block([]*rule.Rule{r}).matcher != i.matcher {
		t.Error("a block with all rules has a matcher of its own")
	}
}
