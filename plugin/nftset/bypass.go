package nftset

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/internal/rule"
)

// Bypass is a server block that answers names of a rule without having it: a
// rule acts in the blocks in which it stands, and CoreDNS gives a question to
// the block with the longest zone that holds it.
type Bypass struct {
	Rule     *rule.Rule
	Server   *Server
	Patterns []rule.Pattern // of Rule, that have such names
}

// String says what is wrong and what to do.
func (b Bypass) String() string {
	const most = 3 // a rule may have thousands
	names := words(b.Patterns[:min(most, len(b.Patterns))])
	if n := len(b.Patterns); n > most {
		names = append(names, fmt.Sprintf("and %d more", n-most))
	}
	return fmt.Sprintf("server block %s (%s) answers %s without rule %s: import the rule there too",
		b.Server, b.Server.Place, strings.Join(names, ", "), b.Rule.Name)
}

// String is how the block is headed.
func (s *Server) String() string { return strings.Join(words(s.Keys), " ") }

// Bypasses finds all the bypasses, by rule and in the order of the blocks.
func (f *Corefile) Bypasses() []Bypass {
	var out []Bypass
	sockets := f.sockets()
	for _, r := range f.Rules {
		missing := make(map[*Server][]rule.Pattern)
		for p := range patterns(r) {
			for s, zone := range sockets.answering(p) {
				if slices.Contains(s.Rules, r) || excepted(r, zone) {
					continue
				}
				if had := missing[s]; len(had) == 0 || had[len(had)-1] != p {
					missing[s] = append(had, p)
				}
			}
		}
		for _, s := range f.Servers {
			if len(missing[s]) > 0 {
				out = append(out, Bypass{Rule: r, Server: s, Patterns: missing[s]})
			}
		}
	}
	return out
}

// Unasked are the patterns of r of which no block that has r answers a name.
func (f *Corefile) Unasked(r *rule.Rule) []rule.Pattern {
	var out []rule.Pattern
	sockets := f.sockets()
	for p := range patterns(r) {
		asked := false
		for s := range sockets.answering(p) {
			asked = asked || slices.Contains(s.Rules, r)
		}
		if !asked {
			out = append(out, p)
		}
	}
	return out
}

// patterns yields what r matches, each pattern once, without those that are
// exceptions as well. There may be hundreds of thousands.
func patterns(r *rule.Rule) iter.Seq[rule.Pattern] {
	return func(yield func(rule.Pattern) bool) {
		seen := make(map[rule.Pattern]struct{})
		for _, p := range r.Except {
			seen[p] = struct{}{}
		}
		for _, n := range r.Names {
			for _, p := range n.Patterns {
				if _, ok := seen[p]; ok {
					continue
				}
				seen[p] = struct{}{}
				if !yield(p) {
					return
				}
			}
		}
	}
}

// sockets are the zones by what a listener is opened for.
type sockets map[socket]zones

type socket struct{ transport, port, bind string }

// zones are the blocks behind one socket. Several have the same zone if they
// have views.
type zones map[string][]*Server

func (f *Corefile) sockets() sockets {
	out := make(sockets)
	for _, s := range f.Servers {
		for at, k := range s.sockets() {
			if out[at] == nil {
				out[at] = make(zones)
			}
			out[at][k.Zone] = append(out[at][k.Zone], s)
		}
	}
	return out
}

// sockets yields what the block listens at, by its keys.
func (s *Server) sockets() iter.Seq2[socket, Key] {
	return func(yield func(socket, Key) bool) {
		binds := s.Bind
		if len(binds) == 0 {
			binds = []string{""}
		}
		for _, k := range s.Keys {
			for _, bind := range binds {
				if !yield(socket{k.Transport, k.Port, bind}, k) {
					return
				}
			}
		}
	}
}

// answering yields the blocks that answer a name of p, with the zone for which
// they do. A block may come several times.
func (o sockets) answering(p rule.Pattern) iter.Seq2[*Server, string] {
	return func(yield func(*Server, string) bool) {
		for _, zones := range o {
			for _, zone := range zones.answering(p) {
				for _, s := range zones[zone] {
					if !yield(s, zone) {
						return
					}
				}
			}
		}
	}
}

// answering returns the zones to which CoreDNS gives at least one name of p:
// the longest of those that hold all its names, and all that hold only some.
func (z zones) answering(p rule.Pattern) []string {
	base := baseOf(p)
	longest := ""
	var out []string
	for zone := range z {
		switch {
		case dns.IsSubDomain(zone, base):
			if len(zone) > len(longest) {
				longest = zone
			}
		case p.Meets(zone):
			out = append(out, zone)
		}
	}
	if longest != "" {
		out = append(out, longest)
	}
	return out
}

// baseOf is the longest name that all names of p have in common.
func baseOf(p rule.Pattern) string {
	name := p.String()
	if strings.Contains(name, "*") {
		_, name, _ = strings.Cut(name, ".")
	}
	return dns.Fqdn(name)
}

// excepted tells whether the rule takes no name of the zone.
func excepted(r *rule.Rule, zone string) bool {
	apex, below := false, false
	for _, p := range r.Except {
		base := baseOf(p)
		name, exact := p.Exact()
		every := p.String() == "*"
		switch {
		case exact:
			apex = apex || name == zone
		case !every && !strings.HasPrefix(p.String(), "*."): // takes out some labels only
		case !every && base == zone:
			below = true
		case dns.IsSubDomain(base, zone):
			return true
		}
	}
	return apex && below
}
