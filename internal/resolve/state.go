package resolve

import (
	"maps"
	"time"
)

// State is how it stands with a name.
type State uint8

// The states. Those before Kept need nobody's attention.
const (
	// Waiting: it has not been asked for yet.
	Waiting State = iota
	// Resolved: the last answers were good, and there are addresses.
	Resolved
	// Absent: the last answers were good, and say that there are no addresses.
	Absent
	// Kept: the last answer was no good, the addresses are those before it.
	Kept
	// Failing: the last answer was no good, and there is no address to keep.
	Failing

	states = 5
)

var stateNames = [states]string{"waiting", "resolved", "absent", "kept", "failing"}

// String is the state as a metric's label has it.
func (s State) String() string { return stateNames[s] }

// States are all the states.
func States() []State { return []State{Waiting, Resolved, Absent, Kept, Failing} }

// Transition is a name's way from one state to another.
type Transition struct {
	Key
	From, To State
	Why      string        // of Absent, Kept and Failing
	Left     time.Duration // of Kept: for how long the addresses are kept yet
}

// Stats count each rule's names by their states.
type Stats map[string][states]int

// Stats counts what there is now.
func (r *Resolver) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.stats)
}

// count changes the number of a rule's names in a state.
func (r *Resolver) count(rule string, s State, by int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.stats[rule]
	n[s] += by
	if n == [states]int{} {
		delete(r.stats, rule)
		return
	}
	r.stats[rule] = n
}

// note finds a name's state, and tells of it if it is another.
func (r *Resolver) note(e *entry, now time.Time) {
	t := e.judge(now)
	if t.To == e.state {
		return
	}
	r.count(e.Rule, e.state, -1)
	r.count(e.Rule, t.To, 1)
	e.state = t.To
	r.watch.Became(t)
}
