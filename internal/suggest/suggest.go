// Package suggest makes rules of what the firewall has dropped, for an
// administrator to read and to take over.
//
// It promises that what it writes opens no more than names which clients asked for,
// and the ports that they wanted; that a wildcard stands only for three and more
// names next to one another which one owner has, as far as is known; and that it is
// a part of a Corefile that parses, whatever names clients have asked for.
package suggest

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/namewall/namewall/internal/control"
	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

// Suggestion is what is to be made of drops.
type Suggestion struct {
	Packets int        `json:"packets"` // of all drops that were looked at
	Clients int        `json:"clients"`
	First   *time.Time `json:"first,omitempty"`
	Last    *time.Time `json:"last,omitempty"`

	Lines   []Line    `json:"lines"`             // of a rule for clients that connect out
	Inbound []Line    `json:"inbound,omitempty"` // for names that connect in: rarely meant
	Notes   []Note    `json:"notes,omitempty"`   // what a new rule doesn't help
	Unnamed []Address `json:"unnamed,omitempty"` // that were never in DNS
	Covered int       `json:"covered,omitempty"` // packets that a rule by now lets through
}

// Extent is how much there was of something.
type Extent struct {
	Packets int `json:"packets"`
	Clients int `json:"clients"`

	who map[string]struct{}
}

// Line is one line of a rule: what it would open, and what speaks for it.
type Line struct {
	Pattern  string   `json:"pattern"`
	Services []string `json:"services"`
	Names    []string `json:"names"`           // that were asked for
	Front    string   `json:"front,omitempty"` // whose front the name is
	Extent
}

// Note is a name that falls under a rule, and is dropped all the same.
type Note struct {
	Name    string `json:"name,omitempty"`
	Rule    string `json:"rule,omitempty"`
	Service string `json:"service"`
	Cause   string `json:"cause"`
	Advice  string `json:"advice"`
	Extent
}

// Address is an end outside that was in no answer.
type Address struct {
	Direction string   `json:"direction"`
	Address   string   `json:"address"`
	Services  []string `json:"services"`
	Guess     string   `json:"guess,omitempty"`
	Extent
}

func (e *Extent) add(d *control.Drop) {
	if e.who == nil {
		e.who = make(map[string]struct{})
	}
	e.who[d.Client] = struct{}{}
	e.Packets, e.Clients = e.Packets+int(d.Count), len(e.who)
}

func (e *Extent) join(other *Extent) {
	if e.who == nil {
		e.who = make(map[string]struct{})
	}
	for client := range other.who {
		e.who[client] = struct{}{}
	}
	e.Packets, e.Clients = e.Packets+other.Packets, len(e.who)
}

// more orders by what was dropped most.
func (e *Extent) more(other *Extent) int {
	return cmp.Or(cmp.Compare(other.Packets, e.Packets), cmp.Compare(other.Clients, e.Clients))
}

// wish is a name that clients wanted, with the services that they wanted of it.
type wish struct {
	name     string // as a pattern has it
	services []string
	Extent
}

// Of makes a suggestion of drops.
func Of(all []control.Drop) *Suggestion {
	s := &Suggestion{Lines: []Line{}}
	var extent Extent
	outbound, inbound := make(map[string]*wish), make(map[string]*wish)
	for i := range all {
		d := &all[i]
		extent.add(d)
		if s.First == nil || d.First.Before(*s.First) {
			s.First = &d.First
		}
		if s.Last == nil || d.Last.After(*s.Last) {
			s.Last = &d.Last
		}
		switch {
		case d.Covered != "":
			s.Covered += int(d.Count)
		case d.Cause == control.CauseNeverAsked:
			s.unnamed(d)
		case d.Cause != control.CauseNoRule:
			s.note(d, remedy(d))
		case d.Direction == control.DirectionIn:
			s.want(inbound, d)
		default:
			s.want(outbound, d)
		}
	}
	s.Packets, s.Clients = extent.Packets, extent.Clients
	s.Lines, s.Inbound = collapse(outbound), exact(inbound)
	slices.SortStableFunc(s.Notes, func(a, b Note) int { return a.more(&b.Extent) })
	slices.SortStableFunc(s.Unnamed, func(a, b Address) int { return a.more(&b.Extent) })
	return s
}

