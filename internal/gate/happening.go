package gate

import (
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/namewall/namewall/internal/set"
)

// Happening is something that an administrator may want to see as it happens.
type Happening struct {
	At   time.Time
	Kind Happened

	// Admitted, Extended, Gone: the element, and for how long it was promised
	// before.
	Entry  Entry
	Before time.Duration
	// Dismissed: it was revoked by an administrator, UID, and not by the configuration.
	Dismissed bool

	// Refused: the address, and who asked for which name.
	Cause  Cause
	Name   string
	Client netip.Addr
	Feed   bool // the client got it all the same

	// Healed: the set, how many elements, for how long they were missing, and who had
	// changed the set.
	Set     set.ID
	Count   int
	Took    time.Duration
	Process string
	PID     int

	// ByHand: what somebody did, and who.
	Did string
	UID uint32 // of Gone too, if Dismissed

	// Held: for how long an answer waited.
	Held time.Duration

	// Dropped: what the firewall has dropped. It has Name and Client too.
	Drop Drop
}

// Drop is a packet that the firewall has dropped, and why, as far as is known.
type Drop struct {
	Rule    string // that had to do with it
	Addr    netip.Addr
	Service string // in words
	Cause   string // likewise
	Text    string // likewise
	Inbound bool   // it came from Addr
}

// Happened is the kind of a happening.
type Happened uint8

// What happens.
const (
	Admitted Happened = iota // an element was written that wasn't there
	Extended                 // an element was given a longer life
	Gone                     // a binding has been revoked
	Refused                  // an address was not promised
	Healed                   // elements were put back
	HeldLong                 // an answer was held for longer than heldLong
	ByHand                   // an administrator has changed something
	Dropped                  // the firewall has dropped a packet
)

// heldLong is how long an answer may be held without anybody wanting to know:
// clients begin to notice.
const heldLong = 100 * time.Millisecond

// stage is where happenings are told. Without listeners nothing is made of them.
type stage struct {
	listeners atomic.Pointer[[]*Listener] // nil: none
	mu        sync.Mutex                  // guards changes of listeners
}

// Listener is who wants to know of happenings.
type Listener struct {
	c    chan Happening
	lost atomic.Uint64
}

// C delivers what happens.
func (l *Listener) C() <-chan Happening { return l.c }

// Lost is how many happenings found no room in the channel so far.
func (l *Listener) Lost() uint64 { return l.lost.Load() }

// Listen has happenings told, of which so many may wait; more are lost and
// counted, so that nobody is ever waited for. leave ends it.
func (g *Gate) Listen(room int) (l *Listener, leave func()) {
	l = &Listener{c: make(chan Happening, room)}
	g.stage.change(func(all []*Listener) []*Listener { return append(all, l) })
	return l, func() {
		g.stage.change(func(all []*Listener) []*Listener {
			return slices.DeleteFunc(all, func(other *Listener) bool { return other == l })
		})
	}
}

func (s *stage) change(f func([]*Listener) []*Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*Listener
	if old := s.listeners.Load(); old != nil {
		all = slices.Clone(*old)
	}
	if all = f(all); len(all) == 0 {
		s.listeners.Store(nil)
		return
	}
	s.listeners.Store(&all)
}

// watched tells that a happening is worth making.
func (s *stage) watched() bool { return s.listeners.Load() != nil }

// tell tells all listeners.
func (s *stage) tell(h Happening) {
	all := s.listeners.Load()
	if all == nil {
		return
	}
	h.At = time.Now()
	for _, l := range *all {
		select {
		case l.c <- h:
		default:
			l.lost.Add(1)
		}
	}
}

// tellOf tells what has become of a binding, whose shard is locked.
func (g *Gate) tellOf(kind Happened, b *binding, before moment) {
	if g.stage.watched() {
		now := g.now()
		h := Happening{Kind: kind, Entry: b.entry(now), Before: max(0, before-now)}
		if kind == Gone && b.dismissed != nil {
			h.Dismissed, h.UID = true, b.dismissed.UID
		}
		g.stage.tell(h)
	}
}

// tellOfAnswer tells what was refused of an answer, and that it was held for long.
func (g *Gate) tellOfAnswer(q *Question) {
	if !g.stage.watched() {
		return
	}
	for i, fate := range q.Fates {
		if fate.Given() {
			continue
		}
		h := Happening{Kind: Refused, Name: q.Name, Client: q.Client, Feed: !q.Enforced, Cause: Cause{Fate: fate}}
		for _, c := range q.Causes {
			if c.Fate == fate {
				h.Cause = c
			}
		}
		h.Cause.Addr = q.Walk.Addrs[i].Addr
		g.stage.tell(h)
	}
	if q.Held > heldLong {
		g.stage.tell(Happening{Kind: HeldLong, Name: q.Name, Client: q.Client, Held: q.Held})
	}
}

// tellOfHeal tells that elements of a set were put back.
func (g *Gate) tellOfHeal(ks *kernelSet, h *Heal) {
	told := Happening{Kind: Healed, Set: ks.id, Count: h.Elements, Took: h.Took}
	told.Process, told.PID = h.By()
	g.stage.tell(told)
}

// TellByHand tells that a user has changed something, in words.
func (g *Gate) TellByHand(uid uint32, did string) {
	g.stage.tell(Happening{Kind: ByHand, Did: did, UID: uid})
}

// TellDropped tells that the firewall has dropped a packet of a client's, or for it,
// and for which name; make is asked for what to tell only if somebody listens.
func (g *Gate) TellDropped(make func() (client netip.Addr, name string, d Drop)) {
	if g.stage.watched() {
		client, name, d := make()
		g.stage.tell(Happening{Kind: Dropped, Client: client, Name: name, Drop: d})
	}
}
