package gate

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/namewall/namewall/internal/nft"
	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

// dismiss carries out a dismissal and waits for it for a second.
func (b *bench) dismiss(d Dismissal) Dismissed {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return b.gate.Dismiss(ctx, d, 10)
}

// fates are what a dismissal says of the elements, and where they are.
func (d *Dismissed) fates() (all []string) {
	for i := range d.Elements {
		all = append(all, fmt.Sprintf("%s %s %s", d.Elements[i].Set.Name, d.Elements[i].Addr, d.Elements[i].Fate))
	}
	return all
}

func wantFates(t *testing.T, d Dismissed, want ...string) {
	t.Helper()
	got := make(map[string]bool)
	for _, f := range d.fates() {
		got[f] = true
	}
	for _, w := range want {
		if !got[w] {
			t.Errorf("no '%s' in %v", w, d.fates())
		}
	}
	if d.All() != len(want) {
		t.Errorf("%d elements %v, want %d", d.All(), d.fates(), len(want))
	}
}

// What an administrator revokes is deleted, whatever it is there for, and does not
// come back by itself, but with the next answer.
func TestDismiss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		k.declare(app4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4, app4}, func(r *rule.Rule) { r.Limit = 1 }))
		b.ask("www.example.com.", time.Minute, addr1)
		b.ask("api.example.com.", time.Minute, addr1)
		b.ask("new.example.com.", time.Minute, addr2)
		time.Sleep(2 * crossing)
		l, leave := b.gate.Listen(10)
		defer leave()
		wantFates(t, b.dismiss(Dismissal{Addr: addr1, UID: 17}), "web4 198.51.100.1 closed", "app4 198.51.100.1 closed")
		if k.life(web4, key4(addr1)) != 0 || k.life(app4, key4(addr1)) != 0 || k.life(web4, key4(addr2)) == 0 {
			t.Error("the kernel has something else")
		}
		if len(l.C()) != 2 {
			t.Fatalf("%d happenings", len(l.C()))
		}
		if h := <-l.C(); h.Kind != Gone || !h.Dismissed || h.UID != 17 || len(h.Entry.Reasons) != 2 {
			t.Errorf("%+v", h)
		}
		past := b.gate.Past(Filter{Addr: addr1}, 10)
		if len(past) != 2 || past[0].How != RevokedByHand || past[0].Reasons[0].Name != "www.example.com." {
			t.Errorf("%+v", past)
		}
		if n := b.seen.get(&b.seen.revoked); n != 2 {
			t.Errorf("%d counted", n)
		}
		k.flush(web4)
		time.Sleep(2 * tick)
		if k.life(web4, key4(addr1)) != 0 || k.life(web4, key4(addr2)) == 0 {
			t.Error("healing has put back something else")
		}
		next := restart(t, b, newRule("web", []set.ID{web4, app4}, func(r *rule.Rule) { r.Limit = 1 }))
		if k.life(web4, key4(addr1)) != 0 || k.life(app4, key4(addr1)) != 0 {
			t.Error("back after a restart")
		}
		wantFates(t, next.dismiss(Dismissal{Addr: addr1}))
		// The name may have another address now, although it may have one only.
		if q := b.ask("www.example.com.", time.Minute, nthAddr(7)); q.Fates[0] != Promised {
			t.Errorf("%v %v", q.Fates, q.Causes)
		}
	})
}

