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
	DNS64 []netip.Prefix // with which the site synthesises AAAA records (RFC 6147 §5.2), 32 to 96 bits in whole octets
}

// Policy decides which addresses a rule may admit. It never changes. The zero
// Policy has no lines.
type Policy struct {
	rule, node table[Verdict]
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

func (l Lines) table() (table[Verdict], error) {
	var entries []entry[Verdict]
	allowed := make(map[netip.Prefix]bool, len(l.Allow))
	for _, p := range l.Allow {
		allowed[p.Masked()] = true
		entries = append(entries, entry[Verdict]{p, Admit})
	}
	for _, p := range l.Pass {
		if allowed[p.Masked()] {
			return table[Verdict]{}, fmt.Errorf("%v is allowed and passed: take it out of one of the lines", p.Masked())
		}
		entries = append(entries, entry[Verdict]{p, Pass})
	}
	return newTable(entries), nil
}

// Judge says what becomes of a.
//
// Of the rule's own lines the longest prefix that holds a decides; if none
// does, of the node's. An address that no line speaks about is refused if no
// remote service can have it, or if it is the gateway's own.
//
// An IPv4 address inside an IPv6 one is judged as itself too, and the stricter
// verdict counts: to refuse before to pass before to admit. Only a line at least
// as long as the prefix behind which the IPv4 address is speaks for both:
// "allow 64:ff9b::/96" does, "allow ::/0" does not. An address that the site's
// own DNS64 makes is as remote as the one inside.
//
// IPv4 addresses are given as such, not as IPv4-mapped ones, which no packet
// has. Nothing is allocated.
func (p *Policy) Judge(a netip.Addr, site Site) Verdict {
	if !a.IsValid() || a.Zone() != "" {
		return RefuseSpecial // no record has such an address
	}
	var bits uint8
	for _, b := range inside(a, site.DNS64) {
		bits = max(bits, b)
	}
	if c := p.line(a, bits); c.held {
		return c.value
	}
	v := site.unspoken(a)
	if bits == 0 {
		return v // nothing is inside
	}
	for inner := range inside(a, site.DNS64) {
		v = max(v, p.Judge(inner, site))
	}
	return v
}

// line is the line that decides about a: of the rule, or else of the node, and
// not shorter than bits.
func (p *Policy) line(a netip.Addr, bits uint8) cell[Verdict] {
	c := p.rule.find(a)
	if !c.held || c.bits < bits {
		c = p.node.find(a)
	}
	c.held = c.held && c.bits >= bits
	return c
}

// unspoken is the verdict about an address that no line speaks about.
func (s Site) unspoken(a netip.Addr) Verdict {
	if v := special.find(a).value; v.Refused() && !s.synthesises(a) {
		return v
	}
	if s.Own != nil && s.Own.Contains(a) {
		return RefuseOwn
	}
	return Admit
}

// synthesises tells whether the site's DNS64 makes addresses such as a.
func (s Site) synthesises(a netip.Addr) bool {
	for _, p := range s.DNS64 {
		if translates(p) && p.Contains(a) {
			return true
		}
	}
	return false
}
