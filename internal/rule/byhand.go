package rule

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/namewall/namewall/internal/set"
)

// Services are what the rule's lines open, each once; none if they open whole
// addresses.
func (r *Rule) Services() []set.Service {
	var all []set.Service
	for _, n := range r.openings() {
		for _, s := range n.services {
			if !slices.Contains(all, s) {
				all = append(all, s)
			}
		}
	}
	return all
}

// Asks tells whether client is one of those whose questions the rule matches.
func (r *Rule) Asks(client netip.Addr) bool {
	return len(r.Clients) == 0 || slices.ContainsFunc(r.Clients, func(p netip.Prefix) bool { return p.Contains(client) })
}

// CheckByHand tells whether Sets[i], if its keys are of layout l, can hold by hand
// what opens these services, for a client if there is one.
func (r *Rule) CheckByHand(i int, l set.Layout, services []set.Service, client netip.Addr) error {
	id := r.Sets[i].ID
	switch {
	case l.Pair && !client.IsValid():
		return fmt.Errorf("set '%s' (%s) has the client in its key: say which one", id, l)
	case len(services) > 0 && !l.Port:
		return fmt.Errorf("set '%s' (%s) has no ports: leave out the services", id, l)
	case l.Port && !l.Proto:
		if s, missing, ok := lonely(services); ok {
			return fmt.Errorf("set '%s' (%s) has no protocol and opens %s for tcp and udp: add %s", id, l, s, missing)
		}
	}
	return nil
}
