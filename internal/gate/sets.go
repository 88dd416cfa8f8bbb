package gate

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/namewall/namewall/internal/nft"
	"github.com/namewall/namewall/internal/set"
)

// kernelSet is one nftables set that rules feed. It outlives the set in the
// kernel: rulesets are reloaded, and what was promised is put back.
type kernelSet struct {
	id     set.ID
	number uint32

	state atomic.Pointer[setState]
	used  atomic.Int64 // bindings
	// fullUntil is the moment until which newcomers are refused without a
	// try, because the kernel has just said that the set is full.
	fullUntil atomic.Int64
	// news counts what others did to the set, so that a read of its elements
	// can tell whether it was disturbed.
	news  atomic.Uint64
	stale atomic.Bool // to be read again
	lost  atomic.Bool // and its elements, although the set may be the same
	// healed counts the elements that were put back since the log told of it,
	// and foreign is who last changed the set, with the process id, "" if that
	// isn't known.
	healed  atomic.Int64
	foreign atomic.Pointer[string]
	// forgotten: no rule feeds it any more.
	forgotten atomic.Bool
	// trouble is the last refusal of an element, nil once a write has succeeded.
	trouble atomic.Pointer[trouble]

	// What follows belongs to the keeper.
	retryAt moment
	// Guarded by Gate.mu:
	users int // active instances
}

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

// trouble is an error that the kernel has with single elements of a set, such as
// its being full.
type trouble struct {
	err error
	at  moment
}

// troubleFor is how long a refusal counts as the set's state when nothing has
// been written since.
const troubleFor = 30 * time.Second

// become puts a new state in place and wakes who waited for a change. Only the
// keeper and, for a set that vanished, the watcher call it; the newer wins.
func (ks *kernelSet) become(next setState) {
	next.changed = make(chan struct{})
	old := ks.state.Swap(&next)
	if old != nil {
		close(old.changed)
	}
}

// lose marks a set as not ready. It keeps what was known of it, and since when
// it hasn't been ready.
func (ks *kernelSet) lose(now moment, err error) {
	for {
		old := ks.state.Load()
		next := *old
		next.err = err
		next.changed = make(chan struct{})
		if old.err == nil {
			next.since = now
		}
		if ks.state.CompareAndSwap(old, &next) {
			close(old.changed)
			return
		}
	}
}

// slot is the place of a key of this set.
func (ks *kernelSet) slot(key set.Key) slot { return slot{key: key, set: ks.number} }

// full tells whether newcomers are refused for now.
func (ks *kernelSet) full(now moment) bool { return int64(now) < ks.fullUntil.Load() }

// vanished tells whether err means that the set is not there.
func vanished(err error) bool { return errors.Is(err, nft.ErrNoSet) }

// changedBy says who changed the set last.
func (ks *kernelSet) changedBy() string {
	if who := ks.foreign.Load(); who != nil {
		return "last changed by " + *who
	}
	return "changed by an unknown process"
}
