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
	info, err := infoOf(conn)
	if err != nil {
		return err
	}
	if info.Total_retrans > 0 {
		return fmt.Errorf("%v: %w", conn.RemoteAddr(), errRepeated)
	}
	return nil
}

// Acknowledged tells whether all that was written to a TCP connection has
// arrived at its other end.
func Acknowledged(conn net.Conn) (bool, error) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return false, fmt.Errorf("a %T, not TCP", conn)
	}
	info, err := infoOf(tcp)
	if err != nil {
		return false, err
	}
	return info.Unacked == 0 && info.Notsent_bytes == 0, nil
}

// infoOf is what the kernel knows of a connection.
func infoOf(conn *net.TCPConn) (*unix.TCPInfo, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	var info *unix.TCPInfo
	var infoErr error
	err = raw.Control(func(fd uintptr) {
		info, infoErr = unix.GetsockoptTCPInfo(int(fd), syscall.IPPROTO_TCP, unix.TCP_INFO)
	})
	switch {
	case err != nil:
		return nil, err
	case infoErr != nil:
		return nil, fmt.Errorf("getsockopt TCP_INFO: %w", infoErr)
	}
	return info, nil
}
