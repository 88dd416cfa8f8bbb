package nft

import (
	"encoding/binary"
	"fmt"
	"syscall"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// socket is what Writer and Reader need of a netlink socket, and where tests
// put a kernel that fails.
//
// nf_tables works in the caller's system call: when send returns, the request
// has been carried out and the replies wait in the queue; the rest of a dump is
// made while the part before it is received. So nothing here ever waits for a
// reply, and an empty queue means that there is none.
type socket interface {
	// send hands one datagram to the kernel. It returns when the kernel has
	// worked it off, which can't be interrupted.
	send(b []byte) error

	// receive takes one datagram from the queue; EAGAIN if there is none. What
	// does not fit into b is lost.
	receive(b []byte) (int, error)

	// portid is the socket's address, by which events tell who caused them.
	portid() uint32

	close() error
}

// netlinkSocket is a socket of mdlayher/netlink: opened, configured and closed
// through the library, but read and written through its file descriptor.
// Conn.SendMessages copies every message twice, and Conn.Receive allocates for
// each reply: measured for a commit of one element, these are 56 allocations of
// 2.8 KB in all, and none here.
type netlinkSocket struct {
	conn *netlink.Conn
	raw  syscall.RawConn

	// The arguments and results of write and read, functions that are made
	// once so that a call needs no closure.
	buf         []byte
	n           int
	err         error
	write, read func(fd uintptr) bool
}

// newSocket opens a socket of nfnetlink. The kernel cuts the buffers' sizes
// down to net.core.[rw]mem_max where it may not be told otherwise (rootless
// containers); the caller asks what it got.
func newSocket(o Options, sndbuf, rcvbuf int) (*netlinkSocket, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: o.NetNS})
	if err != nil {
		return nil, fmt.Errorf("opening a netlink socket: %w", err)
	}
	s := &netlinkSocket{conn: conn}
	if err := s.configure(sndbuf, rcvbuf); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("configuring a netlink socket: %w", err)
	}
	s.write = func(fd uintptr) bool {
		s.n, s.err = unix.Write(int(fd), s.buf)
		return true
	}
	s.read = func(fd uintptr) bool {
		s.n, s.err = unix.Read(int(fd), s.buf)
		return true
	}
	return s, nil
}

func (s *netlinkSocket) configure(sndbuf, rcvbuf int) (err error) {
	if s.raw, err = s.conn.SyscallConn(); err != nil {
		return err
	}
	if sndbuf > 0 {
		if err := s.conn.SetWriteBuffer(sndbuf); err != nil {
			return err
		}
	}
	if err := s.conn.SetReadBuffer(rcvbuf); err != nil {
		return err
	}
	// Errors with an explanation, without an echo of the request.
	if err := s.conn.SetOption(netlink.ExtendedAcknowledge, true); err != nil {
		return err
	}
	return s.conn.SetOption(netlink.CapAcknowledge, true)
}

// send is write(2): a netlink socket that is not connected sends to port 0,
// which is the kernel's.
func (s *netlinkSocket) send(b []byte) error {
	s.buf = b
	err := s.raw.Write(s.write)
	_, err = s.result(err)
	return err
}

func (s *netlinkSocket) receive(b []byte) (int, error) {
	s.buf = b
	return s.result(s.raw.Read(s.read))
}

// result is what the last call returned, unless it was not made because of err.
func (s *netlinkSocket) result(err error) (int, error) {
	s.buf = nil
	if err != nil {
		return 0, err
	}
	return s.n, s.err
}

func (s *netlinkSocket) portid() uint32 { return s.conn.PID() }

func (s *netlinkSocket) close() error { return s.conn.Close() }

// refusal is a negative reply.
type refusal struct {
	errno  syscall.Errno
	detail string
}

// reply reads the payload of an NLMSG_ERROR: a refusal, or, with errno 0, an
// acknowledgement. It reports false if m is no such message.
func reply(m message) (r refusal, ok bool) {
	const fixed = 4 + headerLen // struct nlmsgerr
	if m.typ != unix.NLMSG_ERROR || len(m.body) < fixed {
		return r, false
	}
	r.errno = syscall.Errno(-int32(binary.NativeEndian.Uint32(m.body)))
	if r.errno == 0 || m.flags&unix.NLM_F_ACK_TLVS == 0 {
		return r, true
	}
	tail := m.body[fixed:]
	if m.flags&unix.NLM_F_CAPPED == 0 {
		// The request's own payload comes first.
		echo := align(int(binary.NativeEndian.Uint32(m.body[4:]))) - headerLen
		if echo < 0 || echo > len(tail) {
			return r, true
		}
		tail = tail[echo:]
	}
	for a := attrsOf(tail); a.next(); {
		if a.typ == unix.NLMSGERR_ATTR_MSG {
			r.detail = string(a.text())
		}
	}
	return r, true
}
