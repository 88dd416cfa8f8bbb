//go:build linux

package nft

import (
	"fmt"
	"iter"
	"slices"
	"testing"

	"github.com/namewall/namewall/internal/set"
	"golang.org/x/sys/unix"
)

func TestTransactionCollapses(t *testing.T) {
	type events = iter.Seq[Event]
	other := set.ID{Family: set.IP, Table: "t", Name: "s"}
	many := func(kind EventKind, id set.ID, n int) events {
		return func(yield func(Event) bool) {
			for i := range n {
				if !yield(Event{Kind: kind, ID: id, Element: Element{Key: key4(i)}}) {
					return
				}
			}
		}
	}
	sets := func(n int) events {
		return func(yield func(Event) bool) {
			for i := range n {
				if !yield(Event{Kind: SetNew, ID: set.ID{Table: "t", Name: fmt.Sprint("s", i)}}) {
					return
				}
			}
		}
	}
	one := func(kind EventKind, id set.ID) events { return many(kind, id, 1) }
	for _, test := range []struct {
		name     string
		in, want []events
	}{
		{"nothing", nil, nil},
		{"just fits", []events{many(ElementNew, web4, eventMax)}, []events{many(ElementNew, web4, eventMax)}},
		{"one too many", []events{many(ElementNew, web4, eventMax+1)}, []events{one(SetChanged, web4)}},
		{"many times too many", []events{many(ElementGone, web4, 5*eventMax)}, []events{one(SetChanged, web4)}},
		{"two sets", []events{many(ElementGone, web4, 3000), many(ElementNew, other, 3000)},
			[]events{one(SetChanged, web4), one(SetChanged, other)}},
		{"deleted in between", []events{many(ElementGone, web4, 3000), one(SetGone, web4), one(SetNew, web4), many(ElementNew, web4, 3000)},
			[]events{one(SetChanged, web4), one(SetGone, web4), one(SetNew, web4), one(SetChanged, web4)}},
		{"deleted after", []events{many(ElementGone, web4, 5000), one(SetGone, web4), one(SetNew, web4), many(ElementNew, web4, 2)},
			[]events{one(SetChanged, web4), one(SetGone, web4), one(SetNew, web4), one(SetChanged, web4)}},
		{"sets at the limit", []events{sets(eventMax)}, []events{sets(eventMax)}},
		{"sets beyond it", []events{sets(eventMax + 1)}, []events{one(Overrun, set.ID{})}},
		{"sets beyond it, after elements", []events{many(ElementNew, web4, eventMax+1), sets(eventMax)}, []events{one(Overrun, set.ID{})}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var tr transaction
			for _, part := range test.in {
				for e := range part {
					tr.tell(e)
				}
			}
			var got, want []Event
			tr.flush(func(e Event) { got = append(got, e) })
			for _, part := range test.want {
				want = slices.AppendSeq(want, part)
			}
			if len(got) != len(want) {
				t.Fatalf("%d events, want %d", len(got), len(want))
			}
			for i := range got {
				if got[i].Kind != want[i].Kind || got[i].ID != want[i].ID {
					t.Fatalf("event %d is %+v, want %+v", i, got[i], want[i])
				}
			}
		})
	}
}

func TestTransactionForgetsTheLast(t *testing.T) {
	var tr transaction
	for range eventMax + 1 {
		tr.tell(hour(ElementNew, 1))
	}
	var got []Event
	deliver := func(e Event) { got = append(got, e) }
	tr.flush(deliver)
	tr.tell(hour(ElementNew, 2))
	tr.flush(deliver)
	if len(got) != 2 || got[0].Kind != SetChanged || got[1].Kind != ElementNew {
		t.Errorf("got %+v", got)
	}
	if cap(tr.events) > eventsKept {
		t.Errorf("keeps room for %d events", cap(tr.events))
	}
}

// What can't be read is reported as lost, in its place.
func TestMalformedEvents(t *testing.T) {
	for _, typ := range []uint16{
		unix.NFT_MSG_NEWSET, unix.NFT_MSG_DELSET, unix.NFT_MSG_DELTABLE, unix.NFT_MSG_NEWSETELEM, unix.NFT_MSG_DELSETELEM,
		msgDestroySet, msgDestroyTable, msgDestroySetElem,
	} {
		var e encoder
		e.begin(nfType(typ), 0, 0, set.Inet, 0)
		e.buf = append(e.buf, 200, 0, 1, 0)
		e.end()
		var broken encoder
		broken.begin(nfType(typ), 0, 0, set.Inet, 0)
		broken.buf = broken.buf[:headerLen]
		broken.end()
		for _, b := range [][]byte{e.buf, broken.buf} {
			m, _, ok := nextMessage(b)
			if !ok {
				t.Fatal("not a message")
			}
			var tr transaction
			if tr.add(m) || !tr.lost {
				t.Errorf("message %d: %+v", typ, tr)
			}
		}
	}
}
