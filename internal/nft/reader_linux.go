package nft

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"syscall"

	"github.com/namewall/namewall/internal/set"
	"golang.org/x/sys/unix"
)

// dumpTries is how often a dump that was interrupted is begun anew. Every
// commit in the namespace interrupts every dump, so that more would not help.
const dumpTries = 5

// Reader tells what sets there are and what they hold. It is safe for use by
// several goroutines, whose requests it takes one after the other. The kernel
// answers without its commit mutex, so that a long transaction of others delays
// no answer.
type Reader struct {
	open func() (socket, error)

	mu   sync.Mutex // guards what follows
	link link
	bad  bool // the link is broken, and must be opened anew
}

// OpenReader opens a Reader.
func OpenReader(o Options) (*Reader, error) {
	return newReader(func() (socket, error) { return newSocket(o, 0, receiveBuffer) })
}

func newReader(open func() (socket, error)) (*Reader, error) {
	s, err := open()
	if err != nil {
		return nil, err
	}
	return &Reader{open: open, link: newLink(s)}, nil
}

// Close closes the Reader's socket.
func (r *Reader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.link.sock.close()
}

// Set reads how a set is declared; ErrNoSet if it is not.
func (r *Reader) Set(id set.ID) (s Set, err error) {
	err = r.do(func(l *link) error {
		s, err = l.set(id)
		return err
	})
	return s, err
}

// Sets reads all sets that have names, in no particular order.
func (r *Reader) Sets() (sets []Set, err error) {
	err = r.do(func(l *link) error {
		return l.dump(func() { sets = nil; l.encodeDumpSets() }, func(m message) error {
			s, err := decodeSet(m)
			if err == nil && !s.anonymous {
				sets = append(sets, s)
			}
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("reading sets: %w", err)
	}
	return sets, nil
}

// Elements calls fn for every element of s; if fn fails, that is the error.
//
// fn must not call the Reader. Every commit in the namespace disturbs a reading: it then begins anew, so that fn may
// be told of an element several times, of which the last counts, and of one
// that is deleted meanwhile. If no reading remains undisturbed, it returns
// ErrInterrupted, and fn may have missed elements. The time grows with the
// square of the set's size: 100 000 elements take a third of a second.
func (r *Reader) Elements(s Set, fn func(Element) error) error {
	if err := s.Usable(); err != nil {
		return err
	}
	err := r.do(func(l *link) error {
		return l.dump(func() { l.encodeDumpElements(s.ID) }, func(m message) error {
			list, err := decodeElements(m)
			for err == nil {
				var e Element
				var ok bool
				if e, ok, err = list.next(s.Default); err != nil || !ok {
					break
				}
				if err := fn(e); err != nil {
					return &callerError{err}
				}
			}
			return err
		})
	})
	var own *callerError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		return own.error
	case errors.Is(err, unix.ENOENT):
		return readError(s.ID, unix.ENOENT)
	}
	return fmt.Errorf("reading %s: %w", s.ID, err)
}

// Get reads those of the elements that are there. It returns ErrNoSet if the
// set is not.
func (r *Reader) Get(s Set, keys ...set.Key) (found []Element, err error) {
	err = r.do(func(l *link) error {
		return l.ask(s.ID, keys, s.Default, func(e Element) { found = append(found, e) })
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// do runs one conversation, over a new socket if the old one broke.
func (r *Reader) do(talk func(*link) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bad {
		s, err := r.open()
		if err != nil {
			return err
		}
		_ = r.link.sock.close()
		r.link, r.bad = newLink(s), false
	}
	err := talk(&r.link)
	r.bad = errors.Is(err, ErrBroken)
	return err
}

// callerError is an error that Elements was given, not found.
type callerError struct{ error }

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

func (l *link) encodeDumpSets() {
	l.enc.begin(nfType(unix.NFT_MSG_GETSET), unix.NLM_F_REQUEST|unix.NLM_F_DUMP, l.nextSeq(), unix.NFPROTO_UNSPEC, 0)
	l.enc.end()
}

func (l *link) encodeDumpElements(id set.ID) {
	l.enc.begin(nfType(unix.NFT_MSG_GETSETELEM), unix.NLM_F_REQUEST|unix.NLM_F_DUMP, l.nextSeq(), id.Family, 0)
	l.enc.text(unix.NFTA_SET_ELEM_LIST_TABLE, id.Table)
	l.enc.text(unix.NFTA_SET_ELEM_LIST_SET, id.Name)
	l.enc.end()
}

// dump asks for a list, and calls each for its messages until the list was read
// without a change in between. encode makes the request, anew for every try.
func (l *link) dump(encode func(), each func(message) error) error {
	for range dumpTries {
		l.enc.reset()
		encode()
		if err := l.send(); err != nil {
			return err
		}
		interrupted, err := l.list(each)
		if err != nil || !interrupted {
			return err
		}
	}
	return ErrInterrupted
}

// list reads the replies of a dump to the end, also after each has failed: what
// is not read now would come before the next reply.
//
// A change in between shows in the ruleset's generation, of which every message
// has the lower half. The flag that netlink has for this is not set for elements
// by all kernels (nf_tables_dump_set).
func (l *link) list(each func(message) error) (interrupted bool, err error) {
	var failed error
	generation := -1
	for {
		b, err := l.receive()
		if err != nil {
			return false, err
		}
		if b == nil {
			return false, broken("list without an end: %w", errMalformed)
		}
		for len(b) > 0 {
			var m message
			if m, b, err = l.take(b); err != nil {
				return false, err
			}
			if m.seq != l.seq {
				return false, broken("list: %w", errMalformed)
			}
			interrupted = interrupted || m.flags&unix.NLM_F_DUMP_INTR != 0
			r, refused := reply(m)
			switch {
			case refused:
				return false, cmp.Or(failed, error(r.errno))
			case m.typ == unix.NLMSG_DONE:
				return interrupted, cmp.Or(failed, doneError(m))
			case failed == nil:
				failed = each(m)
			}
			if g := m.generation(); generation < 0 {
				generation = g
			} else if g != generation {
				interrupted = true
			}
		}
	}
}

// doneError is the error that a dump ended with, if any.
func doneError(m message) error {
	if len(m.body) < 4 {
		return nil
	}
	if n := int32(binary.NativeEndian.Uint32(m.body)); n < 0 {
		return syscall.Errno(-n)
	}
	return nil
}
