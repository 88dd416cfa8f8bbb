package nft

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/namewall/namewall/internal/set"
	"golang.org/x/sys/unix"
)

// receiveLen is just more than the longest datagram that the kernel makes, the
// part of a dump that it fits to the buffer of the last read, less some hundred
// bytes (netlink_recvmsg). Shorter reads make it walk a big set so much oftener,
// from the beginning each time (nft_rhash_walk).
const receiveLen = 32 << 10

// cut tells whether a datagram of n bytes has been cut off to fit into b. It may
// end with a whole message all the same.
func cut(n int, b []byte) bool { return n >= len(b) }

// link is a socket with what a conversation over it needs. It is used by one
// goroutine at a time.
type link struct {
	sock socket
	enc  encoder
	in   []byte
	seq  uint32
}

func newLink(s socket) link {
	return link{sock: s, in: make([]byte, receiveLen)}
}

// nextSeq is a number for a message of ours. Replies carry it.
func (l *link) nextSeq() uint32 {
	l.seq++
	return l.seq
}

// send sends what has been encoded. An error that is no ErrBroken means that
// nothing has been done.
func (l *link) send() error {
	switch err := l.sock.send(l.enc.buf); {
	case err == nil:
		return nil
	case errors.Is(err, unix.EMSGSIZE), errors.Is(err, unix.ENOBUFS), errors.Is(err, unix.ENOMEM):
		// Too long for the send buffer, or no memory for a copy
		// (netlink_sendmsg).
		return fmt.Errorf("sending to nf_tables: %w", err)
	default:
		return broken("sending to nf_tables: %w", err)
	}
}

// receive is the next datagram of replies, nil if there are no more. It is
// valid until the next call.
func (l *link) receive() ([]byte, error) {
	for {
		n, err := l.sock.receive(l.in)
		switch {
		case err == nil && cut(n, l.in):
			return nil, broken("reply of nf_tables is cut off: %w", errMalformed)
		case err == nil && n > 0:
			return l.in[:n], nil
		case err == nil:
			return nil, broken("empty reply of nf_tables: %w", errMalformed)
		case errors.Is(err, unix.EAGAIN):
			return nil, nil
		case errors.Is(err, unix.EINTR):
		default:
			// ENOBUFS: replies are lost, for want of memory or room.
			return nil, broken("receiving from nf_tables: %w", err)
		}
	}
}

// take is the first message of a datagram and what follows it.
func (l *link) take(b []byte) (m message, rest []byte, err error) {
	m, rest, ok := nextMessage(b)
	if !ok {
		return m, nil, broken("reply of nf_tables: %w", errMalformed)
	}
	return m, rest, nil
}

// broken is an error after which the socket is of no use.
func broken(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrBroken, fmt.Errorf(format, args...))
}

// askMax is how many requests go into one datagram; the replies have to fit
// into the receive buffer.
const askMax = 64

// ask looks elements up by their keys and calls found for those that are there.
// Without a set it returns ErrNoSet. It waits for nobody: the kernel answers
// without its commit mutex.
func (l *link) ask(id set.ID, keys []set.Key, unset time.Duration, found func(Element)) error {
	for len(keys) > 0 {
		n := min(len(keys), askMax)
		if err := l.askSome(id, keys[:n], unset, found); err != nil {
			return err
		}
		keys = keys[n:]
	}
	return nil
}