// A name's elements end with whatever else they are there for, unless a rule is
// named: then what others want stays.
func TestDismissOfAName(t *testing.T) {
	for _, test := range []struct {
		d    Dismissal
		want []string
	}{
		{Dismissal{Name: "www.example.com."}, []string{"web4 198.51.100.1 closed", "web4 198.51.100.3 closed"}},
		{Dismissal{Name: "www.example.com.", Rule: "web"}, []string{"web4 198.51.100.1 closed", "web4 198.51.100.3 other_rule"}},
		{Dismissal{Name: "www.example.com.", Rule: "app"}, []string{"web4 198.51.100.3 other_rule"}},
		{Dismissal{Addr: nthAddr(3), Rule: "app"}, []string{"web4 198.51.100.3 other_rule"}},
		{Dismissal{Addr: addr2, Rule: "app"}, nil},
		{Dismissal{Name: "old.example.com."}, nil},
	} {
		synctest.Test(t, func(t *testing.T) {
			k := newFakeKernel()
			k.declare(web4, v4, 0)
			b := start(t, k, newRule("web", []set.ID{web4}), newRule("app", []set.ID{web4}))
			b.only("web")
			b.ask("old.example.com.", time.Minute, addr1) // whose time will be over
			time.Sleep(30 * time.Minute)
			b.ask("www.example.com.", 2*time.Hour, addr1)
			b.ask("api.example.com.", 2*time.Hour, addr1, addr2)
			b.ask("www.example.com.", 2*time.Hour, nthAddr(3))
			b.only("app")
			b.ask("www.example.com.", 2*time.Hour, nthAddr(3))
			time.Sleep(time.Hour)
			wantFates(t, b.dismiss(test.d), test.want...)
			for n, left := range map[string]bool{"198.51.100.2": true, "198.51.100.3": len(test.want) < 2 || test.want[1] != "web4 198.51.100.3 closed"} {
				if _, found := b.find(n); found != left {
					t.Errorf("%+v: %s found: %v", test.d, n, found)
				}
			}
		})
	}
}

// find is the entry of an address that is promised.
func (b *bench) find(addr string) (Entry, bool) {
	all, _ := b.gate.Entries(Filter{}, 100)
	for _, e := range all {
		if e.Addr.String() == addr && e.Promised > 0 {
			return e, true
		}
	}
	return Entry{}, false
}

// What others have written is left alone, and what is static stays.
func TestDismissLeavesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		k.put(web4, key4(addr2), 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		b.ask("www.example.com.", time.Minute, addr1, addr2, nthAddr(3))
		time.Sleep(2 * crossing)
		k.put(web4, key4(addr1), 10*time.Hour)
		b.gate.each(func(own *binding) bool {
			if own.addr() == nthAddr(3) {
				own.because(reason{subject: &subject{rule: "web", origin: rule.ByLine}, until: own.until})
			}
			return true
		})
		d := b.dismiss(Dismissal{Name: "www.example.com.", Kill: true})
		wantFates(t, d, "web4 198.51.100.1 foreign", "web4 198.51.100.2 foreign", "web4 198.51.100.3 static")
		for i := range d.Elements {
			if e := &d.Elements[i]; e.Fate == KeptStatic && (len(e.Reasons) != 1 || e.Reasons[0].Origin != rule.ByLine) {
				t.Errorf("%+v", e)
			}
		}
		if k.life(web4, key4(addr1)) == 0 || k.life(web4, key4(addr2)) != -1 || k.life(web4, key4(nthAddr(3))) == 0 || len(k.ended()) > 0 {
			t.Errorf("something has ended, %v", k.ended())
		}
		k.flush(web4)
		time.Sleep(2 * tick)
		if k.count(web4) != 1 || k.life(web4, key4(nthAddr(3))) == 0 {
			t.Errorf("%d elements are put back, want what is static", k.count(web4))
		}
	})
}

// Connections end with the elements, but not those that another one lets through.
func TestDismissKills(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		k.declare(app4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}), newRule("app", []set.ID{app4}))
		b.only("web")
		b.ask("www.example.com.", time.Minute, addr1, addr2)
		b.only("app")
		b.ask("www.example.com.", time.Minute, addr2)
		d := b.dismiss(Dismissal{Name: "www.example.com.", Rule: "web", Kill: true})
		wantFates(t, d, "web4 198.51.100.1 closed", "web4 198.51.100.2 closed")
		if d.Connections != 1 || len(k.ended()) != 1 || k.ended()[0].Addr != addr1 || d.KillErr != nil {
			t.Errorf("%d connections, %v", d.Connections, k.ended())
		}
	})
}

