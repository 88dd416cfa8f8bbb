// Package gate keeps the promise: an address leaves in an answer only after
// the kernel holds it in every set that it belongs in, for long enough.
//
// It owns all state, for the whole process: which keys are promised until when
// and why (bindings), what the kernel holds, which names are followed
// (targets). It admits answers, holds them while a commit is under way, groups
// commits, adopts what it finds in a set, refills what others took out, and
// forgets what has expired.
//
// It leaves to others: what the administrator wrote (rule), how an answer looks
// (answer), netlink (nft, seen through the Kernel interface below), and what a
// client is told when an address is not promised (the plugin).
//
// # Locks
//
// Answers take a shard's mutex for a look-up and nothing else; no lock is held
// while an answer waits or a commit runs. Where two are taken the order is
// Gate.mu, kernelSet.mu, shard, then any other. What walks all bindings (expiry, heal)
// lets go of a shard every few dozen of them.
package gate

import (
	"context"
	"hash/maphash"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/namewall/namewall/internal/conntrack"
	"github.com/namewall/namewall/internal/nft"
	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

// moment is a time on the gate's own clock: since its start, monotonic, so that
// neither a stepped wall clock nor a leap moves a deadline.
type moment = time.Duration

// forever is when a permanent element expires.
const forever moment = math.MaxInt64

// Kernel is what the gate needs of nftables. *NFT is the real one.
type Kernel interface {
	// Open starts a session: everything that reads, writes and watches. events
	// is called from one goroutine, in the order in which the kernel tells.
	Open(events func(nft.Event)) (Session, error)
}

// Session is one open connection to the kernel. Commit is called from one
// goroutine, Set, Elements and Get by any, one after the other.
type Session interface {
	// Commit writes ops in one batch, acknowledged when it returns. An op that
	// the kernel refused has its Err set, and costs only itself. The returned
	// error tells that the batch failed as a whole, or the rest of it, whose ops
	// all have it: nothing of that was done, unless it is an nft.ErrBroken.
	Commit(ops []nft.Op) error
	// Set reads one set; nft.ErrNoSet if there is none.
	Set(id set.ID) (nft.Set, error)
	// Elements reads what a set holds.
	Elements(s nft.Set, yield func(nft.Element) error) error
	// Get reads those of a set's elements that are there; nft.ErrNoSet if the set
	// is not.
	Get(s nft.Set, keys ...set.Key) ([]nft.Element, error)
	// Ranges reads what an interval set holds.
	Ranges(s nft.Set) ([]nft.Range, error)
	// Swap takes ranges out of an interval set and puts others in, all or none. It
	// may be called beside Commit, by who reads.
	Swap(s nft.Set, remove, add []nft.Range) error
	// Kill ends the connections of flows and tells how many they were. It may be
	// called beside all others.
	Kill(flows []conntrack.Flow) (int, error)
	Close() error
}

// Gate is the process-wide state. Its methods are safe for concurrent use.
type Gate struct {
	kernel Kernel
	log    Logger
	watch  Observer
	base   time.Time
	seed   maphash.Seed

	shards  [shardCount]shard
	names   nameTable
	pairs   pairTable
	hands   handTable
	targets targetTable
	queue   queue
	doomed  doomed
	past    past
	stage   stage
	brake   brake
	timers  sync.Pool // of *time.Timer, stopped, for answers that are held

	bindings atomic.Int64 // in all shards
	held     atomic.Int64 // answers that wait
	commits  atomic.Int64 // so far
	sending  atomic.Int64 // the moment since when a commit is under way; 0: none is
	released atomic.Bool  // a set has left the configuration
	promised atomic.Bool  // something was, by an answer, since Promised was called
	changes  atomic.Int64 // of sets' states, so far
	version  atomic.Int64 // of the list of instances; Gate.mu is held when one is added

	session atomic.Pointer[link] // nil: none can be used
	kick    chan struct{}        // wakes the keeper; one place is enough
	asks    chan chan struct{}   // callers of Settle, for the keeper
	closing chan struct{}
	done    sync.WaitGroup

	mu        sync.Mutex // guards what follows
	sets      map[setKey]*kernelSet
	nextSet   uint32
	instances []*Instance // active, oldest first
	retired   []*retirement
}

// Options are what a gate is made of. Kernel is required.
type Options struct {
	Kernel   Kernel
	Log      Logger
	Observer Observer
}

// New starts a gate. It opens the kernel in the background: a kernel that can't
// be opened makes rules not ready and is tried again.
func New(o Options) *Gate {
	g := &Gate{
		kernel:  o.Kernel,
		log:     o.Log,
		watch:   o.Observer,
		base:    time.Now().Add(-crossing), // so that 0 is before everything
		seed:    maphash.MakeSeed(),
		kick:    make(chan struct{}, 1),
		asks:    make(chan chan struct{}),
		closing: make(chan struct{}),
		sets:    make(map[setKey]*kernelSet),
	}
	if g.log == nil {
		g.log = silent{}
	}
	if g.watch == nil {
		g.watch = blind{}
	}
	for i := range g.shards {
		g.shards[i].wheel.far = make(map[int64]*binding)
	}
	g.pairs.init()
	g.hands.init()
	g.targets.init()
	g.queue.init()
	g.done.Go(g.write)
	g.done.Go(g.keep)
	return g
}

// Close ends the gate's goroutines and its kernel session. The sets stay as
// they are. Answers that are held are let go as not promised.
func (g *Gate) Close() {
	close(g.closing)
	g.queue.close()
	g.done.Wait()
}

// Settle waits until the sets of all active configurations have been read, as
// far as they can be, and what was to be put back is written; or until ctx is
// done.
func (g *Gate) Settle(ctx context.Context) {
	done := make(chan struct{})
	select {
	case g.asks <- done:
	case <-ctx.Done():
		return
	case <-g.closing:
		return
	}
	select {
	case <-done:
	case <-ctx.Done():
	case <-g.closing:
	}
}

func (g *Gate) now() moment { return time.Since(g.base) }

// Clock is the time on the gate's own clock, which nobody can step.
func (g *Gate) Clock() time.Duration { return g.now() }

// wake makes the keeper look at the sets soon.
func (g *Gate) wake() {
	select {
	case g.kick <- struct{}{}:
	default:
	}
}

// Logger takes what an administrator should know, once per change of state.
type Logger interface {
	Infof(format string, args ...any)
	Warningf(format string, args ...any)
	Errorf(format string, args ...any)
}

// Observer takes what becomes a metric. Its methods must not block.
type Observer interface {
	// Commit tells of one batch: how many elements, how long the kernel took.
	Commit(elements int, took time.Duration)
	// Held tells how long an answer waited for the kernel.
	Held(took time.Duration)
	// Refused tells of an element or a batch that the kernel refused.
	Refused(errno string)
	// Healed tells how many elements were put back that were promised and gone.
	Healed(elements int)
	// Foreign tells that another program, by the name of its process if that is
	// known, changed a set that a rule feeds.
	Foreign(process string)
	// Revoked tells how many elements were deleted that no rule gives any more, or
	// that an administrator has revoked.
	Revoked(elements int)
	// Killed tells how many connections were ended with them.
	Killed(connections int)
	// Lost tells that an audit found elements missing of which no event has told.
	Lost()
	// Overrun tells that kernel events were lost, and everything is read anew.
	Overrun()
}

type silent struct{}

func (silent) Infof(string, ...any)    {}
func (silent) Warningf(string, ...any) {}
func (silent) Errorf(string, ...any)   {}

type blind struct{}

func (blind) Commit(int, time.Duration) {}
func (blind) Held(time.Duration)        {}
func (blind) Refused(string)            {}
func (blind) Healed(int)                {}
func (blind) Foreign(string)            {}
func (blind) Revoked(int)               {}
func (blind) Killed(int)                {}
func (blind) Lost()                     {}
func (blind) Overrun()                  {}

// Budgets. Each has a gauge; reaching one refuses newcomers and breaks nothing
// that is admitted.
const (
	// maxBindings bounds memory: a binding with a reason takes a few hundred
	// bytes, so this is a few hundred megabytes. Sets that large are a
	// provider's, and the kernel's own `size` usually ends first.
	maxBindings = 1_000_000
	// maxHeld bounds the answers that wait. Each holds a message and a
	// goroutine, some 10 KiB: 16 000 of them are 160 MiB, and at a `wait` of 2 s
	// stand for 8 000 fresh names a second against a kernel that doesn't move.
	maxHeld = 16_000
	// maxPairs bounds the pairs of one client, so that one that asks for
	// everything can't fill a set that all share. A browser's busy day stays
	// far below.
	maxPairs = 4_096
	// maxNames bounds the names that reasons speak of, for which a wildcard
	// lets clients invent as many as they like. Past it bindings are refused.
	maxNames = 500_000
	// maxTargets bounds the followed links, likewise.
	maxTargets = 200_000
	// maxReasons bounds the reasons of one binding. On a CDN thousands of names
	// share an address; who is asked "why" is helped by the latest few.
	maxReasons = 8
)

// lives collects, for one rule, what an answer's TTL means.
type lives struct {
	needed  time.Duration // what must be left
	written time.Duration // what is written when a commit is due
	ttl     time.Duration
}

// unless is what is written, nothing if the key is covered.
func (l lives) unless(covered bool) time.Duration {
	if covered {
		return 0
	}
	return l.written
}

func livesOf(l rule.Lifetime, ttl time.Duration) lives {
	return lives{needed: l.Needed(ttl), written: l.Written(ttl), ttl: min(ttl, l.Max)}
}
