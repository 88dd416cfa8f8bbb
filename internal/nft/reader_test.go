//go:build linux

package nft

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/namewall/namewall/internal/set"
)

func TestSets(t *testing.T) {
	k := newKernel(t)
	k.Nft(`table inet filter {
		set plain { type ipv4_addr; flags timeout; }
		set full { type ipv6_addr . inet_proto . inet_service; flags timeout; timeout 90m; size 1000; counter; comment "x"; elements = { 2001:db8::1 . tcp . 443 }; }
		set typed { typeof ip saddr . ip daddr . meta l4proto . th dport; flags timeout; }
		set ranges { type ipv4_addr; flags interval; auto-merge; }
		set moving { type ipv4_addr; flags dynamic,timeout; size 100; }
		set fixed { type inet_service; flags constant; }
		set names { type ifname . mark; flags timeout; }
		map away { type ipv4_addr : verdict; flags timeout; }
		chain c { ip daddr { 192.0.2.1, 192.0.2.2 } accept; }
	}
	table ip6 other {
		set lasting { type ipv6_addr; }
	}`)
	id := func(name string) set.ID { return set.ID{Family: set.Inet, Table: "filter", Name: name} }
	want := []Set{
		{ID: id("plain"), KeyType: "ipv4_addr", Known: true, Timeout: true},
		{ID: id("full"), KeyType: "ipv6_addr . inet_proto . inet_service", Known: true, Layout: set.Layout{V6: true, Proto: true, Port: true},
			Timeout: true, Default: 90 * time.Minute, Size: 1000, Count: 1},
		{ID: id("typed"), KeyType: "ipv4_addr . ipv4_addr . inet_proto . inet_service", Known: true,
			Layout: set.Layout{Pair: true, Proto: true, Port: true}, Timeout: true},
		{ID: id("ranges"), KeyType: "ipv4_addr", Known: true, Interval: true, Merge: true},
		{ID: id("moving"), KeyType: "ipv4_addr", Known: true, Timeout: true, Dynamic: true, Size: 100},
		{ID: id("fixed"), KeyType: "inet_service", Constant: true},
		{ID: id("names"), KeyType: "ifname . mark", Timeout: true},
		{ID: id("away"), KeyType: "ipv4_addr", Known: true, Map: true, Timeout: true},
		{ID: set.ID{Family: set.IP6, Table: "other", Name: "lasting"}, KeyType: "ipv6_addr", Known: true, Layout: set.Layout{V6: true}},
	}
	r := k.reader()
	got, err := r.Sets()
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(want, func(a, b Set) int { return a.ID.Compare(b.ID) })
	slices.SortFunc(got, func(a, b Set) int { return a.ID.Compare(b.ID) })
	for i := range got {
		if got[i].Count < 0 && i < len(want) {
			want[i].Count = -1 // as before 6.16
		}
	}
	ignore := cmpopts.IgnoreFields(Set{}, "Handle", "anonymous")
	if diff := cmp.Diff(want, got, ignore); diff != "" {
		t.Error(diff)
	}
	usable := map[string]string{
		"ranges": "flags interval", "moving": "flags dynamic", "fixed": "inet_service", "names": "ifname . mark", "away": "map",
		"lasting": "flags timeout",
	}
	for _, s := range got {
		if s.Handle == 0 {
			t.Errorf("%s has no handle", s.ID)
		}
		alone, err := r.Set(s.ID)
		if err != nil || alone != s {
			t.Errorf("read alone, %s is %+v, %v", s.ID, alone, err)
		}
		err = s.Usable()
		if why := usable[s.ID.Name]; why == "" && err != nil ||
			why != "" && (!errors.Is(err, ErrUnusable) || !strings.Contains(err.Error(), why)) {
			t.Errorf("%s: %v", s.ID, err)
		}
	}
}

func TestUsableConstantSet(t *testing.T) {
	s := Set{ID: web4, KeyType: "ipv4_addr", Known: true, Timeout: true, Constant: true}
	if err := s.Usable(); !errors.Is(err, ErrUnusable) || !strings.Contains(err.Error(), "constant") {
		t.Errorf("got %v", err)
	}
}

func TestKeyTypes(t *testing.T) {
	for typ, want := range map[uint32]string{
		0:                "unknown",
		7:                "ipv4_addr",
		8<<12 | 780 | 13: "ipv6_addr . inet_proto . inet_service",
		41:               "ifname",
		63:               "type 63",
		7<<6 | 50:        "ipv4_addr . type 50",
	} {
		if got := keyTypeName(typ); got != want {
			t.Errorf("%d: %q, want %q", typ, got, want)
		}
	}
	if _, ok := layoutOf("ipv4_addr", 16); ok {
		t.Error("a key of another length is taken for the layout's")
	}
}

