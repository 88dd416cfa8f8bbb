//go:build linux

package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// AcceptInside serves port at every address of the client namespace: it accepts,
// and closes.
func (l *Lab) AcceptInside(port int) {
	l.t.Helper()
	var listener net.Listener
	err := l.Client.Do(func() (err error) {
		listener, err = net.Listen("tcp", fmt.Sprint(":", port))
		return err
	})
	if err != nil {
		l.t.Fatalf("%v", err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed below
			}
			conn.Close()
		}
	}()
	l.t.Cleanup(func() {
		listener.Close()
		<-done
	})
}

// ComeIn connects from an address of the wide area to client 0, with one SYN.
func (l *Lab) ComeIn(from string, port int) error {
	return l.Wide.Do(func() error {
		addr, err := netip.ParseAddr(from)
		if err != nil {
			return err
		}
		to := clientAddr(0, addr)
		d := net.Dialer{Timeout: KnockLimit, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)), Control: freebind}
		conn, err := d.Dial("tcp", netip.AddrPortFrom(to, uint16(port)).String())
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

// freebind lets a socket have an IPv6 address that is local by its prefix alone.
func freebind(_, _ string, c syscall.RawConn) error {
	var set error
	err := c.Control(func(fd uintptr) { set = unix.SetsockoptInt(int(fd), unix.SOL_IPV6, unix.IPV6_FREEBIND, 1) })
	if errors.Is(set, unix.ENOPROTOOPT) { // IPv4
		set = nil
	}
	return errors.Join(err, set)
}
