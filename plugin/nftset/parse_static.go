package nftset

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

// staticMax bounds what a rule writes out: each address or prefix for each service is
// an element. A list that is longer is no longer an administrator's.
const staticMax = 100_000

// static reads ADDRESS|PREFIX... [PROTO/PORT...].
func (p *ruleParser) static(args []string) error {
	var s rule.Static
	for _, word := range args {
		prefix, err := p.staticPrefix(word)
		switch {
		case err != nil:
			return err
		case prefix.IsValid() && len(s.Services) > 0:
			return p.c.Errf("address '%s' stands after a service: write the addresses first, then the services that all of them open", word)
		case prefix.IsValid():
			s.Prefixes = append(s.Prefixes, prefix)
		default:
			service, err := set.ParseService(word)
			if err != nil {
				return p.c.Errf("%v", err)
			}
			s.Services = append(s.Services, service)
		}
	}
	if len(s.Prefixes) == 0 {
		return p.c.Errf("'static' needs an address before '%s', such as 'static 192.0.2.1 %s'", args[0], args[0])
	}
	if err := p.repeated(s); err != nil {
		return err
	}
	r := p.source.rule
	r.Statics = append(r.Statics, s)
	p.staticPlaces = append(p.staticPlaces, placeOf(p.c))
	return nil
}

// staticPrefix reads a prefix, or an address; none, if the word is a service.
func (p *ruleParser) staticPrefix(word string) (netip.Prefix, error) {
	if host, _, slash := strings.Cut(word, "/"); slash && !strings.ContainsAny(host, ".:") {
		return netip.Prefix{}, nil
	}
	prefix, err := p.prefix(word)
	switch {
	case err != nil:
		return prefix, err
	case prefix.Addr().Is4In6():
		return prefix, p.c.Errf("'%s' is IPv4 in IPv6's form, which no packet has: write it as IPv4, like %s", word, prefix.Addr().Unmap())
	}
	return prefix, nil
}

// repeated refuses what the line or an earlier one says already.
func (p *ruleParser) repeated(s rule.Static) error {
	services := append([]set.Service{}, s.Services...)
	if len(services) == 0 {
		services = append(services, set.Service{})
	}
	for i, service := range services {
		if slices.Contains(services[:i], service) {
			return p.c.Errf("'%s' stands twice in this line", service)
		}
		for _, prefix := range s.Prefixes {
			key := staticKey{prefix, service}
			first, known := p.statics[key]
			switch {
			case known && first == placeOf(p.c):
				return p.c.Errf("'%s' stands twice in this line", rule.PrefixWord(prefix))
			case known:
				return p.c.Errf("'%s' already stands at %s: take it out of one of the lines", rule.PrefixWord(prefix), first)
			}
			if len(p.statics) == staticMax {
				return p.c.Errf("rule %s writes out more than %d elements, counting each address and prefix for each service: join the prefixes, or put the list into the ruleset", p.source.rule.Name, staticMax)
			}
			if p.statics == nil {
				p.statics = make(map[staticKey]Place)
			}
			p.statics[key] = placeOf(p.c)
		}
	}
	return nil
}

// staticKey is one thing that a `static` line opens.
type staticKey struct {
	prefix  netip.Prefix
	service set.Service // zero: the whole address
}

// wholeStatic checks that everything written out has a set to go to.
func (p *ruleParser) wholeStatic() error {
	r := p.source.rule
	if len(r.Names) > 0 && !slices.ContainsFunc(r.Sets, func(s rule.Set) bool { return !s.Interval }) {
		return p.setPlaces[0].Errorf("rule %s has names, and no set for the addresses that they lead to, as those with 'interval' take static ones only: add a set without it", r.Name)
	}
	for i, s := range r.Sets {
		if s.Interval && !slices.ContainsFunc(r.Statics, func(line rule.Static) bool {
			return slices.ContainsFunc(line.Prefixes, func(prefix netip.Prefix) bool { return r.Takes(i, prefix) })
		}) {
			return p.setPlaces[i].Errorf("set '%s' takes static %s prefixes only, and rule %s has none: add a line such as 'static %s', or take the set out",
				s.ID, family(s.Layout.V6), r.Name, choose(s.Layout.V6, "2001:db8::/32", "192.0.2.0/24"))
		}
	}
	if len(r.Statics) == 0 {
		return nil
	}
	for i, s := range r.Sets {
		if !s.Known {
			return p.setPlaces[i].Errorf("rule %s has static addresses, and set '%s' has no type here: write it, such as 'set %s %s', so that it is known which addresses go there",
				r.Name, s.ID, s.ID, set.Layout{V6: strings.HasSuffix(s.ID.Name, "6"), Proto: r.Ports(), Port: r.Ports()})
		}
	}
	for i, s := range r.Statics {
		for _, prefix := range s.Prefixes {
			taken := false
			for n := range r.Sets {
				taken = taken || r.Takes(n, prefix)
			}
			if taken {
				continue
			}
			v6 := prefix.Addr().Is6()
			example := fmt.Sprintf("set inet filter %s%s %s", strings.ReplaceAll(r.Name, "-", "_"), choose(v6, "6", "4"), set.Layout{V6: v6, Proto: r.Ports(), Port: r.Ports()})
			if prefix.IsSingleIP() {
				return p.staticPlaces[i].Errorf("rule %s has no set for %s, of %s: add one, such as '%s'", r.Name, rule.PrefixWord(prefix), family(v6), example)
			}
			return p.staticPlaces[i].Errorf("rule %s has no set for the %s prefix %s: add one with 'flags interval', such as '%s interval'", r.Name, family(v6), prefix, example)
		}
	}
	return nil
}

func family(v6 bool) string { return choose(v6, "IPv6", "IPv4") }