// want takes a drop of a name that no rule matches. What a rule can't have becomes
// a note.
func (s *Suggestion) want(wishes map[string]*wish, d *control.Drop) {
	// The name is whatever somebody has asked for: "*." is a name, too.
	p, err := rule.ParsePattern(d.Name)
	name, ok := p.Exact()
	if err != nil || !ok {
		s.note(d, "no rule can have this name")
		return
	}
	if _, err := set.ParseService(d.Service); err != nil {
		s.note(d, "no rule can have this service: it takes a line in the ruleset, with the name's addresses in a set without ports")
		return
	}
	name = strings.TrimSuffix(name, ".")
	w := wishes[name]
	if w == nil {
		w = &wish{name: name}
		wishes[name] = w
	}
	w.add(d)
	if !slices.Contains(w.services, d.Service) {
		w.services = append(w.services, d.Service)
		slices.Sort(w.services)
	}
}

// note takes a drop that a new rule doesn't help.
func (s *Suggestion) note(d *control.Drop, advice string) {
	same := func(n Note) bool {
		return n.Name == d.Name && n.Rule == d.Rule && n.Service == d.Service && n.Cause == d.Cause
	}
	at := slices.IndexFunc(s.Notes, same)
	if at < 0 {
		at = len(s.Notes)
		s.Notes = append(s.Notes, Note{Name: d.Name, Rule: d.Rule, Service: d.Service, Cause: d.Cause, Advice: advice})
	}
	s.Notes[at].add(d)
}

// unnamed takes a drop of an address that was in no answer.
func (s *Suggestion) unnamed(d *control.Drop) {
	if len(d.Addresses) == 0 {
		return
	}
	addr := d.Addresses[0]
	at := slices.IndexFunc(s.Unnamed, func(a Address) bool { return a.Address == addr && a.Direction == d.Direction })
	if at < 0 {
		at = len(s.Unnamed)
		s.Unnamed = append(s.Unnamed, Address{Direction: d.Direction, Address: addr})
	}
	a := &s.Unnamed[at]
	a.add(d)
	if !slices.Contains(a.Services, d.Service) {
		a.Services = append(a.Services, d.Service)
		slices.Sort(a.Services)
	}
	a.Guess = guess(a)
}

// guess is what an address may be, by its services.
func guess(a *Address) string {
	if a.Direction == control.DirectionIn {
		return ""
	}
	for _, s := range a.Services {
		switch _, port, _ := strings.Cut(s, "/"); port {
		case "53":
			return "a resolver elsewhere"
		case "853":
			return "a resolver elsewhere, over TLS"
		}
	}
	if resolver, ok := resolvers[a.Address]; ok {
		return "DNS over HTTPS at " + resolver
	}
	return ""
}

// resolvers are addresses of well-known public resolvers, which answer DNS over
// HTTPS there (as their operators' pages say).
var resolvers = map[string]string{
	"1.1.1.1": "Cloudflare", "1.0.0.1": "Cloudflare", "2606:4700:4700::1111": "Cloudflare", "2606:4700:4700::1001": "Cloudflare",
	"8.8.8.8": "Google", "8.8.4.4": "Google", "2001:4860:4860::8888": "Google", "2001:4860:4860::8844": "Google",
	"9.9.9.9": "Quad9", "149.112.112.112": "Quad9", "2620:fe::fe": "Quad9", "2620:fe::9": "Quad9",
	"94.140.14.14": "AdGuard", "94.140.15.15": "AdGuard", "2a10:50c0::ad1:ff": "AdGuard", "2a10:50c0::ad2:ff": "AdGuard",
	"208.67.222.222": "OpenDNS", "208.67.220.220": "OpenDNS", "2620:119:35::35": "OpenDNS", "2620:119:53::53": "OpenDNS",
}

// remedy is what helps a name that falls under a rule.
func remedy(d *control.Drop) string {
	switch d.Cause {
	case control.CauseOtherService:
		return "add " + d.Service + " to its line in rule " + d.Rule
	case control.CauseExpired:
		return "its client uses the address for longer than it lives: put the name under 'resolve' in rule " + d.Rule + ", or give the rule a longer 'lifetime'"
	case control.CauseInSet:
		return "the set has it: look at the order of the ruleset, its ports and interfaces"
	case control.CauseRevoked:
		return "it has left the configuration"
	case control.CauseByHand:
		return "an administrator has revoked it: the next answer opens it again"
	case control.CauseSetLost:
		return "its set got another type, or no rule feeds it any more"
	case "special", "own":
		return "rule " + d.Rule + " refuses such addresses: if it is meant, 'allow' " + strings.Join(d.Addresses, " ") + ", or 'pass' it if it doesn't cross the firewall"
	case "passed":
		return "a 'pass' line leaves it in the answer although it crosses the firewall: 'allow' it instead"
	case "no_family":
		return "rule " + d.Rule + " has no set of this address family: give it one"
	}
	return "it was refused (" + d.Cause + "): see 'namewall why'"
}
