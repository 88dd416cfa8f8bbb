//go:build linux

package lab

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
)

// The gateway's addresses on the clients' side.
const (
	Gateway4 = "198.18.0.1"
	Gateway6 = "2001:db8::1"
)

// Clients is how many addresses of each family the client namespace has.
const Clients = 32

// Client4 and Client6 are the addresses of client i, counted from 0. Client 0
// is whom the kernel takes where nobody chooses.
func Client4(i int) netip.Addr { return nth(netip.MustParseAddr("198.18.0.10"), i) }

// Client6 is described with Client4.
func Client6(i int) netip.Addr { return nth(netip.MustParseAddr("2001:db8::10"), i) }

// The wide area's addresses beside the documentation ranges: room for volume.
var (
	wide4 = netip.MustParsePrefix("198.19.0.0/16")
	wide6 = netip.MustParsePrefix("2001:db8:100::/40")
)

// wideArea lists what is local in the wide area. A NAT64 is there, too, as far
// as its clients can tell.
func wideArea() []string {
	return []string{wide4.String(), "198.51.100.0/24", "203.0.113.0/24", wide6.String(), "64:ff9b::/96"}
}

// AllowWide is the `allow` line that makes the wide area's addresses admissible:
// they are special-purpose ranges, which namewall refuses.
const AllowWide = "allow 198.19.0.0/16 198.51.100.0/24 203.0.113.0/24 2001:db8:100::/40"

// wire connects the three namespaces and gives them addresses and routes.
func (l *Lab) wire() error {
	var client, gateway, wide strings.Builder
	fmt.Fprintf(&gateway, `
link set lo up
link add name clients type veth peer name eth0 netns %s
link add name wan type veth peer name eth0 netns %s
address add %s/24 dev clients
address add %s/64 dev clients nodad
address add 192.0.2.1/24 dev wan
address add 2001:db8:1::1/64 dev wan nodad
link set clients up
link set wan up
route add default via 192.0.2.2
route add default via 2001:db8:1::2
`, l.Client.path(), l.Wide.path(), Gateway4, Gateway6)

	client.WriteString("link set lo up\nlink set eth0 up\n")
	for i := range Clients {
		fmt.Fprintf(&client, "address add %v/24 dev eth0\n", Client4(i))
	}
	// Of several IPv6 addresses the kernel prefers the one added last.
	for i := range Clients {
		fmt.Fprintf(&client, "address add %v/64 dev eth0 nodad\n", Client6(Clients-1-i))
	}
	fmt.Fprintf(&client, "route add default via %s\nroute add default via %s\n", Gateway4, Gateway6)

	fmt.Fprintf(&wide, `
link set lo up
link set eth0 up
address add 192.0.2.2/24 dev eth0
address add %s/32 dev eth0
address add %s/32 dev eth0
address add 2001:db8:1::2/64 dev eth0 nodad
route add 198.18.0.0/24 via 192.0.2.1
route add 2001:db8::/64 via 2001:db8:1::1
`, Scripted, Real)
	for _, prefix := range wideArea() {
		fmt.Fprintf(&wide, "route add local %s dev lo\n", prefix)
	}

	for _, ns := range []*NS{l.Client, l.Gateway, l.Wide} {
		if err := ns.Do(noDAD); err != nil {
			return err
		}
	}
	if err := l.Gateway.Do(route); err != nil {
		return err
	}
	for _, step := range []struct {
		ns    *NS
		batch string
	}{{l.Gateway, gateway.String()}, {l.Client, client.String()}, {l.Wide, wide.String()}} {
		if _, err := step.ns.Run(Stdin(step.batch), "ip", "-batch", "-"); err != nil {
			return err
		}
	}
	return nil
}

// noDAD spares interfaces yet to come the second in which their link-local
// address is tentative and a router can't ask for its neighbours.
func noDAD() error {
	return sysctl("0", "ipv6/conf/all/accept_dad", "ipv6/conf/default/accept_dad")
}

// route makes a router, which tells everybody at once when nobody listens at a
// port: else the kernel does so once a second (icmp(7), icmp_ratemask).
func route() error {
	if err := sysctl("0", "ipv4/icmp_ratemask"); err != nil {
		return err
	}
	return sysctl("1", "ipv4/ip_forward", "ipv6/conf/all/forwarding")
}

// sysctl sets what lies below net in the namespace that it is called in.
func sysctl(value string, names ...string) error {
	for _, name := range names {
		if err := os.WriteFile("/proc/sys/net/"+name, []byte(value), 0); err != nil {
			return err
		}
	}
	return nil
}

// nth is base + i.
func nth(base netip.Addr, i int) netip.Addr {
	b := base.AsSlice()
	for at := len(b) - 1; i > 0; at-- {
		i += int(b[at])
		b[at] = byte(i)
		i >>= 8
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}