func TestElementsAndTheirLives(t *testing.T) {
	k := newKernel(t)
	k.Nft(`table inet filter {
		set web4 { type ipv4_addr; flags timeout; timeout 2h; }
		set web6 { type ipv6_addr; flags timeout; }
	}
	add element inet filter web4 { 198.18.0.1, 198.18.0.2 timeout 1h expires 10m comment "x", 198.18.0.3 timeout 2h expires 30m }
	add element inet filter web6 { 2001:db8::1, 2001:db8::2 timeout 1h }`)
	r := k.reader()
	read := func(id set.ID, absent set.Key) map[set.Key]Element {
		s, err := r.Set(id)
		if err != nil {
			t.Fatal(err)
		}
		elements := make(map[set.Key]Element)
		if err := r.Elements(s, func(e Element) error { elements[e.Key] = e; return nil }); err != nil {
			t.Fatal(err)
		}
		var keys []set.Key
		for key := range elements {
			keys = append(keys, key)
		}
		again, err := r.Get(s, append(keys, absent)...)
		if err != nil || len(again) != len(elements) {
			t.Errorf("%s: got %v, %v", id, again, err)
		}
		for _, e := range again {
			if known := elements[e.Key]; known.Timeout != e.Timeout || known.Expires-e.Expires > time.Minute {
				t.Errorf("%+v asked for alone is %+v", known, e)
			}
		}
		return elements
	}
	for key, want := range map[set.Key]Element{
		key4(1): {Timeout: 2 * time.Hour, Expires: 2 * time.Hour},
		key4(2): {Timeout: time.Hour, Expires: 10 * time.Minute},
		key4(3): {Timeout: 2 * time.Hour, Expires: 30 * time.Minute},
	} {
		e, ok := read(web4, key4(99))[key]
		if !ok || e.Timeout != want.Timeout || !near(int(e.Expires/time.Second), want.Expires) || e.Permanent() {
			t.Errorf("%+v, want %+v", e, want)
		}
	}
	six := read(web6, key6(99))
	if e, ok := six[key6(1)]; !ok || !e.Permanent() || e.Expires != 0 {
		t.Errorf("permanent element is %+v", e)
	}
	if e, ok := six[key6(2)]; !ok || e.Permanent() || e.Timeout != time.Hour {
		t.Errorf("element is %+v", e)
	}
}

func TestMissingSet(t *testing.T) {
	k := newKernel(t)
	k.Nft(declared)
	r := k.reader()
	s, err := r.Set(web4)
	if err != nil {
		t.Fatal(err)
	}
	k.Nft("delete table inet filter")
	if _, err := r.Set(web4); !errors.Is(err, ErrNoSet) {
		t.Errorf("set: %v", err)
	}
	if _, err := r.Get(s, key4(1)); !errors.Is(err, ErrNoSet) {
		t.Errorf("get: %v", err)
	}
	if err := r.Elements(s, nil); !errors.Is(err, ErrNoSet) {
		t.Errorf("elements: %v", err)
	}
	if sets, err := r.Sets(); err != nil || len(sets) != 0 {
		t.Errorf("sets: %v, %v", sets, err)
	}
	if err := r.Elements(Set{ID: web4, Interval: true}, nil); !errors.Is(err, ErrUnusable) {
		t.Errorf("elements of an interval set: %v", err)
	}
}

// fill puts n elements into web4.
func (k *kernel) fill(w *Writer, n int) {
	k.t.Helper()
	ops := make([]Op, 0, n)
	for i := range n {
		ops = append(ops, add(i, time.Hour))
	}
	k.commit(w, ops...)
}

// readings is how often a set is read whose table nothing happens to.
func readings(s Set) int {
	if s.Count < 0 {
		return 2
	}
	return 1
}

// settled waits until web4 with n elements is read as often as a set whose table
// is not being resized.
func (k *kernel) settled(r *Reader, n int) Set {
	k.t.Helper()
	s, err := r.Set(web4)
	if err != nil {
		k.t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		calls := 0
		if err := r.Elements(s, func(Element) error { calls++; return nil }); err != nil {
			k.t.Fatal(err)
		}
		if calls == readings(s)*n {
			return s
		}
	}
	k.t.Fatal("the set never comes to rest")
	return s
}

func TestElementsWhileOthersCommit(t *testing.T) {
	const elements = 3000 // a dump of several datagrams
	for _, test := range []struct {
		name    string
		commits int  // how many are made while the set is read
		same    bool // to the set itself, which never comes to rest then
		err     error
	}{
		{"never", 0, false, nil},
		{"once", 1, false, nil},
		{"in two readings", 8, false, nil},
		{"always", 1 << 30, false, nil},
		{"always, to the set itself", 1 << 30, true, ErrInterrupted},
	} {
		t.Run(test.name, func(t *testing.T) {
			k := newKernel(t)
			k.Nft(declared)
			w, r := k.writer(), k.reader()
			k.fill(w, elements)
			s := k.settled(r, elements)
			seen, calls := make(map[set.Key]bool), 0
			err := r.Elements(s, func(e Element) error {
				seen[e.Key] = true
				if calls++; calls%500 == 0 && calls/500 <= test.commits {
					op := Op{Kind: Refresh, Set: web6, Key: key6(1), Timeout: time.Hour}
					if test.same {
						op = Op{Kind: Add, Set: web4, Key: key4(elements + calls), Timeout: time.Hour}
					}
					k.commit(w, op)
				}
				return nil
			})
			if !errors.Is(err, test.err) {
				t.Errorf("got %v, want %v", err, test.err)
			}
			if err == nil && len(seen) != elements {
				t.Errorf("%d elements", len(seen))
			}
			if n := calls / elements; test.err != nil && n != dumpTries {
				t.Errorf("read %d times", n)
			}
		})
	}
}

