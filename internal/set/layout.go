package set

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
)

// Layout is what a set's key is made of. Only the layouts of the Corefile
// exist as values: Proto implies Port, and Pair with Port implies Proto.
type Layout struct {
	V6    bool // addresses are IPv6
	Pair  bool // the client's address comes first
	Proto bool // inet_proto follows the addresses
	Port  bool // inet_service comes last
}

// The type names of nft(8) that a layout may use, with the size in the key:
// every part of a concatenation is padded to a register of four bytes
// (nft_set_elem keys, netlink_padded_len in nftables).
const (
	typeV4      = "ipv4_addr"
	typeV6      = "ipv6_addr"
	typeProto   = "inet_proto"
	typeService = "inet_service"
)

// ParseLayout reads a key type in nft's syntax: "ipv4_addr . inet_proto .
// inet_service". Blanks around the dots don't matter.
func ParseLayout(s string) (Layout, error) {
	var parts []string
	for part := range strings.SplitSeq(s, ".") {
		parts = append(parts, strings.TrimSpace(part))
	}
	l := Layout{V6: parts[0] == typeV6}
	addr := typeV4
	if l.V6 {
		addr = typeV6
	}
	if len(parts) > 1 && parts[1] == addr {
		l.Pair = true
	}
	if n := len(parts); n > 1 && parts[n-1] == typeService {
		l.Port = true
		l.Proto = n > 2 && parts[n-2] == typeProto
	}
	if l.String() != strings.Join(parts, " . ") || l.Pair && l.Port && !l.Proto {
		return Layout{}, fmt.Errorf("unsupported set type '%s': use %s", s, layouts)
	}
	return l, nil
}

const layouts = "ADDR, ADDR . inet_service, ADDR . inet_proto . inet_service, " +
	"ADDR . ADDR or ADDR . ADDR . inet_proto . inet_service, where ADDR is ipv4_addr or ipv6_addr"

// String is the layout in nft's syntax.
func (l Layout) String() string {
	addr := typeV4
	if l.V6 {
		addr = typeV6
	}
	s := addr
	if l.Pair {
		s += " . " + addr
	}
	if l.Proto {
		s += " . " + typeProto
	}
	if l.Port {
		s += " . " + typeService
	}
	return s
}

// Len is the length of a key in bytes.
func (l Layout) Len() int {
	n := l.addrLen()
	if l.Pair {
		n *= 2
	}
	if l.Proto {
		n += 4
	}
	if l.Port {
		n += 4
	}
	return n
}

func (l Layout) addrLen() int {
	if l.V6 {
		return 16
	}
	return 4
}

// Fits tells whether the layout can hold addr for client: all the addresses of
// a key are of the set's family. A client that has no address fits no pair.
func (l Layout) Fits(client, addr netip.Addr) bool {
	return l.holds(addr) && (!l.Pair || l.holds(client))
}

func (l Layout) holds(a netip.Addr) bool {
	if l.V6 {
		return a.Is6()
	}
	return a.Is4()
}

// KeyMax is the length of the longest key, a pair of IPv6 addresses with
// protocol and port.
const KeyMax = 40

// Key is a set element's key in the kernel's bytes: network order, every part
// padded to four bytes. Keys are comparable; the unused tail is zero.
type Key struct {
	len uint8
	buf [KeyMax]byte
}

// KeyOf takes over bytes that the kernel sent. It reports false if they are
// longer than any key can be.
func KeyOf(b []byte) (Key, bool) {
	var k Key
	if len(b) > KeyMax {
		return k, false
	}
	k.len = uint8(len(b))
	copy(k.buf[:], b)
	return k, true
}

// Bytes is the key as the kernel has it. The slice is the key's own.
func (k *Key) Bytes() []byte { return k.buf[:k.len] }

// Key makes the key of addr, with what else the layout asks for. The caller has
// asked Fits; IPv4-mapped addresses are the caller's to unmap.
func (l Layout) Key(client, addr netip.Addr, s Service) (k Key) {
	k.Put(l, client, addr, s)
	return k
}

// Put makes k the layout's Key where it is. A copy of one that has just been made
// would wait for its parts to be written (store forwarding), five times as long as
// making it takes.
func (k *Key) Put(l Layout, client, addr netip.Addr, s Service) {
	*k = Key{}
	n := 0
	if l.Pair {
		n += l.putAddr(k.buf[n:], client)
	}
	n += l.putAddr(k.buf[n:], addr)
	if l.Proto {
		k.buf[n] = s.Proto
		n += 4
	}
	if l.Port {
		binary.BigEndian.PutUint16(k.buf[n:], s.Port)
		n += 4
	}
	k.len = uint8(n)
}

func (l Layout) putAddr(b []byte, a netip.Addr) int {
	if l.V6 {
		a16 := a.As16()
		return copy(b, a16[:])
	}
	a4 := a.As4()
	return copy(b, a4[:])
}

// Split is the reverse of Key. It reports false if k is not of this layout.
func (l Layout) Split(k Key) (client, addr netip.Addr, s Service, ok bool) {
	if int(k.len) != l.Len() {
		return client, addr, s, false
	}
	b := k.buf[:]
	if l.Pair {
		client, b = l.getAddr(b)
	}
	addr, b = l.getAddr(b)
	if l.Proto {
		s.Proto, b = b[0], b[4:]
	}
	if l.Port {
		s.Port = binary.BigEndian.Uint16(b)
	}
	return client, addr, s, true
}

func (l Layout) getAddr(b []byte) (netip.Addr, []byte) {
	n := l.addrLen()
	a, _ := netip.AddrFromSlice(b[:n])
	return a, b[n:]
}
