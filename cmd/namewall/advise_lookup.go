package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/namewall/namewall/internal/advice"
	"github.com/namewall/namewall/internal/lookup"
	"github.com/namewall/namewall/internal/rule"
)

// lookups are what exact names lead to, by the fully qualified name. nil if
// nobody has looked.
type lookups map[string]lookup.Result

// lookUp looks the rules' exact names up, once.
func lookUp(ctx context.Context, client *lookup.Client, rules []*rule.Rule) lookups {
	var names []string
	for _, n := range exactNames(rules) {
		names = append(names, n.name)
	}
	slices.Sort(names)
	all := make(lookups)
	for _, r := range client.All(ctx, slices.Compact(names)) {
		all[r.Name] = r
	}
	return all
}

// adviseLookups warns about what the names of a rule lead to.
func adviseLookups(s *section, r *rule.Rule, looked lookups) {
	if looked == nil {
		return
	}
	var found []lookup.Result
	for _, n := range exactNames([]*rule.Rule{r}) {
		if l := looked[n.name]; !slices.ContainsFunc(found, func(other lookup.Result) bool { return other.Name == l.Name }) {
			found = append(found, l)
		}
	}
	for _, l := range found {
		adviseLookup(s, r, l)
	}
	adviseSiblings(s, found)
}

// adviseLookup warns about one name.
func adviseLookup(s *section, r *rule.Rule, l lookup.Result) {
	name := strings.TrimSuffix(l.Name, ".")
	switch {
	case l.Err != nil:
		s.add(warning, "%v", l.Err)
		return
	case !l.Found:
		s.add(warning, "%s does not exist", name)
		return
	case len(l.Addrs) == 0:
		s.add(warning, "%s has no address", name)
		return
	}
	var refused []netip.Addr
	for _, a := range l.Addrs {
		if r.Policy.Judge(a.Addr, rule.Site{}).Refused() {
			refused = append(refused, a.Addr)
		}
	}
	if len(refused) > 0 {
		s.add(warning, "%s has %s, which the rule refuses: write an 'allow' line if that is meant", name, joined(refused))
	}
	adviseFront(s, r, name, l.Chain)
	adviseLife(s, r, name, l.Addrs)
}

// adviseFront tells of a name that leads to a front. If others are to connect from
// its addresses, they will not.
func adviseFront(s *section, r *rule.Rule, name string, chain []string) {
	for _, link := range chain {
		what, ok := advice.Front(link)
		switch {
		case !ok:
			continue
		case inbound(r):
			s.add(warning, "%s is at %s (%s): its addresses are those of a load balancer, and not those that connections come from", name, what, strings.TrimSuffix(link, "."))
		default:
			s.add(note, "%s is at %s, which answers for many names at the same addresses: the rule opens all of them", name, what)
		}
		return
	}
}

// inbound tells whether a rule is for connections that others open, as far as it
// can be known: the gateway alone fills its sets, by `resolve` or `clients
// 127.0.0.1`, and with whole addresses. For connections that go out somebody asks
// first, and a service has a port.
func inbound(r *rule.Rule) bool {
	own := len(r.Clients) > 0 && !slices.ContainsFunc(r.Clients, func(p netip.Prefix) bool { return !p.Addr().IsLoopback() })
	resolved := !slices.ContainsFunc(r.Names, func(n rule.Names) bool { return !n.Resolved })
	ports := slices.ContainsFunc(r.Names, func(n rule.Names) bool { return len(n.Services) > 0 })
	return (own || resolved) && !ports
}

// clientMemory is for how long common clients go on with an address whatever its
// TTL: browsers for a minute, pools and proxies for some.
const clientMemory = 5 * time.Minute

// adviseLife warns about an element that ends before its clients forget the
// address. Who connects from the outside has not looked it up.
func adviseLife(s *section, r *rule.Rule, name string, addrs []lookup.Addr) {
	if inbound(r) {
		return
	}
	least := slices.MinFunc(addrs, func(a, b lookup.Addr) int { return int(a.TTL - b.TTL) })
	if life := r.Lifetime.Written(least.TTL); life < clientMemory {
		s.add(warning, "%s has a TTL of %s, and its addresses are open for %s: many clients remember an address for longer, give 'lifetime' a longer MIN", name, least.TTL, life.Round(time.Second))
	}
}

// adviseSiblings warns about names that have a single address of a family where
// most others of the rule have more: a vendor that has two of everything may have
// forgotten one, or the resolver gives only one at a time.
func adviseSiblings(s *section, found []lookup.Result) {
	for _, family := range []struct {
		name string
		is   func(netip.Addr) bool
	}{{"IPv4", netip.Addr.Is4}, {"IPv6", netip.Addr.Is6}} {
		count := func(l lookup.Result) int {
			return len(slices.DeleteFunc(slices.Clone(l.Addrs), func(a lookup.Addr) bool { return !family.is(a.Addr) }))
		}
		least := 0
		var single []string
		for _, l := range found {
			switch n := count(l); {
			case n == 1:
				single = append(single, strings.TrimSuffix(l.Name, "."))
			case n > 1 && (least == 0 || n < least):
				least = n
			}
		}
		if least == 0 || len(single) > len(found)/2 {
			continue
		}
		for _, name := range single {
			s.add(warning, "%s has one %s address, where other names of the rule have %d: one may be missing", name, family.name, least)
		}
	}
}

// joined are addresses as a sentence has them.
func joined(addrs []netip.Addr) string {
	var words []string
	for _, a := range addrs {
		words = append(words, fmt.Sprint(a))
	}
	return list(words)
}
