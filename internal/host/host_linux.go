package host

import (
	"context"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"
)

// retryAfter is how long a failure to follow the kernel is waited out. Changes
// meanwhile are not lost, everything is read again.
const retryAfter = time.Second

// Host is the machine's addresses, as they are at the moment. Its methods may be
// called from several goroutines.
type Host struct {
	state  atomic.Pointer[state]
	cancel context.CancelFunc
	done   chan struct{}
}

// state is what is known. It is replaced, never changed.
type state struct {
	*prefixes
	err error // why it may be of yesterday
}

// Open reads the addresses in the network namespace of the calling thread, and
// follows their changes from then on. It needs no privileges.
func Open() (*Host, error) { return open(0) }

// open is Open in the namespace of a file descriptor, or in the own one for 0.
func open(netns int) (*Host, error) {
	c, err := dial(netns)
	if err != nil {
		return nil, err
	}
	list, err := c.addresses()
	if err != nil {
		c.close()
		return nil, err
	}
	return start(list, c, func() (*conn, error) { return dial(netns) }), nil
}

// start begins to follow changes of list over c.
func start(list []netip.Prefix, c *conn, dial func() (*conn, error)) *Host {
	ctx, cancel := context.WithCancel(context.Background())
	h := &Host{cancel: cancel, done: make(chan struct{})}
	h.set(list)
	go h.run(ctx, c, dial)
	return h
}

// Contains tells whether a is an address of this host or of a network directly
// connected to it. An IPv4-mapped IPv6 address counts as its IPv4 address. It
// takes no lock, allocates nothing, and can be asked for every answer.
func (h *Host) Contains(a netip.Addr) bool { return h.state.Load().contains(a.Unmap()) }

// Err tells why changes are not followed at present. It is nil unless the kernel
// failed; then Contains says what was true before, and it is tried again every
// second.
func (h *Host) Err() error { return h.state.Load().err }

// Close stops following changes.
func (h *Host) Close() {
	h.cancel()
	<-h.done
}

func (h *Host) set(list []netip.Prefix) {
	h.state.Store(&state{prefixes: newPrefixes(list)})
}

func (h *Host) fail(err error) {
	h.state.Store(&state{prefixes: h.state.Load().prefixes, err: err})
}

// run follows changes over c, and over a new one whenever the old one fails.
func (h *Host) run(ctx context.Context, c *conn, dial func() (*conn, error)) {
	defer close(h.done)
	for {
		err := h.follow(ctx, c)
		for c = nil; c == nil; {
			if ctx.Err() != nil {
				return
			}
			h.fail(fmt.Errorf("following the host's addresses: %w", err))
			select {
			case <-ctx.Done():
			case <-time.After(retryAfter):
				c, err = dial()
			}
		}
	}
}

// follow reads the addresses now and after every change, until ctx ends or
// something fails. It closes c.
//
// Changes are only counted as such: whatever they were, and whether some were
// lost, the list that is read afterwards is right. Changes that come while it is
// read are one change.
func (h *Host) follow(ctx context.Context, c *conn) error {
	changed, ended, done := make(chan struct{}, 1), make(chan error, 1), make(chan struct{})
	go func() {
		defer close(done)
		ended <- c.watch(changed)
	}()
	fail := func(err error) error {
		c.close()
		<-done
		return err
	}
	for {
		list, err := c.addresses()
		if err != nil {
			return fail(err)
		}
		h.set(list)
		select {
		case <-changed:
		case <-ctx.Done():
			return fail(ctx.Err())
		case err := <-ended:
			c.close()
			return err
		}
	}
}
