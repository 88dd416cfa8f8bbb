// Package resolve keeps names resolved: which name is to be asked for when, and
// for how long its addresses are kept if no answer comes.
//
// What it promises:
//
//   - A name is asked for at once, and again when the TTL of its last answer is
//     over; after an answer that is no good soon, and then less and less often.
//   - Its addresses are admitted with every good answer. If the next one fails
//     to come they are admitted again, before their life is over, for up to
//     `stale` after the last good answer (RFC 8767 does so in a cache).
//   - That a name has no address any more is believed once it has been heard
//     over the rule's MIN: a server that lost its zone says so, too.
//   - An address that an answer has no longer is not admitted again.
//   - However many the names are, a bounded number of questions is under way,
//     and of admissions. A name costs memory and a place in a heap, no goroutine.
//   - A change of the configuration takes over what is known of the names that
//     stay.
//
// It knows neither CoreDNS nor the kernel: who asks and who admits is its
// Backend.
package resolve

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/namewall/namewall/internal/answer"
	"github.com/namewall/namewall/internal/rule"
)

// Key is a name that a rule keeps resolved. Two rules with the same name know
// nothing of one another.
type Key struct {
	Rule string
	Name string // fully qualified, in lower case
}

// Name is what the configuration says of a name.
type Name struct {
	Key
	Lifetime rule.Lifetime
	Stale    time.Duration // for how long addresses are kept while no answer comes
	// Known are its addresses as somebody else knows them, an earlier process
	// or a rule that had the name without resolving it. They count if the
	// Resolver itself knows nothing.
	Known []Known
}

// Known is an address that a name had.
type Known struct {
	Addr netip.Addr
	Age  time.Duration // how long ago DNS last said so
	Left time.Duration // for how long it is promised yet
}

// Family is which addresses a question is for.
type Family uint8

// The families, in the order in which they are asked for.
const (
	IPv4 Family = iota
	IPv6
	families = 2
)

// familyOf is an address's.
func familyOf(a netip.Addr) Family {
	if a.Is4() {
		return IPv4
	}
	return IPv6
}

// Backend asks and admits. Its methods are called from many goroutines; those
// with a context return soon after it is done.
type Backend interface {
	// Wants tells whether the rule has a use for addresses of the family.
	Wants(k Key, f Family) bool
	// Ask asks for a name's addresses.
	Ask(ctx context.Context, k Key, f Family) Answer
	// Admit takes the addresses of an answer that came that long ago into the
	// rule's sets. An error says that it is to be tried again.
	Admit(ctx context.Context, k Key, w *answer.Walk, age time.Duration) error
}

// Answer is what became of a question. The zero Answer is one that failed.
type Answer struct {
	// Walk is what the answer says, nil if there is no address in it. It belongs
	// to the Resolver from then on.
	Walk *answer.Walk
	// Addrs are those of its addresses of which Changes tell.
	Addrs []netip.Addr
	// None tells, of an answer without addresses, that DNS says there are none.
	None bool
	// Why is, in a word or two, what there was in place of addresses.
	Why string
}

// Observer is told what happens. Its methods are called from one goroutine, and
// must not block.
type Observer interface {
	// Changed tells that DNS has announced other addresses for a name.
	Changed(Change)
	// Became tells that a name's state is another.
	Became(Transition)
}

// Change is a difference between the last two good answers for a name, those for
// IPv4 and IPv6 taken together. All addresses are in order.
type Change struct {
	Key
	Added, Removed []netip.Addr
	Now            []netip.Addr
}

// Resolver keeps names resolved. Its methods are safe for concurrent use.
type Resolver struct {
	watch Observer

	calls   chan func() // what is to be done by the goroutine that owns what follows below
	closing chan struct{}
	done    sync.WaitGroup
	first   chan struct{} // closed when the first names have been tried
	settle  func()        // closes first

	// Of run's goroutine:
	entries map[Key]*entry
	asks    agenda
	admits  agenda
	backend Backend
	ctx     context.Context // of the jobs for backend
	cancel  context.CancelFunc
	term    int // of the backend; the results of jobs of an earlier one don't count
	untried int // entries
	used    bool

	mu    sync.Mutex // guards stats
	stats Stats
}

// New starts a Resolver that has no names yet.
func New(o Observer) *Resolver {
	r := &Resolver{
		watch:   o,
		calls:   make(chan func()),
		closing: make(chan struct{}),
		first:   make(chan struct{}),
		entries: make(map[Key]*entry),
		cancel:  func() {},
		stats:   make(Stats),
	}
	r.settle = sync.OnceFunc(func() { close(r.first) })
	r.done.Go(r.run)
	return r
}

// Close ends the Resolver and its jobs.
func (r *Resolver) Close() {
	close(r.closing)
	r.done.Wait()
}

// FirstRound is closed when all names of the first Use have been tried once, or
// when that takes too long.
func (r *Resolver) FirstRound() <-chan struct{} { return r.first }

// post has f called by run's goroutine. It reports false if there is none any
// more.
func (r *Resolver) post(f func()) bool {
	select {
	case r.calls <- f:
		return true
	case <-r.closing:
		return false
	}
}

// await is post, and waits for f's end.
func (r *Resolver) await(f func()) {
	done := make(chan struct{})
	if r.post(func() { f(); close(done) }) {
		<-done
	}
}

// run owns the names. Whatever takes time is done by jobs.
func (r *Resolver) run() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	defer func() { r.cancel() }()
	for {
		timer.Reset(r.turn(time.Now()))
		select {
		case f := <-r.calls:
			f()
		case <-timer.C:
		case <-r.closing:
			return
		}
	}
}

// turn starts the jobs that are due, and returns how long it is until the next.
func (r *Resolver) turn(now time.Time) time.Duration {
	for e := r.asks.next(now); e != nil; e = r.asks.next(now) {
		r.ask(e)
	}
	for e := r.admits.next(now); e != nil; e = r.admits.next(now) {
		r.admit(e, now)
	}
	return min(r.asks.rest(now), r.admits.rest(now))
}

// reschedule makes the entry due for admission when its first record is.
func (r *Resolver) reschedule(e *entry) {
	if at := e.admitAt(); at.IsZero() {
		r.admits.remove(&e.admit)
	} else {
		r.admits.put(&e.admit, at)
	}
}

// try notes that a name has been through a whole round.
func (r *Resolver) try(e *entry) {
	if e.tried {
		return
	}
	e.tried = true
	if r.untried--; r.untried == 0 {
		r.settle()
	}
}
