package gate

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/namewall/namewall/internal/set"
)

// A braked rule changes no answer, waits for no set that is known to be missing,
// and writes its sets all the same; over reloads, until it is released.
func TestBrake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}), newRule("app", []set.ID{app4})) // which is missing
		enforced := func(want bool) {
			t.Helper()
			time.Sleep(time.Minute)
			before := time.Now()
			q := b.ask("www.example.com.", time.Minute, addr1)
			if q.Enforced != want || !want && time.Since(before) > 0 {
				t.Errorf("enforced: %v, after %v", q.Enforced, time.Since(before))
			}
		}
		b.only("app")
		enforced(true)
		if err := b.gate.Brake("app"); err != nil {
			t.Fatal(err)
		}
		enforced(false)
		b.only("web")
		enforced(true)
		if err := b.gate.Brake(""); err != nil {
			t.Fatal(err)
		}
		enforced(false)
		if n := len(b.gate.BrakedRules()); n != 2 {
			t.Errorf("%d rules are braked", n)
		}
		b.reload(newRule("web", []set.ID{web4}))
		enforced(false)
		if q := b.ask("new.example.com.", time.Minute, addr2); q.Fates[0] != Promised || k.life(web4, key4(addr2)) == 0 {
			t.Errorf("%v", q.Fates)
		}
		if err := b.gate.Release("web"); err == nil {
			t.Error("one rule of all is released")
		}
		if err := b.gate.Release(""); err != nil {
			t.Fatal(err)
		}
		enforced(true)
		if err := b.gate.Release("web"); err == nil {
			t.Error("released twice")
		}
		if err := b.gate.Brake("other"); !errors.Is(err, ErrNoRule) {
			t.Errorf("%v", err)
		}
		if b.gate.BrakedRules() != nil {
			t.Errorf("%v", b.gate.BrakedRules())
		}
	})
}