// What can't be done now is done when it can, by the next process if need be; the
// kernel's refusal is told.
func TestDismissLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		b.ask("www.example.com.", time.Minute, addr1)
		k.change(func() {
			k.opErr = func(op nft.Op) error { return &nft.Error{Kind: op.Kind, Set: op.Set, Errno: syscall.EPERM} }
		})
		wantFates(t, b.dismiss(Dismissal{Addr: addr1}), "web4 198.51.100.1 refused")
		k.change(func() { k.opErr = nil })

		b.ask("www.example.com.", time.Minute, addr1, addr2)
		k.change(func() { k.commitErr = errBoom })
		wantFates(t, b.dismiss(Dismissal{Addr: addr1}), "web4 198.51.100.1 pending")
		wantFates(t, b.dismiss(Dismissal{Addr: addr1, Kill: true}), "web4 198.51.100.1 pending")
		k.change(func() { k.commitErr = nil })
		if k.life(web4, key4(addr1)) == 0 {
			t.Fatal("deleted by a kernel that can't be reached")
		}
		next := restart(t, b, newRule("web", []set.ID{web4}))
		time.Sleep(tick)
		if k.life(web4, key4(addr1)) != 0 || k.life(web4, key4(addr2)) == 0 {
			t.Error("the next process has something else")
		}
		if len(k.ended()) != 1 {
			t.Errorf("connections ended: %v", k.ended())
		}
		if past := next.gate.Past(Filter{Addr: addr1}, 10); len(past) != 1 || past[0].How != RevokedByHand || past[0].Reasons[0].Name != "www.example.com." {
			t.Errorf("%+v", past)
		}
	})
}

// An answer that is given meanwhile is not betrayed.
func TestDismissAndAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		b.ask("www.example.com.", time.Minute, addr1)
		release := k.stall()
		done := make(chan Dismissed)
		go func() { done <- b.dismiss(Dismissal{Addr: addr1}) }()
		synctest.Wait()
		asked := make(chan *Question)
		go func() { asked <- b.ask("www.example.com.", time.Minute, addr1) }()
		synctest.Wait()
		k.change(func() { k.slow = nil })
		release()
		wantFates(t, <-done, "web4 198.51.100.1 reopened")
		if q := <-asked; q.Fates[0] != Promised || k.life(web4, key4(addr1)) < time.Hour {
			t.Errorf("%v, and the kernel has it for %v", q.Fates, k.life(web4, key4(addr1)))
		}
	})
}

// A range that has the address lets it through, and is the Corefile's.
func TestDismissInARange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		k.declareInterval(nets4, v4)
		b := start(t, k, newRule("web", []set.ID{web4}), fixed("fixed", "198.51.100.0/30"))
		b.only("web")
		b.ask("www.example.com.", time.Minute, addr1)
		d := b.dismiss(Dismissal{Addr: addr1, Kill: true})
		wantFates(t, d, "web4 198.51.100.1 closed", "nets4 198.51.100.0 static")
		if k.life(web4, key4(addr1)) != 0 || len(k.ended()) > 0 {
			t.Errorf("the kernel has it for %v, connections ended: %v", k.life(web4, key4(addr1)), k.ended())
		}
		wantFates(t, b.dismiss(Dismissal{Addr: addr1, Rule: "web"}))
	})
}

// An answer that was waiting when its rule's reason was taken away leaves with a new
// one, although another rule has kept the element.
func TestDismissedWhileWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}), newRule("app", []set.ID{web4}))
		b.only("app")
		b.ask("www.example.com.", time.Minute, addr1)
		b.only("web")
		release := k.stall()
		done := make(chan *Question)
		go func() { done <- b.ask("www.example.com.", 20*time.Hour, addr1) }()
		synctest.Wait()
		d := b.dismiss(Dismissal{Addr: addr1, Rule: "web"})
		wantFates(t, d, "web4 198.51.100.1 other_rule")
		release()
		if q := <-done; q.Fates[0] != Promised {
			t.Fatal(q.Fates[0])
		}
		e, _ := b.find(addr1.String())
		if !slices.ContainsFunc(e.Reasons, func(w Why) bool { return w.Rule == "web" && w.Left > 19*time.Hour }) {
			t.Errorf("the reasons are %+v", e.Reasons)
		}
	})
}
