// Package drops keeps what the firewall has dropped, joined with the names that
// were behind it, for a week.
//
// It promises that what is kept is bounded whatever is dropped: packets that only
// differ in what doesn't matter are one Drop with a count, and the drops that were
// seen longest ago give way. Those without a name have a bound of their own, so
// that somebody who scans addresses pushes out no name.
//
// Where the packets come from, and which name was behind one, is the caller's.
package drops

import (
	"net/netip"
	"strconv"
	"time"

	"github.com/namewall/namewall/internal/set"
)

const (
	// Kept is how long a drop is kept after its last packet: a rollout has to see
	// a weekend and a monday morning.
	Kept = 7 * 24 * time.Hour

	// MaxNamed bounds the drops with a name: some hundreds of clients with some
	// dozens of names each, in some twenty megabytes.
	MaxNamed = 16_384
	// MaxUnnamed bounds those without one: hard-coded addresses are few, and the
	// rest is noise.
	MaxUnnamed = 4096

	// maxPorts is how many services are told apart between a client and a name or
	// address. More is a scan, or a protocol that takes any port.
	maxPorts = 16
	// maxAddresses is how many addresses of a name are kept with a drop.
	maxAddresses = 8
)

// Key is what makes dropped packets the same drop.
type Key struct {
	Inbound bool         `json:"in,omitempty"` // the client is who was connected to
	Client  netip.Prefix `json:"client"`       // the end inside: see ClientOf
	Name    string       `json:"name,omitempty"`
	Address netip.Addr   `json:"address"` // the end outside, of a drop without a name; else invalid
	Service set.Service  `json:"service"` // port 0: any, or more than are told apart
	Rule    string       `json:"rule,omitempty"`
	Cause   string       `json:"cause"`
}

// Drop is what was dropped, from the first packet to the last.
type Drop struct {
	Key
	Count       uint64    `json:"count"`
	First, Last time.Time // of the packets

	Detail
	Addresses []netip.Addr `json:"addresses"` // the end outside, the last one first; at most maxAddresses
}

// Detail is what is kept of the last packet.
type Detail struct {
	From    netip.Addr // the end inside
	Asked   time.Time  // when the name was last asked for before; zero: never
	AskedBy netip.Addr // who did if it wasn't From; invalid: namewall itself, or nobody
	Ended   time.Time  // when the address was taken out of the set; zero: it wasn't
	Since   time.Time  // from when on all that was asked for is known
}

// Packet is a dropped packet, joined with its name.
type Packet struct {
	Key // with the service as the packet has it
	Detail
	At     time.Time
	Remote netip.Addr // the end outside
}

// ClientOf is what a client is counted as: an IPv4 address, or the /64 of an IPv6
// one, as hosts take a new address every day (RFC 8981).
func ClientOf(a netip.Addr) netip.Prefix {
	bits := a.BitLen()
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits) // fails for invalid addresses only
	return p
}

// protocols are names of those that have no ports, as nft(8) has them.
var protocols = map[uint8]string{1: "icmp", 47: "gre", 50: "esp", 51: "ah", 58: "ipv6-icmp"}

// ServiceText is a packet's service in words: "tcp/443"; "tcp" for no single port;
// "icmp/8", which has the type in the port's place.
func ServiceText(s set.Service) string {
	name, other := protocols[s.Proto]
	if !other {
		name = set.ProtocolName(s.Proto)
	}
	if s.Port == 0 {
		return name
	}
	return name + "/" + strconv.Itoa(int(s.Port))
}
