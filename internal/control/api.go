package control

import (
	"slices"
	"time"
)

// Status is what GET /v1/status tells.
type Status struct {
	Version string    `json:"version"`
	Started time.Time `json:"started"`
	Ready   bool      `json:"ready"`
	// Problems are those that no rule and no set has. Not all of them make it not
	// ready.
	Problems []string `json:"problems,omitempty"`
	Rules    []Rule   `json:"rules"`
	Sets     []Set    `json:"sets"`
	Held     int      `json:"held_answers"`    // that wait for the kernel now
	Queued   int      `json:"queued_elements"` // that wait to be written
	Budgets  []Budget `json:"budgets"`
	Commits  int64    `json:"commits"`
}

// Rule is one rule of the active configuration.
type Rule struct {
	Name     string   `json:"name"`
	Mode     string   `json:"mode"`             // of the Corefile
	Braked   bool     `json:"braked,omitempty"` // it only feeds, by hand
	Sets     []string `json:"sets"`
	Problems []string `json:"problems,omitempty"` // why it is not ready
	Static   int      `json:"static,omitempty"`   // addresses and prefixes that are written out
	ByHand   int      `json:"by_hand,omitempty"`  // elements that an administrator has it hold
	// Resolve has the number of names under `resolve` by their state, as the
	// metric resolve_names has it.
	Resolve map[string]int `json:"resolve,omitempty"`
}

// Set is one set that rules feed, "inet filter web4".
type Set struct {
	Set      string `json:"set"`
	Type     string `json:"type,omitempty"`
	Ready    bool   `json:"ready"`
	Elements int    `json:"elements"`
	Size     int    `json:"size,omitempty"` // 0: none declared
	Healed   *Heal  `json:"last_heal,omitempty"`
}

// Heal is when promised elements were last put back.
type Heal struct {
	At       time.Time `json:"at"`
	Elements int       `json:"elements"`
	Took     float64   `json:"took_seconds"`      // for how long they were missing
	Process  string    `json:"process,omitempty"` // who had changed the set, if that is known
	PID      int       `json:"pid,omitempty"`
}

// Budget is one bound on what the process holds.
type Budget struct {
	Name  string `json:"name"`
	Used  int    `json:"used"`
	Limit int    `json:"limit"`
}

// Elements is what GET /v1/elements tells, in the order of sets and keys. Its
// parameters are set, address, rule, name and limit.
type Elements struct {
	Elements []Element `json:"elements"`
	More     bool      `json:"more,omitempty"` // there are more than the limit
}

// Element is one element of a set.
type Element struct {
	Set     string `json:"set"`
	Client  string `json:"client,omitempty"` // of a pair
	Address string `json:"address"`
	Service string `json:"service,omitempty"` // "tcp/443", or a port alone

	Promised  *time.Time `json:"promised_until,omitempty"` // null: nobody was promised it
	Held      *time.Time `json:"held_until,omitempty"`     // by the kernel; null: it isn't there, or is permanent
	Permanent bool       `json:"permanent,omitempty"`
	Packets   *uint64    `json:"packets,omitempty"` // why: that the set has counted since the element was written
	Bytes     *uint64    `json:"bytes,omitempty"`
	Own       bool       `json:"own"`              // written by namewall, and not made longer by others since
	Ending    bool       `json:"ending,omitempty"` // it is being revoked
	Reasons   []Reason   `json:"reasons,omitempty"`
}

// Reason is why an element is there.
type Reason struct {
	Rule   string    `json:"rule"`
	Origin string    `json:"origin"`          // "name", "static" or "hand"
	UID    *uint32   `json:"uid,omitempty"`   // of origin hand: the administrator's
	Name   string    `json:"name,omitempty"`  // of origin name; empty: more names than are kept
	Chain  []string  `json:"chain,omitempty"` // from the name to the address's owner
	Client string    `json:"client,omitempty"`
	First  time.Time `json:"first_asked"`
	Last   time.Time `json:"last_asked"`
	Until  time.Time `json:"until"`         // for how long it alone keeps the element
	TTL    int       `json:"ttl,omitempty"` // of the last answer, in seconds, at most the rule's longest; 0: not known
}

// Top is what GET /v1/top tells: who had the most answers under rules of late. Its
// parameters are limit and by.
type Top struct {
	Since       time.Time `json:"since"`
	Seconds     float64   `json:"seconds"` // from then until now
	Answers     uint64    `json:"answers"`
	NotCounted  uint64    `json:"not_counted"` // since the start of the process, as others were being counted
	Refused     uint64    `json:"refused"`     // of which something was refused
	Held        uint64    `json:"held"`        // that waited for the kernel
	HeldSeconds float64   `json:"held_seconds"`
	LongestHeld float64   `json:"longest_held_seconds"`
	Names       []Busy    `json:"names"`
	Rules       []Busy    `json:"rules"`
	Clients     []Busy    `json:"clients"`
}

