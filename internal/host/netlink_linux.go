package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// listTries is how often the list of addresses is asked for until it was read
// without a change in between.
const listTries = 10

// conn is a pair of rtnetlink sockets: one that is told of changes, and one to
// ask for the list.
type conn struct {
	events, requests *netlink.Conn
}

func dial(netns int) (*conn, error) {
	events, err := netlink.Dial(unix.NETLINK_ROUTE, &netlink.Config{
		NetNS:  netns,
		Groups: 1<<(unix.RTNLGRP_IPV4_IFADDR-1) | 1<<(unix.RTNLGRP_IPV6_IFADDR-1),
	})
	if err != nil {
		return nil, fmt.Errorf("opening a netlink socket: %w", err)
	}
	requests, err := netlink.Dial(unix.NETLINK_ROUTE, &netlink.Config{NetNS: netns})
	if err != nil {
		_ = events.Close()
		return nil, fmt.Errorf("opening a netlink socket: %w", err)
	}
	return &conn{events, requests}, nil
}

func (c *conn) close() {
	_ = c.events.Close()
	_ = c.requests.Close()
}

// watch puts a token into changed when something has changed, unless there is
// one. It returns when the socket is closed or fails.
func (c *conn) watch(changed chan<- struct{}) error {
	for {
		_, err := c.events.Receive()
		if err != nil && !errors.Is(err, unix.ENOBUFS) { // ENOBUFS: more changes than the buffer holds
			return fmt.Errorf("receiving changes of addresses: %w", err)
		}
		select {
		case changed <- struct{}{}:
		default:
		}
	}
}

// addresses reads all addresses.
func (c *conn) addresses() ([]netip.Prefix, error) {
	for range listTries {
		list, interrupted, err := c.list()
		if err != nil {
			return nil, fmt.Errorf("reading addresses: %w", err)
		}
		if !interrupted {
			return list, nil
		}
	}
	return nil, fmt.Errorf("reading addresses: %w", unix.EINTR)
}

func (c *conn) list() (list []netip.Prefix, interrupted bool, err error) {
	messages, err := c.requests.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.RTM_GETADDR, Flags: netlink.Request | netlink.Dump},
		Data:   make([]byte, unix.SizeofIfAddrmsg), // of both families
	})
	if err != nil {
		return nil, false, err
	}
	for _, m := range messages {
		interrupted = interrupted || m.Header.Flags&netlink.DumpInterrupted != 0
		if m.Header.Type != unix.RTM_NEWADDR {
			continue
		}
		if list, err = appendPrefixes(list, m.Data); err != nil {
			return nil, false, err
		}
	}
	return list, interrupted, nil
}

var errMalformed = errors.New("malformed address message")

// appendPrefixes appends what an RTM_NEWADDR makes the host's own: the address,
// and the network that it connects. The state of the address (tentative,
// deprecated, on an interface that is down) makes no difference.
func appendPrefixes(list []netip.Prefix, data []byte) ([]netip.Prefix, error) {
	if len(data) < unix.SizeofIfAddrmsg {
		return nil, errMalformed
	}
	bits := int(data[1]) // ifa_prefixlen
	var local, address netip.Addr
	for attrs := data[unix.SizeofIfAddrmsg:]; len(attrs) >= unix.SizeofRtAttr; {
		n := int(binary.NativeEndian.Uint16(attrs))
		if n < unix.SizeofRtAttr || n > len(attrs) {
			return nil, errMalformed
		}
		value, ok := netip.AddrFromSlice(attrs[unix.SizeofRtAttr:n])
		switch typ := binary.NativeEndian.Uint16(attrs[2:]); {
		case typ == unix.IFA_LOCAL && ok:
			local = value
		case typ == unix.IFA_ADDRESS && ok:
			address = value
		}
		attrs = attrs[min((n+3)&^3, len(attrs)):]
	}
	// The prefix is IFA_ADDRESS's, which is the peer of a point-to-point address.
	// IPv6 has IFA_LOCAL only where the two differ.
	if !address.IsValid() {
		address = local
	}
	if !local.IsValid() {
		local = address
	}
	if !local.IsValid() || bits > address.BitLen() {
		return nil, errMalformed
	}
	list = append(list, netip.PrefixFrom(local, local.BitLen()))
	if bits > 0 { // a prefix of no bits connects nothing (fib_add_ifaddr)
		list = append(list, netip.PrefixFrom(address, bits).Masked())
	}
	return list, nil
}
