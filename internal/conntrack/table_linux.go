package conntrack

import (
	"errors"
	"fmt"
	"sync"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

const (
	// filteredMax is up to how many addresses the kernel is asked for their
	// entries alone. For each it walks its table three times, of 262 144 buckets
	// on most machines: with four that takes as long as to read 20 000 entries.
	filteredMax = 4

	// victimsMax is how many entries are remembered before they are deleted;
	// they take 200 bytes each.
	victimsMax = 1 << 14

	// passesMax is how often the table is read for one Kill: a million
	// connections of one flow can be ended.
	passesMax = 64

	// deletesMax is how many deletions are in one datagram. Each has a reply,
	// which the kernel charges to the receive buffer with about 1 KiB, and that
	// may be as small as 208 KiB (net.core.rmem_default).
	deletesMax = 64

	// receiveLen is the longest datagram that the kernel makes for a dump
	// (netlink_recvmsg).
	receiveLen = 32 << 10
)

// Table is the kernel's table of connections, over one socket that lasts:
// closing a netfilter socket makes everybody wait for an RCU grace period. It is
// safe for use by several goroutines, whose kills it does one after the other.
//
// The kernel answers within the request. If it has no memory for a reply the
// next receive fails (netlink_ack), so that none waits for ever.
type Table struct {
	dial func() (*netlink.Conn, error)

	mu     sync.Mutex // guards what follows
	conn   *netlink.Conn
	broken bool // replies may still come, for which nobody waits: to be opened anew
}

// Open opens the table of the network namespace that the file descriptor netns
// stands for; 0 is the calling thread's. It returns ErrUnavailable if there is
// none. The process needs CAP_NET_ADMIN.
func Open(netns int) (*Table, error) {
	t := &Table{dial: func() (*netlink.Conn, error) {
		return netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: netns, MessageBufferSize: receiveLen})
	}}
	if err := t.open(); err != nil {
		return nil, fmt.Errorf("opening the connection table: %w", err)
	}
	return t, nil
}

// open dials, and asks for statistics to see that somebody answers: what
// nfnetlink says without a module for connections is what it says of bad
// requests.
func (t *Table) open() error {
	conn, err := t.dial()
	if err == nil {
		if _, err = conn.Execute(statistics()); err == nil {
			t.conn, t.broken = conn, false
			return nil
		}
		_ = conn.Close()
	}
	for _, errno := range []error{unix.EINVAL, unix.EOPNOTSUPP, unix.EPROTONOSUPPORT} {
		if errors.Is(err, errno) {
			return fmt.Errorf("%w (%w)", ErrUnavailable, err)
		}
	}
	return err
}

// Close closes the socket.
func (t *Table) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.conn.Close()
}

// Kill ends the connections of the flows and tells how many there were. Flows
// without a valid address are of none. Connections that end by themselves
// meanwhile are none of those that it has killed, and no error.
//
// What belongs to a flow has its address as the source or the destination, and
// its service as the destination's port, as the packets of the connection's
// opener have them: before destination NAT or after it, since rules see the
// former in prerouting and the latter in forward.
func (t *Table) Kill(flows []Flow) (killed int, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.broken {
		old := t.conn
		if err := t.open(); err != nil {
			return 0, fmt.Errorf("opening the connection table: %w", err)
		}
		_ = old.Close()
	}
	wanted := indexOf(flows)
	for _, request := range wanted.requests() {
		n, err := t.killAll(request, &wanted)
		killed += n
		if err != nil {
			return killed, fmt.Errorf("ending connections: %w", err)
		}
	}
	return killed, nil
}

// killAll deletes the entries of one dump that are wanted.
func (t *Table) killAll(dump netlink.Message, wanted *index) (killed int, err error) {
	for range passesMax {
		victims, complete, err := t.find(dump, wanted)
		if err != nil {
			return killed, err
		}
		n, err := t.deleteAll(victims)
		killed += n
		if complete || err != nil {
			return killed, err
		}
	}
	return killed, ErrInterrupted
}

// find reads the table and makes a deletion for each wanted entry. It is not
// complete if there were too many, or if the reading was disturbed.
func (t *Table) find(dump netlink.Message, wanted *index) (victims []netlink.Message, complete bool, err error) {
	if _, err := t.conn.Send(dump); err != nil {
		return nil, false, t.breaks(err)
	}
	complete = true
	for m, err := range t.conn.ReceiveIter() {
		if err != nil {
			return nil, false, t.breaks(err)
		}
		if m.Header.Flags&netlink.DumpInterrupted != 0 {
			complete = false
		}
		e, ok := decode(m.Data)
		if !ok || !wanted.has(&e) {
			continue
		}
		if len(victims) == victimsMax {
			complete = false
			continue
		}
		victims = append(victims, deletion(m.Data[0], &e))
	}
	return victims, complete, nil
}

// deleteAll deletes entries, and doesn't mind those that are gone. Any other
// refusal is returned once the others are deleted.
func (t *Table) deleteAll(victims []netlink.Message) (killed int, err error) {
	for len(victims) > 0 {
		n := min(len(victims), deletesMax)
		if _, err := t.conn.SendMessages(victims[:n]); err != nil {
			return killed, t.breaks(err)
		}
		victims = victims[n:]
		for range n {
			_, failed := t.conn.Receive()
			var refusal *netlink.OpError
			switch {
			case failed == nil:
				killed++
			case errors.Is(failed, unix.ENOENT):
			case errors.As(failed, &refusal) && refusal.Sequence != 0:
				err = failed
			default:
				return killed, t.breaks(failed)
			}
		}
	}
	return killed, err
}

// breaks notes that replies may be left over.
func (t *Table) breaks(err error) error {
	t.broken = true
	return err
}
