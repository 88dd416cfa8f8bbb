package nft

import (
	"errors"
	"fmt"
	"sync"

	"github.com/namewall/namewall/internal/set"
	"golang.org/x/sys/unix"
)

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
		return l.dump(listing{
			request: func() { sets = nil; l.encodeDumpSets() },
			message: func(m message) error {
				s, err := decodeSet(m)
				if err == nil && !s.anonymous {
					sets = append(sets, s)
				}
				return err
			},
		})
	})
	if err != nil {
		return nil, fmt.Errorf("reading sets: %w", err)
	}
	return sets, nil
}

// Elements calls fn for every element of s; if fn fails, that is the error. fn
// must not call the Reader.
//
// Every commit in the namespace disturbs a reading, and so does the kernel when
// it resizes the set's table. Elements then begins anew, so that fn may be told
// of an element several times, of which the last counts, and of one that is gone
// meanwhile. If no reading remains undisturbed, it returns ErrInterrupted, and
// fn may have missed elements. The time grows with the square of the set's size:
// 100 000 elements take a third of a second, and twice that where the kernel
// doesn't count them (Features.Count), so that they have to be read twice.
func (r *Reader) Elements(s Set, fn func(Element) error) error {
	if err := s.Usable(); err != nil {
		return err
	}
	err := r.do(func(l *link) error {
		sums := checksums{count: func() int { return l.count(s.ID) }}
		return l.dump(listing{
			request: func() { sums.next(); l.encodeDumpElements(s.ID) },
			message: func(m message) error {
				list, err := decodeElements(m)
				for err == nil {
					var e Element
					var ok bool
					if e, ok, err = list.next(s.Default); err != nil || !ok {
						break
					}
					sums.add(e)
					if err := fn(e); err != nil {
						return &callerError{err}
					}
				}
				return err
			},
			complete: sums.complete,
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
