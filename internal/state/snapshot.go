package state

import (
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

// Snapshot is what the gate promises at one moment. All its durations are
// relative to that moment; the file has them in milliseconds, as the kernel has
// an element's timeout, and cuts off the rest.
type Snapshot struct {
	Taken    Instant
	Sets     []Set
	Rules    []Rule // those that reasons name
	Bindings []Binding

	// Intervals are the interval sets that ranges have been written into. Which these
	// are, the sets themselves tell.
	Intervals []Interval
}

// Interval is an interval set, with a rule that has written ranges into it.
type Interval struct {
	Set
	Rule string
}

// Rule is a rule as it was when it gave reasons.
type Rule struct {
	Name   string
	Revoke string // the Corefile's word for what becomes of its bindings without it
}

// Set is a set that bindings are in.
type Set struct {
	ID     set.ID
	Layout set.Layout
}

// Binding is the promise that a key is in a set.
type Binding struct {
	Set     int // index into Sets
	Key     set.Key
	Left    time.Duration // until the promise ends
	Revoked Revoked
	Reasons []Reason // at most MaxReasons
}

// Revoked tells whether an administrator has revoked a binding, whose element was
// still to be deleted. The numbers are those of the file.
type Revoked uint8

// What was to be done.
const (
	NotRevoked    Revoked = iota
	RevokedDelete         // the element was to be deleted
	RevokedKill           // and its connections were to be ended

	revocations
)

// Reason is why a binding exists.
type Reason struct {
	Rule, Name, Chain string
	Origin            rule.Origin
	Client            netip.Addr    // who asked last; invalid if nobody did
	First, Last       time.Duration // how long ago it was asked for, first and last
	Left              time.Duration // for how long this alone keeps the binding
}

// Loaded is a snapshot as of the moment at which it was loaded: of every life
// there is left what hasn't passed since the save, and what has expired is gone.
type Loaded struct {
	Snapshot

	Path    string    // of the generation
	Saved   time.Time // when it was taken, by the wall clock of then
	Passed  time.Duration
	By      Reckoning // how Passed is known
	Expired int       // bindings whose time was over

	// Problems tells of each generation that can't be used why, in a line that
	// names it, also when Load fails.
	Problems []error
}

// What a snapshot can hold. It is more than the gate's budgets, and what bounds
// the memory that a file can ask for.
const (
	MaxBindings = 1 << 20
	MaxReasons  = 16 // of one binding
)

// age takes away what has passed since the snapshot was taken, and with it the
// bindings and reasons whose time is over. It tells how many bindings that were.
func (s *Snapshot) age(passed time.Duration) (expired int) {
	before := len(s.Bindings)
	s.Bindings = slices.DeleteFunc(s.Bindings, func(b Binding) bool { return b.Left <= passed })
	for i := range s.Bindings {
		b := &s.Bindings[i]
		b.Left -= passed
		b.Reasons = slices.DeleteFunc(b.Reasons, func(r Reason) bool { return r.Left <= passed })
		for j := range b.Reasons {
			r := &b.Reasons[j]
			r.Left -= passed
			r.First, r.Last = later(r.First, passed), later(r.Last, passed)
		}
	}
	return before - len(s.Bindings)
}

// later is the sum, or the longest duration if that is shorter.
func later(ago, passed time.Duration) time.Duration {
	return ago + min(passed, math.MaxInt64-ago)
}
