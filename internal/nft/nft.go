// Package nft is namewall's way to nf_tables, the kernel's packet filter: it
// tells what the declared sets are and hold, writes elements into them, and
// reports what others do to them.
//
// It promises that a change which it reports as done has been acknowledged by
// the kernel, that one bad element, one missing set or one full set costs no
// more than itself, and that a lost event is reported as lost. It keeps no
// state about elements and decides nothing: what is to be in a set, for how
// long, and what to do when it can't be, is the gate's.
//
// Tables, sets and rules are the administrator's. This package declares none,
// except for the scratch table with which it asks the kernel what it can do.
//
// The element path is an encoder of its own instead of google/nftables, which
// can't send an element's expiration and can't tell which element of a batch was
// refused. Sockets are mdlayher/netlink's.
//
// It works on Linux only; elsewhere every constructor returns
// [errors.ErrUnsupported].
package nft

import (
	"time"

	"github.com/namewall/namewall/internal/set"
)

// Options say where a Writer, Reader or Watcher is opened.
type Options struct {
	// NetNS is a file descriptor of the network namespace to work in. 0 means
	// the namespace of the calling thread.
	NetNS int

	// Features spares OpenWriter the probe: what an earlier Writer of the same
	// kernel found out. Readers and Watchers don't need it.
	Features *Features
}

// Features are what the running kernel can do, found by trying: distributions
// backport, so that a version number says little.
type Features struct {
	// Update tells that adding an element which is there changes its timeout
	// and expiration in place, and keeps its counters and comment (Linux 6.12).
	Update bool

	// Destroy tells that there is a deletion which does not mind the element's
	// absence (NFT_MSG_DESTROYSETELEM, 6.3; without a bug from 6.7 on).
	Destroy bool

	// Count tells that the kernel says how many elements a set has (6.16).
	Count bool
}

// Kind is what an Op does.
type Kind uint8

// What can be done to an element.
const (
	// Add puts in an element that is believed absent. If it turns out to be
	// there it is never shortened: one that lives at least as long, or for
	// ever, is left as it is (Op.Found), any other is refreshed. Finding it
	// there costs a refused batch, so that Refresh is for what may be there.
	Add Kind = iota

	// Refresh gives an element that is believed present a new life, longer or
	// shorter, and puts it in if it is absent. The kernel's look-ups see it
	// without interruption. Where Features.Update is missing the element is
	// replaced, which resets its counters, loses its comment, and may hide it
	// from a look-up that is under way: how seldom is in docs/kernels.md.
	Refresh

	// Delete takes an element out. It is no error if there is none, nor if
	// there is no such set.
	Delete
)

// String is the kind as log lines have it.
func (k Kind) String() string {
	switch k {
	case Add:
		return "add"
	case Refresh:
		return "refresh"
	default:
		return "delete"
	}
}

// Op is one change of one element.
type Op struct {
	Kind Kind
	Set  set.ID
	Key  set.Key // of the set's layout

	// Timeout is the life that an Add or Refresh gives, counted by the kernel
	// from the commit. It is rounded up to milliseconds and never less than a
	// second: the kernel takes 0 for no end at all.
	Timeout time.Duration

	// Err is set by Commit: nil if the kernel did what was asked. It is an
	// [*Error], or what Commit returned if that concerns the whole batch.
	Err error

	// Found is set by Commit, for an Add that succeeded without writing: the
	// element was there already and lives at least as long as asked.
	Found bool
}

// Set is a set as the kernel has it declared.
type Set struct {
	ID      set.ID
	KeyType string     // in nft's words, "ipv4_addr . inet_service"
	Layout  set.Layout // meaningful if Known
	Known   bool       // KeyType is one of our layouts

	Timeout  bool // elements may have timeouts
	Interval bool // of ranges and prefixes
	Dynamic  bool // rules may change it from the packet path
	Constant bool // can't be changed once a rule uses it
	Map      bool // elements carry data
	Merge    bool // nft(8) makes one element of those that overlap or touch (auto-merge)

	anonymous bool // part of a rule, without a name of its own

	Default time.Duration // timeout of elements that bring none; 0: they stay for ever
	Size    uint32        // how many elements fit in; 0: no limit
	Handle  uint64        // another one after the set was deleted and declared again

	// Count is the number of elements, with those that have expired and are not
	// yet collected. It is -1 where Features.Count is missing.
	Count int
}

// Element is one element of a set as the kernel has it.
type Element struct {
	Key set.Key

	// Timeout is the life that the element was given, 0 if it has no end.
	Timeout time.Duration

	// Expires is what was left of it when the kernel answered.
	Expires time.Duration

	// Counted tells that the set counts what its elements match; Packets and Bytes
	// are what it has counted since the element was added.
	Counted        bool
	Packets, Bytes uint64
}

// Permanent tells whether the element stays until somebody deletes it.
func (e Element) Permanent() bool { return e.Timeout == 0 }
