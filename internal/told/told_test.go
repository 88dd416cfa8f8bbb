package told

import (
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/namewall/namewall/internal/gate"
)

var noon = time.Date(2026, time.November, 26, 12, 0, 0, 0, time.UTC)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// note has a client told addresses for a name at so many seconds past noon.
func note(l *Ledger, second int, client, name, rule string, fate gate.Fate, addrs ...string) {
	a := Answer{Client: addr(client), Name: name, Rule: rule}
	for _, s := range addrs {
		a.Add(addr(s), 60, fate)
	}
	l.Note(&a, noon.Add(time.Duration(second)*time.Second))
}

func TestLedger(t *testing.T) {
	l := NewLedger(noon)
	const x, y = "192.0.2.1", "192.0.2.2"
	note(l, 1, x, "a.test.", "", gate.Unjudged, "198.51.100.1", "198.51.100.2")
	note(l, 2, y, "b.test.", "web", gate.Promised, "198.51.100.1")
	note(l, 3, x, "c.test.", "web", gate.Special, "198.51.100.1")
	note(l, 1, x, "late.test.", "", gate.Unjudged, "198.51.100.1") // seeded later, and older
	for _, test := range []struct {
		client, addr, want string
	}{
		{x, "198.51.100.1", "c.test. web special 3s 1m0s"},
		{x, "198.51.100.2", "a.test.  unjudged 1s 1m0s"},
		{y, "198.51.100.1", "b.test. web promised 2s 1m0s"},
		{y, "198.51.100.2", ""},
	} {
		told, ok := l.Of(addr(test.client), addr(test.addr))
		got := ""
		if ok {
			got = fmt.Sprint(told.Name, " ", told.Rule, " ", told.Fate, " ", told.At.Sub(noon), " ", told.TTL)
		}
		if got != test.want {
			t.Errorf("%s of %s: %q, want %q", test.addr, test.client, got, test.want)
		}
	}
	if told, ok := l.Last(addr("198.51.100.1")); !ok || told.Name != "c.test." || told.Client != addr(x) {
		t.Errorf("last: %+v", told)
	}
	if _, ok := l.Last(addr("198.51.100.3")); ok {
		t.Error("something of an address that nobody was told")
	}
	names := func(most int) (all []string) {
		for _, told := range l.Names(addr("198.51.100.1"), most) {
			all = append(all, told.Name)
		}
		return all
	}
	if got := names(9); !slices.Equal(got, []string{"c.test.", "b.test.", "a.test."}) {
		t.Errorf("names %q", got)
	}
	if got := names(1); !slices.Equal(got, []string{"c.test."}) {
		t.Errorf("one name: %q", got)
	}
	for n := range 2 * maxNames {
		note(l, 10+n, y, fmt.Sprintf("n%d.test.", n), "", gate.Unjudged, "198.51.100.9")
	}
	if got := l.Names(addr("198.51.100.9"), 99); len(got) != maxNames || got[0].Name != "n5.test." || got[maxNames-1].Name != "n3.test." {
		t.Errorf("of too many names: %+v", got)
	}
	if !l.Asks(addr(x)) || l.Asks(addr("198.51.100.1")) {
		t.Error("who asks")
	}
}

// However much is told, the memory is bounded; what was told longest ago goes, and
// from when on nothing is forgotten is known.
func TestBounded(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	l := NewLedger(noon)
	told := 0
	for i := range 2 * MaxPairs {
		for name := range 2 * maxNames { // the worst that there is: no name comes twice
			a := Answer{Client: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), Name: fmt.Sprintf("host-%d-%d.example.test.", i, name)}
			a.Add(netip.AddrFrom4([4]byte{198, 18 + byte(i>>16), byte(i >> 8), byte(i)}), 60, gate.Unjudged)
			l.Note(&a, noon.Add(time.Duration(i)*time.Millisecond))
		}
		told++
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if l.Used() != MaxPairs {
		t.Errorf("%d pairs, want %d", l.Used(), MaxPairs)
	}
	if want := noon.Add(time.Duration(told-MaxPairs-1) * time.Millisecond); !l.Since().Equal(want) {
		t.Errorf("nothing is forgotten since %v, want %v", l.Since(), want)
	}
	used := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	t.Logf("%d pairs take %.1f MiB", MaxPairs, float64(used)/(1<<20))
	if used > 64<<20 {
		t.Errorf("%d pairs take %d bytes", MaxPairs, used)
	}
	for n, addrs := range map[string]int{"addresses": len(l.addrs), "clients": len(l.clients)} {
		if addrs > MaxPairs {
			t.Errorf("%d %s", addrs, n)
		}
	}
	length := 0
	for p := l.all.first; p != nil; p = p.links[ofAll].next {
		length++
	}
	if length != MaxPairs {
		t.Errorf("%d in the chain", length)
	}
	for range MaxPairs {
		l.forget(l.all.last)
	}
	if len(l.addrs)+len(l.clients)+len(l.pairs) > 0 || l.all.first != nil || l.all.last != nil {
		t.Error("something is left of what was forgotten")
	}
}

// Nobody waits for the ledger: what finds no room is lost.
func TestInbox(t *testing.T) {
	var lost atomic.Int64
	in := Open(NewLedger(time.Now()), func() { lost.Add(1) })
	a := Answer{Client: addr("192.0.2.1"), Name: "a.test."}
	a.Add(addr("198.51.100.1"), 60, gate.Unjudged)
	in.Give(&a)
	for deadline := time.Now().Add(10 * time.Second); in.Used() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not noted")
		}
	}
	in.mu.Lock() // somebody looks for long
	const given = 4 * shelves * shelfRoom
	for range given {
		in.Give(&a)
	}
	// One shelf may be in hand, and another one's answers.
	if n := int(lost.Load()); n < given-(shelves+2)*shelfRoom || n > given-shelfRoom {
		t.Errorf("%d of %d lost", n, given)
	}
	in.mu.Unlock()
	in.Close()
	for range given { // waits for nobody either
		in.Give(&a)
	}
}

// What it costs whoever answers.
func BenchmarkGive(b *testing.B) {
	var lost atomic.Int64
	in := Open(NewLedger(time.Now()), func() { lost.Add(1) })
	defer in.Close()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		a := Answer{Client: addr("192.0.2.1"), Name: "a.test."}
		for pb.Next() {
			a.Clear()
			a.Add(addr4, 60, gate.Unjudged)
			a.Add(addr4, 60, gate.Unjudged)
			in.Give(&a)
		}
	})
	b.ReportMetric(float64(lost.Load())/float64(b.N), "lost/op")
}

var addr4 = netip.AddrFrom4([4]byte{198, 51, 100, 1})

func TestAnswerHasRoom(t *testing.T) {
	var a Answer
	for n := range addrsMax + 1 {
		if ok := a.Add(addr("198.51.100.1"), 60, gate.Unjudged); ok != (n < addrsMax) {
			t.Errorf("address %d: %v", n, ok)
		}
	}
	if a.Empty() {
		t.Error("empty")
	}
	if a.Clear(); !a.Empty() {
		t.Error("not empty")
	}
}
