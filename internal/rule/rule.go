// Package rule holds what the administrator wrote: which names, into which
// sets, for whom, for how long, and which addresses may never be admitted.
//
// Everything here is immutable once a Corefile has been read, and pure: no
// kernel, no CoreDNS, no clock. Reading Corefile tokens is left to the plugin;
// what a single word means (a pattern, a prefix) is decided here.
package rule

import (
	"net/netip"
	"time"

	"github.com/namewall/namewall/internal/set"
)

// Rule is one named nftset block.
type Rule struct {
	Name string

	Sets    []Set // at least one
	Names   []Names
	Statics []Static // at least one of these or of Names
	Except  []Pattern

	Mode     Mode
	Lifetime Lifetime
	Wait     time.Duration // how long an answer is held for the kernel
	Policy   Policy
	Clients  []netip.Prefix // the rule matches only these; empty: all
	Limit    int            // addresses a name

	FollowTargets bool // targets of matched answers count as the name
	MatchChain    bool // patterns are matched with every name of the chain
	Validated     bool // only answers that the upstream has validated teach the rule

	Revoke Revoke // what becomes of what the rule has promised when it goes

	Stale    time.Duration // for how long resolved addresses are kept while DNS fails
	OnChange []string      // a command and its arguments, run when they change; empty: none

	// Index is the rule's place in its configuration, dense from 0. Whoever
	// assembles the configuration sets it.
	Index int
}

// Set is one `set` line.
type Set struct {
	ID     set.ID
	Layout set.Layout
	Known  bool // the line had a TYPE; otherwise Layout is the kernel's to tell
	// Interval: the set has ranges. It takes nothing but what is written out, and is
	// Known.
	Interval bool
}

// Names is one `name`, `names` or `resolve` line: patterns, and the services that
// they open. Without services it opens whole addresses.
type Names struct {
	Patterns []Pattern // at least one, but for a file's
	Services []set.Service
	File     string // the absolute path of the file that has the patterns, "" if the line has
	Resolved bool   // the patterns are names that are also kept resolved
}

// String says which names these are, for messages.
func (n Names) String() string {
	switch {
	case n.File != "":
		return "names " + n.File
	case n.Resolved:
		return "resolve " + n.Patterns[0].String()
	}
	return "name " + n.Patterns[0].String()
}

// Mode tells whether a rule may change answers.
type Mode uint8

// Enforce holds, trims and fails answers; Feed only writes the sets before the
// answer leaves.
const (
	Enforce Mode = iota
	Feed
)

// String is the mode as the Corefile writes it.
func (m Mode) String() string {
	if m == Feed {
		return "feed"
	}
	return "enforce"
}

// Defaults of a rule.
const (
	DefaultMin   = time.Hour
	DefaultMax   = 24 * time.Hour
	DefaultGrace = time.Minute
	DefaultWait  = 2 * time.Second
	DefaultLimit = 1000
)

// Lifetime bounds how long an element lives.
type Lifetime struct {
	Min, Max, Grace time.Duration
}

// slackMin and slackPart make the life that is written longer than the one
// that is promised, so that the cache's slowly sinking TTLs don't each cause a
// commit.
const (
	slackMin  = 2 * time.Second
	slackPart = 8
)

// Cap is the TTL that a client may be given for an answer that came with ttl.
func (l Lifetime) Cap(ttl time.Duration) time.Duration {
	return min(ttl, l.Max)
}

// Needed is the life that must be left in an element for an answer with ttl to
// leave: the answer's time in caches, and the grace for who connects last.
func (l Lifetime) Needed(ttl time.Duration) time.Duration {
	return l.Cap(ttl) + l.Grace
}

// Written is the life given to an element when it is written for an answer
// with ttl. It is always longer than Needed.
func (l Lifetime) Written(ttl time.Duration) time.Duration {
	ttl = l.Cap(ttl)
	slack := max(slackMin, ttl/slackPart)
	return max(l.Min, ttl+slack) + l.Grace
}
