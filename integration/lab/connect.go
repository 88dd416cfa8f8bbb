//go:build linux

package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// connectLimit is how long a connection that is expected to come about may
	// take. Whether its first packet got through is not measured by the clock.
	connectLimit = 5 * time.Second
	// KnockLimit is shorter than the time after which a SYN is repeated (1 s,
	// RFC 6298 section 2), so that who gives up after it has sent one.
	KnockLimit = 900 * time.Millisecond
)

// errRepeated tells that the connection came about, and yet the first packet was
// lost.
var errRepeated = errors.New("the first SYN was lost")

// Connect opens a TCP connection from client i of the lab, and resets it. It is
// an error if the first SYN did not suffice.
func (l *Lab) Connect(i int, to netip.Addr, port int) error {
	return l.Client.Do(func() error { return connect(clientAddr(i, to), to, port, connectLimit) })
}

// Knock is Connect where nobody is expected to answer: it gives up before a
// second SYN.
func (l *Lab) Knock(i int, to netip.Addr, port int) error {
	return l.Client.Do(func() error { return connect(clientAddr(i, to), to, port, KnockLimit) })
}

// clientAddr is the address of client i that can reach addr.
func clientAddr(i int, addr netip.Addr) netip.Addr {
	if addr.Is6() {
		return Client6(i)
	}
	return Client4(i)
}

func connect(from, to netip.Addr, port int, limit time.Duration) error {
	d := net.Dialer{Timeout: limit, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), KeepAlive: -1}
	d.SetMultipathTCP(false)
	conn, err := d.Dial("tcp", net.JoinHostPort(to.String(), strconv.Itoa(port)))
	if err != nil {
		return err
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return fmt.Errorf("a %T, not TCP", conn)
	}
	// A reset leaves no TIME_WAIT, neither here nor there.
	return errors.Join(oneSYN(tcp), tcp.SetLinger(0), tcp.Close())
}

// oneSYN asks the kernel whether anything had to be repeated.
func oneSYN(conn *net.TCPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var info *unix.TCPInfo
	var infoErr error
	err = raw.Control(func(fd uintptr) {
		info, infoErr = unix.GetsockoptTCPInfo(int(fd), syscall.IPPROTO_TCP, unix.TCP_INFO)
	})
	switch {
	case err != nil:
		return err
	case infoErr != nil:
		return fmt.Errorf("getsockopt TCP_INFO: %w", infoErr)
	case info.Total_retrans > 0:
		return fmt.Errorf("%v: %w", conn.RemoteAddr(), errRepeated)
	}
	return nil
}
