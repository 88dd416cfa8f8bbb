package gate

import (
	"fmt"
	"net/netip"

	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

// Fate is what has become of one address of an answer.
type Fate uint8

// The fates, in the groups that decide what the client gets
// (docs/architecture.md).
const (
	// Unjudged: no rule has said anything.
	Unjudged Fate = iota

	// Promised: every set of every rule that admits the address holds it for
	// long enough.
	Promised
	// Passed: a rule leaves the address in the answer without admitting it.
	Passed

	// Special: no remote service has such an address.
	Special
	// Own: the gateway's own address, or one of a directly connected network.
	Own
	// NoFamily: no set of the matching rules is of this family.
	NoFamily
	// Limit: the name has as many addresses, or the client as many pairs, as
	// it may have.
	Limit
	// Unvalidated: the rule wants an answer that the upstream has validated.
	Unvalidated

	// NotReady: a set is missing or of another layout, or nftables can't be
	// reached.
	NotReady
	// Full: the set has no room for newcomers.
	Full
	// Budget: namewall's own memory for bindings or names is used up.
	Budget
	// Failed: the kernel refused the element.
	Failed
	// Late: the kernel has not acknowledged the write within `wait`.
	Late
	// Busy: too many answers are waiting already.
	Busy
)

var fateNames = [...]string{
	"unjudged", "promised", "passed", "special", "own", "no_family", "limit", "unvalidated",
	"not_ready", "full", "budget", "failed", "late", "busy",
}

// String is the fate as a metric's label has it.
func (f Fate) String() string { return fateNames[f] }

// Given tells whether the address may be given to the client.
func (f Fate) Given() bool { return f == Promised || f == Passed }

// Filtered tells whether the address is left out for what it is, and not
// because something is wrong: asking again won't help.
func (f Fate) Filtered() bool { return f >= Special && f <= Unvalidated }

// Cause is why an address was not promised.
type Cause struct {
	Fate Fate
	Rule *rule.Rule
	Addr netip.Addr
	Set  set.ID // zero if it is about no set
	Err  error
}

// String is the cause in an administrator's words, short enough for an Extended
// DNS Error's EXTRA-TEXT.
func (c Cause) String() string {
	text := ""
	if c.Rule != nil {
		text = "rule " + c.Rule.Name + ": "
	}
	switch c.Fate {
	case Special:
		return text + "special-purpose address " + c.Addr.String() + " refused"
	case Own:
		return text + "the gateway's own network's address " + c.Addr.String() + " refused"
	case NoFamily:
		return text + "no set of this address family"
	case Limit:
		return text + fmt.Sprintf("limit of %d addresses of a name, or of the client's pairs, reached", c.Rule.Limit)
	case Unvalidated:
		return text + "answer not validated by DNSSEC"
	case Full:
		return text + fmt.Sprintf("set %s is full", c.Set)
	case Budget:
		return text + "budget of names or bindings used up"
	case Late:
		return text + fmt.Sprintf("set %s not written in time", c.Set)
	case Busy:
		return text + "too many answers are waiting"
	case Failed:
		return text + c.Err.Error() // names the set
	}
	return text + fmt.Sprintf("set %s: %v", c.Set, c.Err)
}
