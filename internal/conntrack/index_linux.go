package conntrack

import (
	"net/netip"

	"github.com/mdlayher/netlink"
	"github.com/namewall/namewall/internal/set"
	"golang.org/x/sys/unix"
)

// index finds the flows of an entry.
type index struct {
	flows map[Flow]struct{}
	addrs map[netip.Addr]struct{} // that flows have
}

// indexOf takes IPv4-mapped addresses for what they are: the kernel tracks their
// connections as IPv4.
func indexOf(flows []Flow) index {
	in := index{make(map[Flow]struct{}, len(flows)), make(map[netip.Addr]struct{})}
	for _, f := range flows {
		f.Addr, f.Client = f.Addr.Unmap().WithZone(""), f.Client.Unmap().WithZone("")
		if f.Addr.IsValid() {
			in.flows[f] = struct{}{}
			in.addrs[f.Addr] = struct{}{}
		}
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
	if _, ok := in.addrs[addr]; !ok {
		return false
	}
	for _, client := range [...]netip.Addr{{}, other} {
		for _, service := range [...]set.Service{{}, {Port: s.Port}, s} {
			if _, ok := in.flows[Flow{addr, client, service}]; ok {
				return true
			}
		}
	}
	return false
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
	if v4 > filteredMax {
		dumps = []netlink.Message{dump(unix.AF_INET)}
	}
	if v6 > 0 {
		dumps = append(dumps, dump(unix.AF_INET6))
	}
	return dumps
}
