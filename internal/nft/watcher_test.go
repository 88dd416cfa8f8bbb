//go:build linux

package nft

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/namewall/namewall/internal/set"
	"go.uber.org/goleak"
)

// spectator receives what a Watcher delivers.
type spectator struct {
	*Watcher
	k      *kernel
	events chan Event
}

func (k *kernel) watch(ignore ...uint32) *spectator {
	k.t.Helper()
	s := &spectator{k: k, events: make(chan Event, 20000)}
	w, err := Watch(k.options(), ignore, func(e Event) { s.events <- e })
	if err != nil {
		k.t.Fatal(err)
	}
	s.Watcher = w
	k.t.Cleanup(func() { _ = w.Close() })
	return s
}

func (s *spectator) next() Event {
	s.k.t.Helper()
	select {
	case e := <-s.events:
		return e
	case <-time.After(20 * time.Second):
		s.k.t.Fatal("no event")
		return Event{}
	}
}

// want compares the next events, but for who made them and how sets are
// declared.
func (s *spectator) want(want ...Event) {
	s.k.t.Helper()
	for _, w := range want {
		got := s.next()
		ignore := cmpopts.IgnoreFields(Event{}, "By", "PID", "Set")
		about := cmp.Comparer(func(a, b time.Duration) bool { return (a - b).Abs() < 10*time.Second })
		if diff := cmp.Diff(w, got, ignore, about, cmp.Comparer(func(a, b set.Key) bool { return a == b })); diff != "" {
			s.k.t.Errorf("%s: %s", got.Kind, diff)
		}
	}
}

// marker changes another set, by nft(8), and waits for the event: whatever
// happened before has been delivered by then.
func (s *spectator) marker(n int) {
	s.k.t.Helper()
	s.k.Nft(fmt.Sprintf("add element inet filter web6 { 2001:db8::%x }", n))
	s.want(Event{Kind: ElementNew, ID: web6, Element: Element{Key: key6(n)}})
}

func hour(kind EventKind, n int) Event {
	e := Event{Kind: kind, ID: web4, Element: Element{Key: key4(n)}}
	if kind == ElementNew {
		e.Element.Timeout, e.Element.Expires = time.Hour, time.Hour
	}
	return e
}

// wantGone expects an ElementGone as far as it matters: the kernel also tells the
// life that was left.
func (s *spectator) wantGone(n int) {
	s.k.t.Helper()
	if e := s.next(); e.Kind != ElementGone || e.ID != web4 || e.Element.Key != key4(n) {
		s.k.t.Errorf("got %+v", e)
	}
}

func TestWatchElements(t *testing.T) {
	k := newKernel(t)
	k.Nft(declared)
	w := k.watch()
	k.Nft("add element inet filter web4 { 198.18.0.1 timeout 1h }")
	e := w.next()
	if e.Kind != ElementNew || e.ID != web4 || e.Element.Key != key4(1) || e.Element.Timeout != time.Hour ||
		time.Hour-e.Element.Expires > time.Minute {
		t.Errorf("got %+v", e)
	}
	if e.By != "nft" || e.PID <= 0 {
		t.Errorf("by %q, %d", e.By, e.PID)
	}
	k.Nft("add element inet filter web4 { 198.18.0.2 }\ndelete element inet filter web4 { 198.18.0.1 }")
	w.want(Event{Kind: ElementNew, ID: web4, Element: Element{Key: key4(2)}})
	w.wantGone(1)
	k.Nft("flush set inet filter web4")
	w.wantGone(2)
	k.Nft("add element inet filter web6 { 2001:db8::1 timeout 1h expires 10m }")
	w.want(Event{Kind: ElementNew, ID: web6, Element: Element{Key: key6(1), Timeout: time.Hour, Expires: 10 * time.Minute}})
}

// The kernel leaves out a timeout that is the set's default.
func TestWatchElementWithDefaultTimeout(t *testing.T) {
	k := newKernel(t)
	k.Nft("table inet filter {\n set web4 { type ipv4_addr; flags timeout; timeout 1h; }\n}")
	w := k.watch()
	k.Nft("add element inet filter web4 { 198.18.0.1 }")
	w.want(hour(ElementNew, 1))
}

func TestWatchSets(t *testing.T) {
	k := newKernel(t)
	w := k.watch()
	k.Nft("table inet filter {\n set web4 { type ipv4_addr; flags timeout; size 7; elements = { 198.18.0.1 timeout 1h }; }\n}")
	e := w.next()
	if e.Kind != SetNew || e.ID != web4 || e.Set.ID != web4 || e.Set.Size != 7 || e.Set.Usable() != nil {
		t.Errorf("got %+v", e)
	}
	w.want(hour(ElementNew, 1))

	// Declared with another size, which kernels before 6.3 don't give it.
	k.Nft("table inet filter {\n set web4 { type ipv4_addr; flags timeout; size 8; }\n}")
	w.want(Event{Kind: SetNew, ID: web4})
	if s, err := k.reader().Set(web4); err != nil || s.Size != 8 && atLeast(t, 6, 3) {
		t.Errorf("%+v, %v", s, err)
	}

	// Deleted and declared again at once.
	k.Nft("delete set inet filter web4\ntable inet filter {\n set web4 { type ipv4_addr; flags timeout; elements = { 198.18.0.2 timeout 1h }; }\n}")
	w.want(Event{Kind: SetGone, ID: web4}, Event{Kind: SetNew, ID: web4}, hour(ElementNew, 2))

	k.Nft("delete table inet filter")
	w.want(Event{Kind: SetGone, ID: web4}, Event{Kind: TableGone, ID: set.ID{Family: set.Inet, Table: "filter"}})

	k.Nft("table inet filter {\n set web4 { type ipv4_addr; flags timeout; }\n}")
	w.want(Event{Kind: SetNew, ID: web4})
	k.Nft("flush ruleset")
	w.want(Event{Kind: SetGone, ID: web4}, Event{Kind: TableGone, ID: set.ID{Family: set.Inet, Table: "filter"}})
}

