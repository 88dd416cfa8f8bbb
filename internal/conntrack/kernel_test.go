//go:build linux

package conntrack

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/mdlayher/netlink"
	"github.com/namewall/namewall/internal/nstest"
	"golang.org/x/sys/unix"
)

// kernel is a network namespace that tracks the connections between its own
// addresses.
type kernel struct {
	*nstest.Namespace
	t testing.TB
}

// tracking makes the kernel track connections, translate some addresses, and
// answer what comes in the middle of a connection that it doesn't know with a
// reset.
const tracking = `table inet track {
	chain zones {
		type filter hook output priority -300
		ip daddr 198.51.100.11 ct zone set 7
		ip saddr 198.51.100.11 ct zone set 7
		ip daddr 198.51.100.12 ct original zone set 8
	}
	chain destinations {
		type nat hook output priority -100
		ip daddr 203.0.113.10 tcp dport 443 dnat ip to 198.51.100.9:8443
	}
	chain sources {
		type nat hook postrouting priority 100
		ip daddr 198.51.100.10 snat ip to 198.18.0.9
	}
	chain in {
		type filter hook input priority 0
		ct state established,related accept
		meta l4proto tcp tcp flags & syn == 0 reject with tcp reset
	}
}`

func newKernel(t testing.TB) *kernel {
	t.Helper()
	k := &kernel{nstest.New(t), t}
	k.Command(`route add local 198.18.0.0/24 dev lo
route add local 198.51.100.0/24 dev lo
route add local 203.0.113.0/24 dev lo
route add local 2001:db8::/64 dev lo
addr add 2001:db8::1 dev lo nodad
addr add 2001:db8::7 dev lo nodad
addr add 2001:db8::8 dev lo nodad
`, "ip", "-batch", "-")
	k.Nft(tracking)
	return k
}

func (k *kernel) table() *Table {
	k.t.Helper()
	table, err := Open(k.FD())
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() { _ = table.Close() })
	return table
}

// connect opens a connection from one of the namespace's addresses to another,
// where what is sent comes back. It returns the opener's end, over which a byte
// has been there and back.
func (k *kernel) connect(network, from, to string) net.Conn {
	k.t.Helper()
	var c net.Conn
	err := k.Do(func() (err error) {
		listen := netip.MustParseAddrPort(to)
		if listen.Addr() == netip.MustParseAddr("203.0.113.10") {
			listen = netip.MustParseAddrPort("198.51.100.9:8443") // see the rules
		}
		source := netip.MustParseAddr(from)
		var dialer net.Dialer
		if network == "udp" {
			server, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(listen))
			if err != nil {
				return err
			}
			k.t.Cleanup(func() { _ = server.Close() })
			go echoUDP(server)
			dialer.LocalAddr = &net.UDPAddr{IP: source.AsSlice()}
		} else {
			server, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(listen))
			if err != nil {
				return err
			}
			defer func() { _ = server.Close() }()
			go echoTCP(server)
			dialer.LocalAddr = &net.TCPAddr{IP: source.AsSlice()}
		}
		c, err = dialer.Dial(network, to)
		if err != nil {
			return err
		}
		return echoed(c)
	})
	if err != nil {
		k.t.Fatalf("from %s to %s: %v", from, to, err)
	}
	k.t.Cleanup(func() { _ = c.Close() })
	return c
}

func echoTCP(l *net.TCPListener) {
	c, err := l.AcceptTCP()
	if err != nil {
		return
	}
	_, _ = io.Copy(c, c)
	_ = c.Close()
}

func echoUDP(c *net.UDPConn) {
	var b [1]byte
	for {
		n, from, err := c.ReadFromUDP(b[:])
		if err != nil {
			return
		}
		_, _ = c.WriteToUDP(b[:n], from)
	}
}

// echoed sends a byte and waits for it to come back.
func echoed(c net.Conn) error {
	b := []byte{1}
	if _, err := c.Write(b); err != nil {
		return err
	}
	_, err := io.ReadFull(c, b)
	return err
}

