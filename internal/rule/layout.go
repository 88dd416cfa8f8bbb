package rule

import (
	"fmt"
	"slices"
	"strings"

	"github.com/namewall/namewall/internal/set"
)

// The transport protocols that a port without inet_proto in the key opens
// together, for want of a word about which.
const (
	tcp uint8 = 6
	udp uint8 = 17
)

// CheckLayout tells whether Sets[i] can hold what the rule's lines open if its
// keys are of layout l: a line with ports needs a port in the key, a line
// without needs none, and where the key has no protocol, tcp and udp of each
// port must both be listed, as both are opened. A client in the key is one who
// has asked, which nobody has for a name that is kept resolved or an address that
// is written out.
//
// It asks nothing of Sets[i].Layout, so that it serves for the layout that the
// Corefile writes and for the one that the kernel has.
func (r *Rule) CheckLayout(i int, l set.Layout) error {
	id := r.Sets[i].ID
	for _, n := range r.openings() {
		switch {
		case n.what != "" && l.Pair:
			return fmt.Errorf("set '%s' (%s) has the client in its key, and no client asks for %s, which is under '%s': use the type '%s', or 'name' in a rule of its own",
				id, l, n.what, n.option, withoutClient(l))
		case len(n.services) == 0 && l.Port:
			return fmt.Errorf("set '%s' (%s) has ports, %s has none: add PROTO/PORT to the line, or take the port out of the set's type",
				id, l, n.text)
		case len(n.services) > 0 && !l.Port:
			return fmt.Errorf("set '%s' (%s) has no ports, %s has %s: use the type '%s', or open whole addresses by a line without ports",
				id, l, n.text, n.services[0], withPorts(l))
		case l.Port && !l.Proto:
			if s, missing, ok := lonely(n.services); ok {
				return fmt.Errorf("set '%s' (%s) has no protocol and opens %s for tcp and udp: add %s to %s, or use the type '%s'",
					id, l, s, missing, n.text, withPorts(l))
			}
		}
	}
	return nil
}

// withPorts is the layout of the same addresses with protocol and port.
func withPorts(l set.Layout) set.Layout {
	l.Proto, l.Port = true, true
	return l
}

// withoutClient is the layout of the same services for everybody.
func withoutClient(l set.Layout) set.Layout {
	l.Pair = false
	return l
}

// lonely returns a service whose port isn't listed for both tcp and udp, and
// what is missing of them, as the Corefile writes it.
func lonely(services []set.Service) (s set.Service, missing string, ok bool) {
	for _, s := range services {
		var absent []string
		for _, proto := range []uint8{tcp, udp} {
			if other := (set.Service{Proto: proto, Port: s.Port}); !slices.Contains(services, other) {
				absent = append(absent, other.String())
			}
		}
		if len(absent) > 0 {
			return s, strings.Join(absent, " "), true
		}
	}
	return set.Service{}, "", false
}
