package nft

import "github.com/namewall/namewall/internal/set"

// EventKind is what has happened.
type EventKind uint8

// What a Watcher reports.
const (
	// SetNew: the set has been declared, or its declaration changed. Set says
	// how it is now. Elements that were declared with it follow as ElementNew.
	SetNew EventKind = iota

	// SetGone: the set has been deleted, and its elements with it. There are no
	// ElementGone for them.
	SetGone

	// TableGone: the table has been deleted. SetGone for each of its sets came
	// before. ID.Name is empty.
	TableGone

	// ElementNew: the element has been added, or given another life.
	ElementNew

	// ElementGone: the element has been deleted. The kernel reports no
	// expirations.
	ElementGone

	// SetChanged: more elements of the set than are worth to be told one by one
	// have been added or deleted in one transaction: read it again.
	SetChanged

	// Overrun: events were lost, nothing is known about any set. Events that
	// follow are of after the loss.
	Overrun

	// Ended: the watcher has failed with Err and delivers nothing more. Close
	// it and open another.
	Ended
)

var eventKinds = [...]string{
	"set declared", "set deleted", "table deleted", "element added",
	"element deleted", "set changed", "events lost", "watcher ended",
}

// String is the kind as log lines have it.
func (k EventKind) String() string { return eventKinds[k] }

// Event is one change that another process made.
type Event struct {
	Kind    EventKind
	ID      set.ID  // empty for Overrun and Ended
	Set     Set     // for SetNew
	Element Element // for ElementNew; for ElementGone its Key only

	// By and PID tell whose transaction it was: the name of the task as the
	// kernel has it, at most 15 bytes, and its process id in the initial
	// namespace. Empty and 0 where unknown.
	By  string
	PID int

	Err error // for Ended
}
