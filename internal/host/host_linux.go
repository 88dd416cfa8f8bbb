package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Host follows the addresses of the network namespace in which it was opened.
// Contains may be called from any number of goroutines.
type Host struct {
	current atomic.Pointer[table]
	events  *netlink.Conn
	reads   *netlink.Conn
	closing chan struct{}
	done    sync.WaitGroup
}

// Open reads the addresses and follows their changes until Close.
func Open() (*Host, error) {
	// Events come first, so that no change falls between the read and them.
	events, err := netlink.Dial(unix.NETLINK_ROUTE, &netlink.Config{
		Groups: unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR,
	})
	if err != nil {
		return nil, fmt.Errorf("opening rtnetlink: %w", err)
	}
	reads, err := netlink.Dial(unix.NETLINK_ROUTE, nil)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening rtnetlink: %w", err), events.Close())
	}
	h := &Host{events: events, reads: reads, closing: make(chan struct{})}
	if err := h.read(); err != nil {
		return nil, errors.Join(err, events.Close(), reads.Close())
	}
	h.done.Go(h.follow)
	return h, nil
}

// Contains tells whether a is an address of this machine, of a network that it
// is directly connected to, or of a point-to-point link's other end. It takes
// no lock and allocates nothing.
func (h *Host) Contains(a netip.Addr) bool { return h.current.Load().contains(a) }

// Close ends the following.
func (h *Host) Close() error {
	close(h.closing)
	err := h.events.Close()
	h.done.Wait()
	return errors.Join(err, h.reads.Close())
}

// retry is the pause after a read that failed; what was read last stays in use.
const retry = time.Second

// follow reads everything again after a change. Changes are rare and the list
// is short, while following each one would have to trust that none was lost.
func (h *Host) follow() {
	for {
		_, err := h.events.Receive()
		if err != nil && !errors.Is(err, unix.ENOBUFS) {
			// Closed, or as good as: then time has to stand in for events.
			if h.closed(retry) {
				return
			}
		}
		for h.read() != nil {
			if h.closed(retry) {
				return
			}
		}
	}
}

// closed waits and tells whether Close was called meanwhile.
func (h *Host) closed(pause time.Duration) bool {
	select {
	case <-h.closing:
		return true
	case <-time.After(pause):
		return false
	}
}

// read lists the addresses of all interfaces.
func (h *Host) read() error {
	request := netlink.Message{
		Header: netlink.Header{Type: unix.RTM_GETADDR, Flags: netlink.Request | netlink.Dump},
		Data:   make([]byte, unix.SizeofIfAddrmsg),
	}
	messages, err := h.reads.Execute(request)
	if err != nil {
		return fmt.Errorf("listing addresses: %w", err)
	}
	var prefixes []netip.Prefix
	for _, m := range messages {
		if m.Header.Type != unix.RTM_NEWADDR {
			continue
		}
		found, err := parse(m.Data)
		if err != nil {
			return fmt.Errorf("listing addresses: %w", err)
		}
		prefixes = append(prefixes, found...)
	}
	h.current.Store(newTable(prefixes))
	return nil
}

var errShort = errors.New("short message from the kernel")

// parse reads a struct ifaddrmsg and its attributes (rtnetlink(7)). IFA_LOCAL is
// the machine's own address; IFA_ADDRESS the other end of a point-to-point
// link, and elsewhere the same again. The prefix belongs to IFA_ADDRESS.
func parse(data []byte) ([]netip.Prefix, error) {
	if len(data) < unix.SizeofIfAddrmsg {
		return nil, errShort
	}
	bits := int(data[1])
	attributes, err := netlink.NewAttributeDecoder(data[unix.SizeofIfAddrmsg:])
	if err != nil {
		return nil, err
	}
	attributes.ByteOrder = binary.NativeEndian
	var prefixes []netip.Prefix
	for attributes.Next() {
		addr, ok := netip.AddrFromSlice(attributes.Bytes())
		switch {
		case !ok:
		case attributes.Type() == unix.IFA_LOCAL:
			prefixes = append(prefixes, netip.PrefixFrom(addr, addr.BitLen()))
		case attributes.Type() == unix.IFA_ADDRESS:
			prefixes = append(prefixes, netip.PrefixFrom(addr, min(bits, addr.BitLen())), netip.PrefixFrom(addr, addr.BitLen()))
		}
	}
	return prefixes, attributes.Err()
}
