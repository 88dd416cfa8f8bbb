package gate

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/namewall/namewall/internal/nft"
	"github.com/namewall/namewall/internal/set"
)

// kernelSet is one nftables set that rules feed. It outlives the set in the
// kernel: rulesets are reloaded, and what was promised is put back.
type kernelSet struct {
	id     set.ID
	number uint32

	state   atomic.Pointer[setState]
	changes *atomic.Int64 // of all sets' states
	used    atomic.Int64  // bindings
	// fullUntil is the moment until which newcomers are refused without a
	// try, because the kernel has just said that the set is full.
	fullUntil atomic.Int64
	deletedAt atomic.Int64 // the moment of the last deletion of an element
	stale     atomic.Bool  // to be read again
	lost      atomic.Bool  // and its elements, although the set may be the same
	// healed counts the elements that were put back since the log told of it,
	// and foreign is who last changed the set.
	healed   atomic.Int64
	revoked  atomic.Int64 // elements that were deleted since then
	foreign  atomic.Pointer[actor]
	lastHeal atomic.Pointer[Heal]
	// since when elements are missing that are promised, 0 if none are, and when the
	// last of them was written again.
	hurtAt, mendedAt atomic.Int64
	// forgotten: no rule feeds it any more.
	forgotten atomic.Bool
	owing     atomic.Bool // something that was to be put back was refused
	// trouble is the last refusal of an element, nil once a write has succeeded.
	trouble atomic.Pointer[trouble]

	mu        sync.Mutex // guards what follows; taken before a shard's
	listening bool       // the elements are being read
	heard     []news     // what has happened to them since

	// What follows belongs to the keeper.
	retryAt moment
	owingAt moment // when that is tried again
	reading uint32 // the epoch of the last reading; none is used twice
	provided

	ranges *ranges // of an interval set; nil: it isn't one
	// Guarded by Gate.mu:
	users int // active instances
}

// setKey names a set as a rule takes it: while one configuration follows another,
// the one may take for a set of addresses what the other takes for one of ranges.
type setKey struct {
	id       set.ID
	interval bool
}

func (ks *kernelSet) key() setKey { return setKey{ks.id, ks.ranges != nil} }

// setState is what an answer needs to know of a set. Values are immutable.
type setState struct {
	err    error // why it can't be fed; nil: ready
	layout set.Layout
	known  bool // layout is the set's, or was
	epoch  uint32
	since  moment // when it stopped being ready
	handle uint64
	size   uint32 // capacity, 0: none
	// changed is closed when another state takes this one's place.
	changed chan struct{}
}

// Why a set can't be fed, beside what nft says of it.
var (
	errUnread    = errors.New("not read yet")
	errLayout    = errors.New("the set's type differs from the Corefile's")
	errForgotten = errors.New("no rule feeds the set any more")
)

// become puts next in place of old, wakes who waited for a change, and returns
// the new state. If old is no longer the state, something has happened in
// between that next doesn't know of: nothing is done, and it returns nil.
func (ks *kernelSet) become(old *setState, next setState) *setState {
	next.changed = make(chan struct{})
	if !ks.state.CompareAndSwap(old, &next) {
		return nil
	}
	ks.changes.Add(1)
	if old != nil {
		close(old.changed)
	}
	return &next
}

// lose marks a set as not ready, and returns that state.
func (ks *kernelSet) lose(now moment, err error) *setState {
	for {
		old := ks.state.Load()
		if st := ks.become(old, old.lost(now, err)); st != nil {
			return st
		}
	}
}

// lost is the state of a set that can't be fed any more. It keeps what was known
// of it, and since when it hasn't been ready.
func (st *setState) lost(now moment, err error) setState {
	next := *st
	next.err = err
	if st.err == nil {
		next.since = now
	}
	return next
}

// slot is the place of a key of this set, when the set has this layout.
func (ks *kernelSet) slot(key set.Key, layout set.Layout) slot {
	return slot{set: ks.number, layout: layout, key: key}
}

// full tells whether newcomers are refused for now.
func (ks *kernelSet) full(now moment) bool { return int64(now) < ks.fullUntil.Load() }

// vanished tells whether err means that the set is not there.
func vanished(err error) bool { return errors.Is(err, nft.ErrNoSet) }

// actor is a process that changed a set.
type actor struct {
	name string // as the kernel has it, "" if unknown
	pid  int
}

// changedBy says who changed the set last.
func (ks *kernelSet) changedBy() string {
	if who := ks.foreign.Load(); who != nil {
		return fmt.Sprintf("last changed by %s (pid %d)", who.name, who.pid)
	}
	return "changed by an unknown process"
}

// heardMax bounds the news that are kept while a set is read.
const heardMax = 10_000

// listen begins to keep news for the time in which the set is read.
func (ks *kernelSet) listen() {
	ks.mu.Lock()
	defer ks.mu.Unlock()
	ks.lost.Store(false)
	ks.listening, ks.heard = true, nil
}

// disturb has a set's elements read again. Until then nothing is known of them.
func (ks *kernelSet) disturb(now moment) {
	ks.lost.Store(true)
	ks.stale.Store(true)
	ks.lose(now, errUnread)
}