// A reload as the documentation recommends it keeps sets and elements, and says
// no more than that the sets are declared.
func TestWatchReload(t *testing.T) {
	k := newKernel(t)
	ruleset := "table inet filter\nflush table inet filter\n" + declared
	k.Nft(ruleset)
	k.Nft("add element inet filter web4 { 198.18.0.1 timeout 1h }")
	w := k.watch()
	k.Nft(ruleset)
	k.Nft("add element inet filter web4 { 198.18.0.2 timeout 1h }")
	for e := w.next(); e.Kind != ElementNew; e = w.next() {
		if e.Kind != SetNew {
			t.Errorf("got %+v", e)
		}
	}
	k.wantKeys(web4, "198.18.0.1", "198.18.0.2")
}

func TestWatchIgnoresItsOwn(t *testing.T) {
	k := newKernel(t)
	k.Nft(declared)
	own, other, third := k.writer(), k.writer(), k.writer()
	w := k.watch(own.Portid())
	k.commit(own, add(1, time.Hour), add(2, time.Hour), del(2))
	w.marker(1)
	k.commit(other, add(3, time.Hour))
	w.want(hour(ElementNew, 3))
	k.commit(own, add(4, time.Hour))

	if err := w.Ignore(other.Portid(), third.Portid()); err != nil {
		t.Fatal(err)
	}
	k.commit(other, add(5, time.Hour))
	w.marker(2)
	k.commit(own, add(6, time.Hour))
	w.want(hour(ElementNew, 6))
}

// The events of a transaction are told together, whoever's commits come between.
func TestWatchNamesTheOriginator(t *testing.T) {
	k := newKernel(t)
	k.Nft(declared)
	other := k.writer()
	w := k.watch()
	name, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	for n := range 10 {
		k.commit(other, add(n, time.Hour))
		if e := w.next(); e.By != strings.TrimSpace(string(name)) || e.PID <= 0 {
			t.Errorf("by %q, %d, want %q", e.By, e.PID, name)
		}
		k.Nft(fmt.Sprintf("delete element inet filter web4 { 198.18.0.%d }", n))
		if e := w.next(); e.By != "nft" || e.Kind != ElementGone {
			t.Errorf("%+v, want nft's", e)
		}
	}
}

func TestWatchHugeTransaction(t *testing.T) {
	k := newKernel(t)
	k.Nft(declared)
	w := k.writer()
	k.fill(w, 2*eventMax)
	s := k.watch(w.Portid())
	k.Nft("flush set inet filter web4")
	if e := s.next(); e.Kind != SetChanged || e.ID != web4 || e.By != "nft" {
		t.Errorf("got %+v", e)
	}
	s.marker(1)
}

func TestWatchOverrun(t *testing.T) {
	k := newKernel(t)
	k.Nft(declared)
	w := k.writer()
	blocked, release := make(chan Event), make(chan struct{})
	events := make(chan Event, 1000)
	first := true
	watcher, err := Watch(k.options(), nil, func(e Event) {
		if first {
			first = false
			blocked <- e
			<-release
		}
		events <- e
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = watcher.Close() })
	if err := watcher.sock.conn.SetReadBuffer(20000); err != nil {
		t.Fatal(err)
	}
	s := &spectator{Watcher: watcher, k: k, events: events}

	k.commit(w, add(1, time.Hour))
	<-blocked
	for n := range 200 {
		k.commit(w, add(2+n, time.Hour))
	}
	close(release)
	s.want(hour(ElementNew, 1), Event{Kind: Overrun})
	s.marker(7) // and no event of before
}

func TestWatchEnds(t *testing.T) {
	k := newKernel(t)
	w := k.watch()
	if err := w.sock.close(); err != nil { // as if the kernel did it
		t.Fatal(err)
	}
	if e := w.next(); e.Kind != Ended || e.Err == nil {
		t.Errorf("got %+v", e)
	}
	_ = w.Close()
}

func TestWatchCloses(t *testing.T) {
	defer goleak.VerifyNone(t)
	k := newKernel(t)
	k.Nft(declared)
	w := k.watch()
	k.Nft("add element inet filter web4 { 198.18.0.1 timeout 1h }")
	w.want(hour(ElementNew, 1))
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	k.Nft("add element inet filter web4 { 198.18.0.2 timeout 1h }")
	select {
	case e := <-w.events:
		t.Errorf("got %+v", e)
	default:
	}
}

func TestWatchWithoutCapability(t *testing.T) {
	k := newKernel(t)
	err := k.Do(func() error {
		if err := dropNetAdmin(); err != nil {
			return err
		}
		if w, err := Watch(Options{}, nil, func(Event) {}); err == nil {
			_ = w.Close()
			t.Error("joined the group")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestEventKindNames(t *testing.T) {
	for k := SetNew; k <= Ended; k++ {
		if k.String() == "" {
			t.Errorf("kind %d has no name", k)
		}
	}
	for k, want := range map[Kind]string{Add: "add", Refresh: "refresh", Delete: "delete"} {
		if k.String() != want {
			t.Errorf("%d is %s", k, k)
		}
	}
}