// Busy is one name, rule or client.
type Busy struct {
	Name    string  `json:"name"`
	Answers uint64  `json:"answers"`        // not less than there were
	Over    uint64  `json:"over,omitempty"` // and too many by so many at most
	Refused uint64  `json:"refused,omitempty"`
	Held    float64 `json:"held_seconds,omitempty"`
	Longest float64 `json:"longest_held_seconds,omitempty"`
}

// Mode is the body of POST /v1/mode: whether a rule, or all of them if it names none,
// is held to feeding, or let enforce again as the Corefile has it.
type Mode struct {
	Mode string `json:"mode"` // "feed" or "enforce"
	Rule string `json:"rule,omitempty"`
}

// Revoke is the body of POST /v1/revoke: which elements are to end.
type Revoke struct {
	Address string `json:"address,omitempty"` // or
	Name    string `json:"name,omitempty"`
	Rule    string `json:"rule,omitempty"` // only what this rule wants; empty: whatever it is there for
	Kill    bool   `json:"kill,omitempty"` // end the connections too
}

// Revoked is the answer to that, when the kernel has done it.
type Revoked struct {
	Done        string         `json:"done"` // in words
	Elements    []Changed      `json:"elements"`
	More        bool           `json:"more,omitempty"`              // there are more than are listed
	Outcomes    map[string]int `json:"outcomes,omitempty"`          // of all of them, how many each
	Connections int            `json:"connections,omitempty"`       // that were ended
	GoOn        bool           `json:"connections_go_on,omitempty"` // some that were to end could not be ended
	Notes       []string       `json:"notes,omitempty"`             // what else has to be known
}

// AllClosed tells that something was revoked, and all of it is closed, with the
// connections that were to end.
func (r *Revoked) AllClosed() bool {
	return r.Outcomes[OutcomeClosed] > 0 && len(r.Outcomes) == 1 && !r.GoOn
}

// Hold is the body of POST /v1/hold: what a rule's sets are to hold for a time.
type Hold struct {
	Rule      string   `json:"rule"`
	Addresses []string `json:"addresses"`
	For       string   `json:"for"`                // "2h", as the Corefile has durations
	Services  []string `json:"services,omitempty"` // "tcp/443"; none: those of the rule's lines
	Client    string   `json:"client,omitempty"`   // for sets of pairs
}

// Held is the answer to that, when the kernel has the elements.
type Held struct {
	Done     string         `json:"done"` // in words
	Elements []Changed      `json:"elements"`
	Outcomes map[string]int `json:"outcomes"` // how many each
	Notes    []string       `json:"notes,omitempty"`
}

// AllHeld tells that all that was wanted is held.
func (h *Held) AllHeld() bool { return h.Outcomes[OutcomeHeld] > 0 && len(h.Outcomes) == 1 }

// Changed is an element that somebody wanted to be changed.
type Changed struct {
	// Element as it is now; of one that was to be revoked, as it was before; of one
	// that was kept, with the reasons that keep it.
	Element
	Outcome string `json:"outcome"` // one of the Outcome constants
	Text    string `json:"text,omitempty"`
}

// Outcomes of changes by hand.
const (
	OutcomeHeld     = "held"       // the kernel has it for as long as was wanted
	OutcomeClosed   = "closed"     // the kernel has deleted it
	OutcomeReopened = "reopened"   // an answer has admitted it again meanwhile
	OutcomeStatic   = "static"     // the Corefile has it, where it has to go
	OutcomeOther    = "other_rule" // another rule wants it
	OutcomeForeign  = "foreign"    // namewall hasn't written it as it is
	OutcomeRefused  = "refused"    // the kernel doesn't do it
	OutcomePending  = "pending"    // it is done as soon as its set can be written
)

// Done is the answer to what has been changed.
type Done struct {
	Done string `json:"done"` // in words
}

// Why is what GET /v1/why tells of an address or a name. Its parameters are
// address or name, and service and client.
type Why struct {
	Elements []Element `json:"elements"` // that let it through
	Findings []Finding `json:"findings"` // why there are none, or may be none soon
}

// Through tells that an element is there now.
func (w *Why) Through() bool {
	return slices.ContainsFunc(w.Elements, func(e Element) bool { return e.Permanent || e.Held != nil })
}

// Finding is something that explains a thing.
type Finding struct {
	Cause string     `json:"cause"` // one of the Cause constants, or a fate as metrics have it
	Text  string     `json:"text"`
	Rule  string     `json:"rule,omitempty"`
	At    *time.Time `json:"at,omitempty"` // when it was, if it is past
}

// Causes of findings.
const (
	CauseMatches      = "matches"       // the name falls under a rule
	CauseExcepted     = "excepted"      // a rule excepts the name
	CauseNoRule       = "no_rule"       // it falls under none
	CauseElsewhere    = "elsewhere"     // a server block without its rule answers it
	CauseNotReady     = "not_ready"     // a set of the rule can't be fed
	CauseOtherService = "other_service" // the rule opens other ports
	CauseOtherClient  = "other_client"  // it is open for another client
	CauseCrowded      = "crowded"       // it may be among more names than are kept of an element
	CauseMore         = "more"          // there are more elements than are listed
	CauseNeverAsked   = "never_asked"   // nobody was ever given it, as far as is remembered
	CauseExpired      = "expired"       // its time was over
	CauseRevoked      = "revoked"       // the configuration no longer gave it
	CauseByHand       = "by_hand"       // an administrator has revoked it
	CauseSetLost      = "set_lost"      // its set got another type
	CauseRefusable    = "refusable"     // a rule's policy would refuse the address
	CauseTold         = "told"          // a client was given the address for a name
	CauseDropped      = "dropped"       // the firewall has dropped packets
)