// entries are the connections that the kernel tracks, as their openers see them.
func (k *kernel) entries(table *Table) []string {
	k.t.Helper()
	var all []string
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		if _, err := table.conn.Send(dump(family)); err != nil {
			k.t.Fatal(err)
		}
		for m, err := range table.conn.ReceiveIter() {
			if err != nil {
				k.t.Fatal(err)
			}
			e, ok := decode(m.Data)
			if !ok {
				k.t.Fatalf("an entry that isn't understood: %x", m.Data)
			}
			all = append(all, e.String())
		}
	}
	slices.Sort(all)
	return all
}

func (e entry) String() string {
	proto := map[uint8]string{unix.IPPROTO_TCP: "tcp", unix.IPPROTO_UDP: "udp", unix.IPPROTO_ICMP: "icmp"}[e.proto]
	return fmt.Sprintf("%s %s %s", proto, e.src.addr, netip.AddrPortFrom(e.dst.addr, e.dst.port))
}

// create puts n TCP connections into the table, which nobody has opened: from
// 198.18.0.1 to addresses from 198.19.0.0 on.
func (k *kernel) create(n int) {
	k.t.Helper()
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: k.FD()})
	if err != nil {
		k.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	for from := 0; from < n; from += deletesMax {
		var batch []netlink.Message
		for i := from; i < min(from+deletesMax, n); i++ {
			batch = append(batch, creation(created(i)))
		}
		if _, err := conn.SendMessages(batch); err != nil {
			k.t.Fatal(err)
		}
		for range batch {
			if _, err := conn.Receive(); err != nil {
				k.t.Fatal(err)
			}
		}
	}
}

// created is the address of the nth connection that create makes.
func created(n int) netip.Addr { return netip.AddrFrom4([4]byte{198, 19, byte(n >> 8), byte(n)}) }

func creation(to netip.Addr) netlink.Message {
	const (
		attrStatus, attrTimeout = 3, 7                          // CTA_STATUS, CTA_TIMEOUT
		status                  = 1<<1 | 1<<2 | 1<<3            // IPS_SEEN_REPLY, ASSURED, CONFIRMED
		create                  = netlink.Create | netlink.Excl // a connection that isn't there
	)
	client := netip.MustParseAddr("198.18.0.1")
	data := header(unix.AF_INET)
	data = appendAttribute(data, attrTupleOrig|netlink.Nested, encodeTuple(client, 40000, to, 443))
	data = appendAttribute(data, attrTupleReply|netlink.Nested, encodeTuple(to, 443, client, 40000))
	data = appendAttribute(data, attrStatus, binary.BigEndian.AppendUint32(nil, status))
	data = appendAttribute(data, attrTimeout, binary.BigEndian.AppendUint32(nil, 3600))
	return message(0, create|netlink.Acknowledge, data)
}

func encodeTuple(src netip.Addr, sport uint16, dst netip.Addr, dport uint16) []byte {
	ip := appendAttribute(nil, attrV4Src, src.AsSlice())
	ip = appendAttribute(ip, attrV4Dst, dst.AsSlice())
	proto := appendAttribute(nil, attrProtoNum, []byte{unix.IPPROTO_TCP})
	proto = appendAttribute(proto, attrPortSrc, binary.BigEndian.AppendUint16(nil, sport))
	proto = appendAttribute(proto, attrPortDst, binary.BigEndian.AppendUint16(nil, dport))
	tuple := appendAttribute(nil, attrTupleIP|netlink.Nested, ip)
	return appendAttribute(tuple, attrTupleProto|netlink.Nested, proto)
}

// ping opens a flow that has no ports.
func (k *kernel) ping(from, to string) {
	k.t.Helper()
	err := k.Do(func() error {
		c, err := net.DialIP("ip4:icmp", &net.IPAddr{IP: net.ParseIP(from)}, &net.IPAddr{IP: net.ParseIP(to)})
		if err != nil {
			return err
		}
		defer func() { _ = c.Close() }()
		_, err = c.Write([]byte{8, 0, 0xf7, 0xff, 0, 0, 0, 0}) // an echo request with its checksum
		return err
	})
	if err != nil {
		k.t.Fatal(err)
	}
}
