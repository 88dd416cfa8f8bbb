package nft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

const (
	// watchBuffer is the receive buffer to ask for: what a transaction with some
	// ten thousand elements takes, should deliver be slow.
	watchBuffer = 8 << 20

	// eventMax bounds the events that one transaction is told in.
	eventMax = 4096

	// eventsKept bounds the memory that is kept for the next transaction.
	eventsKept = 256
)

// Watcher reports what others change in nf_tables. It has a socket and a
// goroutine of its own.
//
// What happened since Watch returned is reported: whoever reads a set after that
// and then follows the events misses nothing.
type Watcher struct {
	sock    *netlinkSocket
	deliver func(Event)
	closing atomic.Bool
	done    chan struct{}

	// The goroutine's own.
	in      []byte
	pending transaction
}

// Watch opens a Watcher, which calls deliver for every change by sockets other
// than those with the ignored portids: a Writer's own commits are not news.
//
// Events come in order, those of one transaction together when it is complete,
// from one goroutine. deliver may block; what does not fit into the socket's
// buffer meanwhile is lost, and reported as an Overrun. It must not call Close.
func Watch(o Options, ignore []uint32, deliver func(Event)) (*Watcher, error) {
	s, err := newSocket(o, 0, watchBuffer)
	if err != nil {
		return nil, err
	}
	w := &Watcher{sock: s, deliver: deliver, done: make(chan struct{}), in: make([]byte, receiveLen)}
	s.read = w.read(s)
	if err := w.Ignore(ignore...); err != nil {
		_ = s.close()
		return nil, err
	}
	if err := s.conn.JoinGroup(unix.NFNLGRP_NFTABLES); err != nil {
		_ = s.close()
		if errors.Is(err, unix.EPERM) {
			return nil, fmt.Errorf("CAP_NET_ADMIN is missing in the user namespace of the network namespace: %w", unix.EPERM)
		}
		return nil, fmt.Errorf("joining the group of nf_tables events: %w", err)
	}
	go w.run()
	return w, nil
}

// read makes receive wait for the next event, other than a Writer's, which
// takes an empty queue for the end of the replies.
func (w *Watcher) read(s *netlinkSocket) func(uintptr) bool {
	return func(fd uintptr) bool {
		s.n, s.err = unix.Read(int(fd), s.buf)
		return !errors.Is(s.err, unix.EAGAIN)
	}
}

// Ignore replaces the portids whose changes are not reported, from the next
// commit on. It is to be called with a new Writer's before its first commit.
func (w *Watcher) Ignore(portids ...uint32) error {
	filter, err := ignoring(portids)
	if err != nil {
		return err
	}
	if err := w.sock.conn.SetBPF(filter); err != nil {
		return fmt.Errorf("filtering own nf_tables events: %w", err)
	}
	return nil
}

// ignoring is a socket filter that drops messages of the portids. A datagram of
// events is of one transaction and so of one portid, the one in its first
// message.
func ignoring(portids []uint32) ([]bpf.RawInstruction, error) {
	const portidOffset = 12 // in struct nlmsghdr
	program := []bpf.Instruction{bpf.LoadAbsolute{Off: portidOffset, Size: 4}}
	for _, id := range portids {
		// The filter loads in network order what is in the machine's.
		b := binary.NativeEndian.AppendUint32(nil, id)
		program = append(program,
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: binary.BigEndian.Uint32(b), SkipTrue: 1},
			bpf.RetConstant{Val: 0})
	}
	program = append(program, bpf.RetConstant{Val: 1<<32 - 1})
	return bpf.Assemble(program)
}

// Close ends the Watcher. When it returns, deliver is not and will not be
// called.
func (w *Watcher) Close() error {
	w.closing.Store(true)
	err := w.sock.close()
	<-w.done
	return err
}

func (w *Watcher) run() {
	defer close(w.done)
	for {
		n, err := w.sock.receive(w.in)
		switch {
		case err == nil && cut(n, w.in):
			w.overrun()
		case err == nil:
			w.handle(w.in[:n])
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.ENOBUFS):
			w.overrun()
		case w.closing.Load():
			return
		default:
			w.deliver(Event{Kind: Ended, Err: fmt.Errorf("watching nf_tables: %w", err)})
			return
		}
	}
}

// drainMax bounds the datagrams that overrun takes out of the queue: more than
// the receive buffer holds.
const drainMax = watchBuffer / 256

// overrun reports a loss, after throwing away what is still queued: the kernel
// tells of the loss first, but these events are of before it.
func (w *Watcher) overrun() {
	for range drainMax {
		if !w.discard() {
			break
		}
	}
	w.pending.reset()
	w.deliver(Event{Kind: Overrun})
}

// discard takes one datagram out of the queue, or another report of a loss. It
// reports false if there is none.
func (w *Watcher) discard() (more bool) {
	_ = w.sock.raw.Read(func(fd uintptr) bool {
		_, err := unix.Read(int(fd), w.in)
		more = err == nil || err == unix.ENOBUFS || err == unix.EINTR
		return true
	})
	return more
}

// handle takes in one datagram of events.
func (w *Watcher) handle(b []byte) {
	for len(b) > 0 {
		m, rest, ok := nextMessage(b)
		if !ok {
			w.overrun()
			return
		}
		b = rest
		if w.pending.add(m) {
			w.pending.flush(w.deliver)
		}
	}
}
