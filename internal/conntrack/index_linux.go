package conntrack

import (
	"net/netip"
	"slices"

	"github.com/mdlayher/netlink"
	"github.com/namewall/namewall/internal/set"
	"golang.org/x/sys/unix"
)

// index finds the flows of an entry.
type index struct {
	flows map[Flow]struct{}
	addrs map[netip.Addr]struct{} // that flows have
	// spans are the flows of more than one address, by what they have beside it, in
	// the order of their addresses.
	spans map[Flow][]set.Span
}

// indexOf takes IPv4-mapped addresses for what they are: the kernel tracks their
// connections as IPv4.
func indexOf(flows []Flow) index {
	in := index{make(map[Flow]struct{}, len(flows)), make(map[netip.Addr]struct{}), make(map[Flow][]set.Span)}
	for _, f := range flows {
		if f.Last.IsValid() {
			s := set.Span{First: f.Addr, Last: f.Last}
			f.Addr, f.Last = netip.Addr{}, netip.Addr{}
			in.spans[f] = append(in.spans[f], s)
			continue
		}
		f.Addr, f.Client = f.Addr.Unmap().WithZone(""), f.Client.Unmap().WithZone("")
		if f.Addr.IsValid() {
			in.flows[f] = struct{}{}
			in.addrs[f.Addr] = struct{}{}
		}
	}
	for f, spans := range in.spans {
		in.spans[f] = set.Merge(spans)
	}
	return in
}

// has tells whether an entry belongs to one of the flows.
func (in *index) has(e *entry) bool {
	for _, dst := range [...]end{e.dst, e.seen} {
		s := set.Service{Proto: e.proto, Port: dst.port}
		if in.between(dst.addr, e.src.addr, s) || in.between(e.src.addr, dst.addr, s) {
			return true
		}
	}
	return false
}

func (in *index) between(addr, other netip.Addr, s set.Service) bool {
	_, single := in.addrs[addr]
	if !single && len(in.spans) == 0 {
		return false
	}
	for _, client := range [...]netip.Addr{{}, other} {
		for _, service := range [...]set.Service{{}, {Port: s.Port}, s} {
			if _, ok := in.flows[Flow{Addr: addr, Client: client, Service: service}]; ok {
				return true
			}
			if spansHave(in.spans[Flow{Client: client, Service: service}], addr) {
				return true
			}
		}
	}
	return false
}

// spansHave tells whether an address is in one of spans, which are merged.
func spansHave(spans []set.Span, addr netip.Addr) bool {
	at, found := slices.BinarySearchFunc(spans, addr, func(s set.Span, a netip.Addr) int { return s.First.Compare(a) })
	return found || at > 0 && spans[at-1].Contains(addr)
}

// requests are the dumps that all entries of the flows are in: of each IPv4
// address if there are few of them, or else of the family.
//
// For IPv6 the kernel's filter gives all entries but those that were asked for:
// ctnetlink_filter_match_tuple takes ipv6_addr_cmp for a test of equality, on
// 6.18 still.
func (in *index) requests() []netlink.Message {
	var dumps []netlink.Message
	v4, v6 := 0, 0
	for addr := range in.addrs {
		if addr.Is6() {
			v6++
			continue
		}
		if v4++; v4 <= filteredMax {
			for _, p := range places {
				dumps = append(dumps, dumpOf(addr, p))
			}
		}
	}
	for _, spans := range in.spans {
		for _, s := range spans {
			if s.First.Is6() {
				v6++
			} else {
				v4 = filteredMax + 1
			}
		}
	}
	if v4 > filteredMax {
		dumps = []netlink.Message{dump(unix.AF_INET)}
	}
	if v6 > 0 {
		dumps = append(dumps, dump(unix.AF_INET6))
	}
	return dumps
}
