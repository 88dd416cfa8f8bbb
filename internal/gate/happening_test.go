package gate

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

// Who listens is told what is admitted, extended, refused, put back, revoked and
// held, in order.
func TestHappenings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}, func(r *rule.Rule) { r.Limit = 2 }))
		l, leave := b.gate.Listen(100)
		b.ask("www.example.com.", time.Minute, addr1)
		b.ask("www.example.com.", time.Minute, addr1) // covered: nothing happens
		time.Sleep(time.Hour)
		b.ask("www.example.com.", time.Minute, addr1, private)
		release := k.stall()
		go func() {
			time.Sleep(2 * heldLong)
			k.change(func() { k.slow = nil })
			release()
		}()
		b.ask("www.example.com.", time.Minute, addr2)
		k.flush(web4)
		time.Sleep(2 * tick)
		b.reload(newRule("app", []set.ID{app4}))
		leave()
		b.gate.Listen(1)
		want := []string{
			"admitted 198.51.100.1 1h1m0s was 0s", "extended 198.51.100.1 1h1m0s was 1m0s", "refused 10.0.0.1 special",
			"admitted 198.51.100.2 1h0m59.8s was 0s", "held www.example.com. 200ms", "healed inet filter web4 2",
			"gone 198.51.100.1", "gone 198.51.100.2",
		}
		if n := len(l.C()); n != len(want) {
			t.Errorf("%d happenings, want %d", n, len(want))
		}
		seen := make(map[string]bool)
		for len(l.C()) > 0 {
			h := <-l.C()
			seen[said(&h)] = true
		}
		for _, w := range want {
			if !seen[w] {
				t.Errorf("no '%s' in %v", w, seen)
			}
		}
	})
}

func said(h *Happening) string {
	switch h.Kind {
	case Admitted:
		return fmt.Sprintf("admitted %v %v was %v", h.Entry.Addr, h.Entry.Promised, h.Before)
	case Extended:
		return fmt.Sprintf("extended %v %v was %v", h.Entry.Addr, h.Entry.Promised, h.Before)
	case Gone:
		return fmt.Sprintf("gone %v", h.Entry.Addr)
	case Refused:
		return fmt.Sprintf("refused %v %v", h.Cause.Addr, h.Cause.Fate)
	case Healed:
		return fmt.Sprintf("healed %v %d", h.Set, h.Count)
	}
	return fmt.Sprintf("held %s %v", h.Name, h.Held)
}

// Nobody waits for who doesn't listen: what has no room is counted.
func TestListenersAreNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		slow, leaveSlow := b.gate.Listen(1)
		quick, leaveQuick := b.gate.Listen(10)
		for i := range 5 {
			b.ask("www.example.com.", time.Minute, nthAddr(i))
		}
		if slow.Lost() != 4 || len(slow.C()) != 1 || quick.Lost() != 0 || len(quick.C()) != 5 {
			t.Errorf("%d lost and %d kept, %d lost and %d kept", slow.Lost(), len(slow.C()), quick.Lost(), len(quick.C()))
		}
		leaveSlow()
		leaveQuick()
		b.ask("www.example.com.", time.Minute, addr2)
		if len(quick.C()) != 5 || b.gate.stage.watched() {
			t.Error("told who has left")
		}
	})
}
