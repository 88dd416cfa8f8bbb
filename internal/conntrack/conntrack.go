// Package conntrack ends connections that the kernel is tracking: when an
// address leaves the sets, what was opened through them may have to end too.
//
// It promises that only connections of the flows that it is told end, each by
// its own identity; the table is never flushed, in whole or by a filter. It keeps
// no state. Which flows are to end, and that the ruleset lets them in no more by
// then, is the caller's: a packet that comes after the kill is judged by the
// rules as one of a new connection.
//
// It speaks to the kernel over mdlayher/netlink itself. ti-mo/conntrack has
// neither the kernel's filter for addresses nor a dump that isn't kept in memory
// as a whole, and it rebuilds the identity of an entry from what it has decoded:
// here the kernel gets its own bytes back, so that an entry of whatever protocol
// and zone is named exactly.
//
// It works on Linux only; elsewhere Open returns [errors.ErrUnsupported].
package conntrack

import (
	"errors"
	"net/netip"

	"github.com/namewall/namewall/internal/set"
)

// Flow is what connections have in common that are to end: those between Addr
// and Client about Service, whoever of the two opened them.
type Flow struct {
	Addr    netip.Addr
	Last    netip.Addr  // valid: Addr stands for all addresses from there to this one
	Client  netip.Addr  // zero: anybody
	Service set.Service // zero: any; with a port but no protocol: that port of each
}

// Causes that callers act upon, for [errors.Is].
var (
	// ErrUnavailable: the kernel tracks no connections, or can't tell of them.
	ErrUnavailable = errors.New("no connection tracking in this kernel: nf_conntrack_netlink is missing")

	// ErrInterrupted: the table changed under every reading, or connections came
	// as fast as they were ended.
	ErrInterrupted = errors.New("interrupted by changes of the connection table")
)