// The table of a set that has just grown is being resized.
func TestElementsOfASetThatHasJustGrown(t *testing.T) {
	k := newKernel(t)
	w, r := k.writer(), k.reader()
	rounds := 10
	if testing.Short() {
		rounds = 2
	}
	for range rounds {
		k.Nft(declared)
		k.fill(w, 20000)
		s, err := r.Set(web4)
		if err != nil {
			t.Fatal(err)
		}
		seen := make(map[set.Key]bool)
		if err := r.Elements(s, func(e Element) error { seen[e.Key] = true; return nil }); err != nil || len(seen) != 20000 {
			t.Errorf("%d elements, %v", len(seen), err)
		}
		k.Nft("delete table inet filter")
	}
}

func TestSetVanishesWhileRead(t *testing.T) {
	k := newKernel(t)
	k.Nft(declared)
	r := k.reader()
	k.fill(k.writer(), 3000)
	s, err := r.Set(web4)
	if err != nil {
		t.Fatal(err)
	}
	gone := false
	err = r.Elements(s, func(Element) error {
		if !gone {
			gone = true
			_, err := k.Try("", "nft", "delete", "set", "inet", "filter", "web4")
			return err
		}
		return nil
	})
	if !errors.Is(err, ErrNoSet) {
		t.Errorf("got %v", err)
	}
	if _, err := r.Set(web6); err != nil {
		t.Errorf("the next request: %v", err)
	}
}

func TestElementsEndsWithItsCallersError(t *testing.T) {
	k := newKernel(t)
	k.Nft(declared)
	r := k.reader()
	k.fill(k.writer(), 3000)
	s := k.settled(r, 3000)
	enough := errors.New("enough")
	calls := 0
	if err := r.Elements(s, func(Element) error { calls++; return enough }); !errors.Is(err, enough) || calls != 1 {
		t.Errorf("got %v after %d calls", err, calls)
	}
	// Nothing is left over of it. How often the next one is read is the table's
	// matter, which may be resized late.
	seen := make(map[set.Key]bool)
	if err := r.Elements(s, func(e Element) error { seen[e.Key] = true; return nil }); err != nil || len(seen) != 3000 {
		t.Errorf("the next reading: %v, %d elements", err, len(seen))
	}
}

func TestReaderIsForSeveralGoroutines(t *testing.T) {
	k := newKernel(t)
	k.Nft(declared)
	r := k.reader()
	k.fill(k.writer(), 1000)
	rounds := 50
	if testing.Short() {
		rounds = 10
	}
	errs := make(chan error)
	for n := range 4 {
		go func() {
			for range rounds {
				s, err := r.Set(web4)
				if err == nil {
					var found []Element
					if found, err = r.Get(s, key4(n), key4(n+1)); err == nil && len(found) != 2 {
						err = fmt.Errorf("found %v", found)
					}
				}
				if err == nil {
					elements := make(map[set.Key]bool)
					err = r.Elements(s, func(e Element) error { elements[e.Key] = true; return nil })
					if err == nil && len(elements) != 1000 {
						err = fmt.Errorf("%d elements", len(elements))
					}
				}
				if err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range 4 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// Where a set counts, an element says what; whether it carries the counter alone
// or with others.
func TestCounters(t *testing.T) {
	k := newKernel(t)
	k.Nft(`table inet filter {
		set web4 { type ipv4_addr; flags timeout; counter; }
		set two4 { type ipv4_addr; flags timeout; counter; quota over 1 mbytes; }
		set none4 { type ipv4_addr; flags timeout; }
	}
	add element inet filter web4 { 198.18.0.1 counter packets 12 bytes 7120 timeout 1h }
	add element inet filter two4 { 198.18.0.1 timeout 1h }
	add element inet filter none4 { 198.18.0.1 timeout 1h }`)
	r := k.reader()
	for name, want := range map[string]Element{
		"web4": {Counted: true, Packets: 12, Bytes: 7120}, "two4": {Counted: true}, "none4": {},
	} {
		s, err := r.Set(set.ID{Family: set.Inet, Table: "filter", Name: name})
		if err != nil {
			t.Fatal(err)
		}
		found, err := r.Get(s, key4(1))
		if err != nil || len(found) != 1 {
			t.Fatalf("%s: %v, %v", name, found, err)
		}
		if e := found[0]; e.Counted != want.Counted || e.Packets != want.Packets || e.Bytes != want.Bytes || e.Timeout != time.Hour {
			t.Errorf("%s: %+v, want %+v", name, e, want)
		}
	}
}
