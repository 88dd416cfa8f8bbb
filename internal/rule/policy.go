package rule

import (
	"fmt"
	"net/netip"
)

// Verdict is what becomes of an address in an answer.
type Verdict uint8

// Admit puts the address into the sets, Pass leaves it in the answer without
// that, and the others take it out of the answer.
const (
	Admit         Verdict = iota
	Pass                  // the configuration says that it does not cross the firewall
	RefuseSpecial         // no remote service has such an address
	RefuseOwn             // the gateway's own, or of a network connected to it
)

// String is the verdict as a metric's label.
func (v Verdict) String() string {
	switch v {
	case Admit:
		return "admit"
	case Pass:
		return "pass"
	case RefuseSpecial:
		return "special"
	case RefuseOwn:
		return "own"
	}
	return "unknown"
}

// Refused tells that the address may not stay in an enforced answer.
func (v Verdict) Refused() bool { return v >= RefuseSpecial }

// Lines are the allow and pass lines of one block.
type Lines struct {
	Allow, Pass []netip.Prefix
}

// Own tells which addresses belong to the gateway: those that it has, and those
// of the networks directly connected to it.
type Own interface {
	Contains(netip.Addr) bool
}

// Site is what the policy must know of the place where it is applied.
type Site struct {
	Own   Own            // nil: nothing
	DNS64 []netip.Prefix // from which the site synthesises AAAA records (RFC 6147 §5.2)
}

// Policy decides which addresses a rule may admit. It never changes. The zero
// Policy has no lines.
type Policy struct {
	rule, node table
}

// NewPolicy makes the policy of a rule from its own lines and those of the
// node's block. It is an error if a block both allows and passes one prefix.
func NewPolicy(rule, node Lines) (Policy, error) {
	var p Policy
	var err error
	if p.rule, err = rule.table(); err != nil {
		return Policy{}, err
	}
	if p.node, err = node.table(); err != nil {
		return Policy{}, err
	}
	return p, nil
}

func (l Lines) table() (table, error) {
	var entries []entry
	allowed := make(map[netip.Prefix]bool, len(l.Allow))
	for _, p := range l.Allow {
		allowed[p.Masked()] = true
		entries = append(entries, entry{p, Admit})
	}
	for _, p := range l.Pass {
		if allowed[p.Masked()] {
			return table{}, fmt.Errorf("%v is in an allow line and in a pass line: it can be in one only", p.Masked())
		}
		entries = append(entries, entry{p, Pass})
	}
	return newTable(entries), nil
}

// Judge says what becomes of a.
//
// The longest prefix among the rule's own lines decides, or if none holds a,
// among the node's. If no line speaks about a, it is refused if no remote
// service can have it, or if it is the gateway's own.
//
// An IPv4 address inside an IPv6 one is judged as itself too, and the stricter
// verdict holds: refused before passed before admitted. Only a line at least as
// long as the prefix with which the IPv4 address is embedded speaks for both:
// "allow 64:ff9b::/96" does, "allow ::/0" does not.
//
// IPv4 addresses are given as such, not as IPv4-mapped ones. Nothing is
// allocated.
func (p *Policy) Judge(a netip.Addr, site Site) Verdict {
	if !a.IsValid() || a.Zone() != "" {
		return RefuseSpecial // no record has such an address
	}
	if a.Is4() {
		return p.plain(a, site, 0, false)
	}
	var in embedded
	in.read(a, site.DNS64)
	if c := p.spoken(a, in.bits); c.held {
		return c.verdict
	}
	v := p.plain(a, site, in.bits, in.site)
	if v.Refused() {
		return v
	}
	for _, inner := range in.addrs[:in.n] {
		v = max(v, p.plain(inner, site, 0, false))
	}
	return v
}

// plain judges a without what is inside. Lines shorter than bits don't count;
// translated is true for an address of the site's own DNS64, which is as good
// as what is inside.
func (p *Policy) plain(a netip.Addr, site Site, bits uint8, translated bool) Verdict {
	if c := p.spoken(a, bits); c.held {
		return c.verdict
	}
	if !translated {
		if v := special.find(a).verdict; v.Refused() {
			return v
		}
	}
	if site.Own != nil && site.Own.Contains(a) {
		return RefuseOwn
	}
	return Admit
}

// spoken is the line that decides about a; not held if there is none of at
// least bits.
func (p *Policy) spoken(a netip.Addr, bits uint8) cell {
	c := p.rule.find(a)
	if !c.held || c.bits < bits {
		c = p.node.find(a)
	}
	c.held = c.held && c.bits >= bits
	return c
}