// Causes of drops, beside CauseNoRule, CauseOtherService, CauseExpired, CauseRevoked,
// CauseSetLost, CauseNeverAsked and the fates.
const (
	CauseInSet = "in_set" // the set has it: the ruleset drops it all the same
)

// Drops is what GET /v1/drops tells: what the firewall has dropped in the last week,
// the latest first. Its parameters are since, client, name, address, cause and
// limit.
type Drops struct {
	Group   *uint16    `json:"group,omitempty"`            // the NFLOG group of the Corefile; null: none
	Problem string     `json:"problem,omitempty"`          // why it can't be read
	Since   *time.Time `json:"remembered_since,omitempty"` // from when on all that was asked for is known
	Packets uint64     `json:"packets"`                    // that this process has seen
	Lost    uint64     `json:"lost"`                       // that it hasn't, because they came too fast
	Drops   []Drop     `json:"drops"`
	More    bool       `json:"more,omitempty"` // there are more than the limit
}

// Drop is packets that were dropped for the same reason.
type Drop struct {
	Direction string   `json:"direction"`         // "out", or "in": the other end wanted something of the client
	Client    string   `json:"client"`            // the end inside; of an IPv6 one its /64, as hosts change their addresses
	Addresses []string `json:"addresses"`         // the end outside, of a name the last few, the latest first
	Service   string   `json:"service,omitempty"` // "tcp/443"; "icmp/8" with the type; "tcp": of too many ports to tell apart

	Name  string `json:"name,omitempty"` // "": never in DNS
	Rule  string `json:"rule,omitempty"` // that had to do with it
	Cause string `json:"cause"`          // one of the Cause constants, or a fate as metrics have it
	Text  string `json:"text"`           // name and cause in words
	// Covered is a rule that by now opens the service of the name, "": none does.
	Covered string `json:"covered,omitempty"`

	Count uint64    `json:"count"`
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`

	// Of the last packet:
	From    string     `json:"from"`               // the end inside, its very address
	Asked   *time.Time `json:"asked,omitempty"`    // when the name was last asked for before
	AskedBy string     `json:"asked_by,omitempty"` // by whom, if by another client
	Ended   *time.Time `json:"ended,omitempty"`    // when the address had been taken out of the set
}

// Directions of drops.
const (
	DirectionOut = "out"
	DirectionIn  = "in"
)

// Event is one line of GET /v1/events, which goes on until one side ends it, and
// of the grant log.
type Event struct {
	At   time.Time `json:"at"`
	Kind string    `json:"kind"` // one of the Event constants

	Rule   string   `json:"rule,omitempty"`
	Name   string   `json:"name,omitempty"`
	Origin string   `json:"origin,omitempty"` // if it isn't a name: as a reason's
	Chain  []string `json:"chain,omitempty"`  // from the name to the address's owner
	Client string   `json:"client,omitempty"`

	Set     string     `json:"set,omitempty"`
	Address string     `json:"address,omitempty"`
	Service string     `json:"service,omitempty"`
	Until   *time.Time `json:"until,omitempty"` // admitted, extended: the end of the promise

	Cause   string  `json:"cause,omitempty"` // refused: as metrics have it
	Text    string  `json:"text,omitempty"`  // refused, by hand: in words
	Feed    bool    `json:"feed,omitempty"`  // refused, and given to the client all the same
	Count   int     `json:"count,omitempty"` // healed: elements; lost: events
	Process string  `json:"process,omitempty"`
	PID     int     `json:"pid,omitempty"`
	Took    float64 `json:"took_seconds,omitempty"` // healed: for how long they were missing
	Held    float64 `json:"held_seconds,omitempty"`
	UID     *uint32 `json:"uid,omitempty"` // by hand, and what was held or revoked by hand: whose

	Direction string `json:"direction,omitempty"` // dropped: as of a Drop
}

// Kinds of events.
const (
	EventAdmitted = "admitted" // an element was promised that wasn't
	EventExtended = "extended" // it is promised for longer
	EventRevoked  = "revoked"  // it was deleted, because the configuration no longer gives it or an administrator has said so
	EventRefused  = "refused"  // an address was not promised
	EventHealed   = "healed"   // elements were put back that others had taken out
	EventHeld     = "held"     // an answer was held for longer than a client notices
	EventByHand   = "by hand"  // an administrator has changed something
	EventDropped  = "dropped"  // the firewall has dropped a packet
	EventLost     = "lost"     // so many events came faster than they were read, or wanted
)

// Problem is the body of every response that is no success.
type Problem struct {
	Error string `json:"error"`
}
