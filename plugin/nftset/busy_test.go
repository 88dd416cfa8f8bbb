package nftset

import (
	"fmt"
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/namewall/namewall/internal/gate"
	"github.com/namewall/namewall/internal/rule"
)

// answered is an answer to a name, at a moment of the gate's clock.
func answered(name, client string, at, held time.Duration, rules ...*rule.Rule) *work {
	q := &work{Question: gate.Question{Name: name, Client: netip.MustParseAddr(client), Began: at, Held: held}}
	for _, r := range rules {
		q.Matches = append(q.Matches, gate.Match{Match: rule.Match{Rule: r}})
	}
	return q
}

// The last two windows count together, and what is older doesn't.
func TestBusy(t *testing.T) {
	web, mail := &rule.Rule{Name: "web"}, &rule.Rule{Name: "mail"}
	b := new(busy)
	const start = time.Hour
	b.note(answered("old.example.", "192.0.2.1", start-time.Minute, 0, web), whole)
	if out := b.top(start, 10, topOrders["answers"]); out.Answers != 1 || out.Names[0].Name != "old.example." || out.Seconds != 60 {
		t.Errorf("%+v", out)
	}
	at := start + 2*busyWindow
	for range 3 {
		b.note(answered("a.example.", "192.0.2.1", at, 0, web, web, mail), whole)
	}
	at += busyWindow
	b.note(answered("a.example.", "192.0.2.2", at, 0, web), trimmed)
	b.note(answered("b.example.", "192.0.2.2", at, 250*time.Millisecond, web), whole)
	out := b.top(at, 10, topOrders["answers"])
	if len(out.Names) != 2 || out.Names[0].Name != "a.example." || out.Names[0].Answers != 4 || out.Names[0].Refused != 1 {
		t.Errorf("names %+v", out.Names)
	}
	if len(out.Rules) != 2 || out.Rules[0].Name != "web" || out.Rules[0].Answers != 5 || out.Rules[1].Answers != 3 {
		t.Errorf("rules %+v", out.Rules)
	}
	if len(out.Clients) != 2 || out.Clients[0].Name != "192.0.2.1" || out.Clients[1].Answers != 2 {
		t.Errorf("clients %+v", out.Clients)
	}
	if out.Answers != 5 || out.Refused != 1 || out.Held != 1 || out.HeldSeconds != 0.25 || out.LongestHeld != 0.25 || out.Seconds != busyWindow.Seconds() {
		t.Errorf("%+v", out)
	}
	if out = b.top(at, 1, topOrders["held"]); len(out.Names) != 1 || out.Names[0].Name != "b.example." || out.Names[0].Held != 0.25 {
		t.Errorf("by hold time %+v", out.Names)
	}
	if out = b.top(at+3*busyWindow, 10, topOrders["answers"]); out.Answers != 0 || len(out.Names)+len(out.Rules)+len(out.Clients) != 0 {
		t.Errorf("when it is long ago %+v", out)
	}
}

// However many names there are, the memory is that of the counters, and an answer
// allocates nothing. None waits for another.
func TestBusyIsBounded(t *testing.T) {
	b := new(busy)
	q := answered("a.example.", "192.0.2.1", 0, time.Millisecond, &rule.Rule{Name: "web"})
	for i := range 3 * busyCounters {
		q.Name = fmt.Sprintf("n%d.example.", i)
		b.note(q, whole)
	}
	if out := b.top(0, busyCounters, topOrders["answers"]); len(out.Names) != busyCounters || out.Answers != 3*busyCounters {
		t.Errorf("%d names of %d answers", len(out.Names), out.Answers)
	}
	if n := testing.AllocsPerRun(1000, func() { b.note(q, whole) }); n > 0 {
		t.Errorf("%v allocations an answer", n)
	}
	b.mu.Lock()
	b.note(q, whole)
	b.mu.Unlock()
	if out := b.top(0, 1, topOrders["answers"]); out.NotCounted != 1 || out.Answers != 3*busyCounters+1001 {
		t.Errorf("%+v", out)
	}
}

// Of very many answers some stand for the others, but those that waited for long or
// lost something are counted all.
func TestBusySamples(t *testing.T) {
	b := new(busy)
	r := &rule.Rule{Name: "web"}
	const many = 100 * busyExact
	for i := range many {
		switch i % 1000 {
		case 0:
			b.note(answered("held.example.", "192.0.2.1", 0, time.Second, r), whole)
		case 1:
			b.note(answered("cut.example.", "192.0.2.2", 0, 0, r), trimmed)
		case 2, 3, 4, 5, 6, 7, 8, 9, 10, 11:
			b.note(answered("moment.example.", "192.0.2.3", 0, time.Millisecond, r), whole)
		default:
			b.note(answered("a.example.", "192.0.2.3", 0, 0, r), whole)
		}
	}
	out := b.top(0, 10, topOrders["answers"])
	if n := float64(out.Names[0].Answers); out.Names[0].Name != "a.example." || n < 0.96*many || n > 1.02*many {
		t.Errorf("%+v of %d", out.Names[0], many)
	}
	moments := out.Names[1]
	if n := float64(moments.Answers); moments.Name != "moment.example." || n < 0.007*many || n > 0.013*many || math.Abs(moments.Held-n/1000) > 1e-6 {
		t.Errorf("%+v of %d", moments, many/100)
	}
	for _, n := range out.Names[2:] {
		if n.Answers != many/1000 {
			t.Errorf("%+v", n)
		}
	}
	if held := out.HeldSeconds - moments.Held; out.Held != many/1000+moments.Answers || out.Refused != many/1000 || math.Abs(held-many/1000) > 1e-6 {
		t.Errorf("%+v", out)
	}
}

func BenchmarkBusy(b *testing.B) {
	r := &rule.Rule{Name: "web"}
	for name, names := range map[string]int{"few": 100, "many": 1 << 14} {
		b.Run(name, func(b *testing.B) {
			all := make([]string, names)
			for i := range all {
				all[i] = fmt.Sprintf("n%d.example.", i)
			}
			busy := new(busy)
			q := answered("a.example.", "192.0.2.1", 0, 0, r)
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				q.Name = all[n*7919%names]
				n++
				busy.note(q, whole)
			}
		})
	}
}
