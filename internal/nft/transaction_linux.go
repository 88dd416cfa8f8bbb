package nft

import (
	"github.com/namewall/namewall/internal/set"
	"golang.org/x/sys/unix"
)

// transaction collects the events of a transaction until the kernel says who
// made it, which it does last (nf_tables_gen_notify).
type transaction struct {
	events  []Event
	changed map[set.ID]struct{} // sets whose elements are no longer told one by one; nil as long as all are
	lost    bool                // more than can be told at all
	last    set.ID              // of the last element, most probably the next one's
	by      string
	pid     int
}

// add takes in one message and tells whether it was the last.
func (t *transaction) add(m message) (complete bool) {
	switch m.typ {
	case nfType(unix.NFT_MSG_NEWSET):
		if s, err := decodeSet(m); err == nil {
			t.tell(Event{Kind: SetNew, ID: s.ID, Set: s})
		} else {
			t.lost = true
		}
	case nfType(unix.NFT_MSG_DELSET), nfType(msgDestroySet):
		if s, err := decodeSet(m); err == nil {
			t.tell(Event{Kind: SetGone, ID: s.ID})
		} else {
			t.lost = true
		}
	case nfType(unix.NFT_MSG_DELTABLE), nfType(msgDestroyTable):
		if id, err := decodeTable(m); err == nil {
			t.tell(Event{Kind: TableGone, ID: id})
		} else {
			t.lost = true
		}
	case nfType(unix.NFT_MSG_NEWSETELEM):
		t.addElements(ElementNew, m)
	case nfType(unix.NFT_MSG_DELSETELEM), nfType(msgDestroySetElem):
		t.addElements(ElementGone, m)
	case nfType(unix.NFT_MSG_NEWGEN):
		t.by, t.pid = decodeGeneration(m)
		return true
	}
	return false
}

func (t *transaction) addElements(kind EventKind, m message) {
	list, err := decodeElements(m)
	if err != nil {
		t.lost = true
		return
	}
	t.last = list.id(t.last)
	if _, told := t.changed[t.last]; told {
		return
	}
	for {
		el, ok, err := list.next(0)
		if err != nil {
			t.lost = true
			return
		}
		if !ok {
			return
		}
		t.tell(Event{Kind: kind, ID: t.last, Element: el})
	}
}

// tell adds an event, in the shortest form if there are too many.
func (t *transaction) tell(e Event) {
	if len(t.events) >= eventMax {
		t.collapse()
	}
	if t.lost {
		return
	}
	switch {
	case t.changed == nil:
	case e.Kind == SetGone:
		delete(t.changed, e.ID) // elements of a set declared anew are news
	case e.Kind == ElementNew || e.Kind == ElementGone:
		if _, told := t.changed[e.ID]; told {
			return
		}
		t.changed[e.ID] = struct{}{}
		e = Event{Kind: SetChanged, ID: e.ID}
	}
	t.events = append(t.events, e)
}

// collapse puts one SetChanged in the place of all elements of a set. If sets
// and tables alone are too many, nothing is told but that.
func (t *transaction) collapse() {
	if t.changed != nil {
		t.lost = true
		return
	}
	t.changed = make(map[set.ID]struct{})
	events := t.events
	t.events = t.events[:0]
	for _, e := range events {
		t.tell(e)
	}
	if len(t.events) >= eventMax {
		t.lost = true
	}
}

// flush delivers what was collected.
func (t *transaction) flush(deliver func(Event)) {
	if t.lost {
		t.events = append(t.events[:0], Event{Kind: Overrun})
	}
	for _, e := range t.events {
		e.By, e.PID = t.by, t.pid
		deliver(e)
	}
	t.reset()
}

func (t *transaction) reset() {
	*t = transaction{events: t.events[:0], last: t.last}
	if cap(t.events) > eventsKept {
		t.events = nil
	}
}