func (l *link) askSome(id set.ID, keys []set.Key, unset time.Duration, found func(Element)) error {
	// A missing element and a missing set are the same error, so the set is
	// asked for first. One request for several elements would end at the first
	// missing one (nf_tables_getsetelem).
	l.enc.reset()
	first := l.nextSeq()
	l.encodeGetSet(id, first)
	for i := range keys {
		at := l.enc.setElems(unix.NFT_MSG_GETSETELEM, unix.NLM_F_REQUEST, l.nextSeq(), id)
		l.enc.elem(&keys[i])
		l.enc.close(at)
		l.enc.end()
	}
	if err := l.send(); err != nil {
		return err
	}
	var failed error
	answered := 0
	for {
		b, err := l.receive()
		if err != nil {
			return err
		}
		if b == nil {
			break
		}
		for len(b) > 0 {
			var m message
			if m, b, err = l.take(b); err != nil {
				return err
			}
			i := m.seq - first
			if i > uint32(len(keys)) {
				return broken("reply to an unknown request: %w", errMalformed)
			}
			answered++
			if r, ok := reply(m); ok {
				if failed == nil && (i == 0 || r.errno != unix.ENOENT) {
					failed = readError(id, r.errno)
				}
				continue
			}
			if m.typ != nfType(unix.NFT_MSG_NEWSETELEM) {
				continue
			}
			e, err := decodeElements(m)
			if err != nil {
				return broken("reply of nf_tables: %w", err)
			}
			el, ok, err := e.next(unset)
			if err != nil {
				return broken("reply of nf_tables: %w", err)
			}
			if ok {
				found(el)
			}
		}
	}
	if failed == nil && answered <= len(keys) {
		return broken("%d replies to %d requests: %w", answered, len(keys)+1, errMalformed)
	}
	return failed
}

// encodeGetSet asks for a set's declaration.
func (l *link) encodeGetSet(id set.ID, seq uint32) {
	l.enc.begin(nfType(unix.NFT_MSG_GETSET), unix.NLM_F_REQUEST, seq, id.Family, 0)
	l.enc.text(unix.NFTA_SET_TABLE, id.Table)
	l.enc.text(unix.NFTA_SET_NAME, id.Name)
	l.enc.end()
}

// readError is the kernel's refusal to tell something about a set.
func readError(id set.ID, errno syscall.Errno) error {
	if errno == unix.ENOENT {
		return fmt.Errorf("%s: %w: %w", id, ErrNoSet, errno)
	}
	return fmt.Errorf("reading %s: %w", id, errno)
}

// set reads one set's declaration.
func (l *link) set(id set.ID) (s Set, err error) {
	l.enc.reset()
	l.encodeGetSet(id, l.nextSeq())
	if err := l.send(); err != nil {
		return Set{}, err
	}
	answered := false
	var failed error
	for {
		b, err := l.receive()
		if err != nil {
			return Set{}, err
		}
		if b == nil {
			break
		}
		for len(b) > 0 {
			var m message
			if m, b, err = l.take(b); err != nil {
				return Set{}, err
			}
			if r, ok := reply(m); ok {
				failed = readError(id, r.errno)
			} else if s, err = decodeSet(m); err != nil {
				failed = broken("set %s: %w", id, err)
			}
			answered = true
		}
	}
	if failed != nil {
		return Set{}, failed
	}
	if !answered {
		return Set{}, broken("no reply about set %s: %w", id, errMalformed)
	}
	return s, nil
}

// count is how many elements a set has, expired ones included, -1 if that can't
// be told. If it is because of the link, its next use fails too.
func (l *link) count(id set.ID) int {
	s, err := l.set(id)
	if err != nil {
		return -1
	}
	return s.Count
}

func (l *link) encodeDumpSets() {
	l.enc.reset()
	l.enc.begin(nfType(unix.NFT_MSG_GETSET), unix.NLM_F_REQUEST|unix.NLM_F_DUMP, l.nextSeq(), unix.NFPROTO_UNSPEC, 0)
	l.enc.end()
}

func (l *link) encodeDumpElements(id set.ID) {
	l.enc.reset()
	l.enc.begin(nfType(unix.NFT_MSG_GETSETELEM), unix.NLM_F_REQUEST|unix.NLM_F_DUMP, l.nextSeq(), id.Family, 0)
	l.enc.text(unix.NFTA_SET_ELEM_LIST_TABLE, id.Table)
	l.enc.text(unix.NFTA_SET_ELEM_LIST_SET, id.Name)
	l.enc.end()
}
