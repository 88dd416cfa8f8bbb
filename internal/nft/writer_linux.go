package nft

import (
	"errors"
	"slices"

	"github.com/namewall/namewall/internal/set"
	"golang.org/x/sys/unix"
)

// Limits of a batch.
const (
	// batchMax bounds the operations of one commit, and thereby how long others
	// wait for the commit mutex: about a millisecond.
	batchMax = 1000

	// messageMax bounds the elements of one message: their list is an attribute,
	// whose length has 16 bits.
	messageMax = 65535 / 80

	// sendBuffer and receiveBuffer are what the socket asks for: a batch of
	// single messages with the longest names there can be, and a refusal for
	// each of them.
	sendBuffer    = 2 << 20
	receiveBuffer = 4 << 20

	// sendOverhead is what the kernel keeps of a send buffer for itself
	// (netlink_sendmsg).
	sendOverhead = 32

	// replyCost is what one reply takes of the receive buffer at most, socket
	// buffer header included (netlink_ack).
	replyCost = 2048
)

// Writer changes elements of sets. It has one lasting socket: opening and
// closing one costs up to tens of milliseconds each time, for everybody who
// uses nf_tables (nft_rcv_nl_event waits for an RCU grace period).
//
// A Writer is for one goroutine, and starts none.
type Writer struct {
	batch

	features Features
	steps    [Delete + 1][]step
	sendMax  int // bytes that a datagram may have
	replyMax int // messages that may be refused at once

	// Of the Commit that is under way; kept so as not to be allocated again.
	tasks  []task
	groups map[set.ID]int32
	spans  []span // by message of the batch
}

// step is one of the messages that make up an operation.
type step struct {
	message uint16 // NFT_MSG_*
	flags   uint16
	life    bool // elements have a timeout
	fresh   bool // and an expiration
}

// stepsFor is how each kind is done by a kernel with features f.
func stepsFor(f Features) (s [Delete + 1][]step) {
	const create = unix.NLM_F_REQUEST | unix.NLM_F_CREATE
	add := step{message: unix.NFT_MSG_NEWSETELEM, flags: create, life: true}
	del := step{message: unix.NFT_MSG_DELSETELEM, flags: unix.NLM_F_REQUEST}

	// Without NLM_F_EXCL the kernel would take an element that is there for
	// done (before 6.12), or overwrite its life (since).
	exclusive := add
	exclusive.flags |= unix.NLM_F_EXCL
	s[Add] = []step{exclusive}

	// An element that has just expired is none that could be deleted, and the
	// deletion would cost the batch. Adding it first makes sure of it; what is
	// added and deleted in one transaction is never seen by a lookup.
	remove := []step{add, del}

	if f.Update {
		fresh := add
		fresh.fresh = true
		s[Refresh] = []step{fresh}
	} else {
		s[Refresh] = append(remove[:2:2], add)
	}
	if f.Destroy {
		del.message = msgDestroySetElem
		remove = []step{del}
	}
	s[Delete] = remove
	return s
}

// OpenWriter opens a Writer, and finds out what the kernel can do unless the
// options say it. It fails with EPERM where CAP_NET_ADMIN is missing.
func OpenWriter(o Options) (*Writer, error) {
	s, err := newSocket(o, sendBuffer, receiveBuffer)
	if err != nil {
		return nil, err
	}
	sndbuf, err := s.conn.WriteBuffer()
	if err != nil {
		_ = s.close()
		return nil, err
	}
	rcvbuf, err := s.conn.ReadBuffer()
	if err != nil {
		_ = s.close()
		return nil, err
	}
	w := newWriter(s, sndbuf, rcvbuf)
	if o.Features != nil {
		w.use(*o.Features)
		return w, nil
	}
	f, err := probe(&w.batch)
	if err != nil {
		_ = s.close()
		return nil, err
	}
	w.use(f)
	return w, nil
}

func newWriter(s socket, sndbuf, rcvbuf int) *Writer {
	return &Writer{
		batch:    batch{link: newLink(s)},
		sendMax:  sndbuf - sendOverhead,
		replyMax: rcvbuf / replyCost,
		groups:   make(map[set.ID]int32),
	}
}

func (w *Writer) use(f Features) {
	w.features = f
	w.steps = stepsFor(f)
}

// Features tells what the kernel can do.
func (w *Writer) Features() Features { return w.features }

// Portid is the address of the Writer's socket, for Watch to ignore.
func (w *Writer) Portid() uint32 { return w.sock.portid() }

// Close closes the socket.
func (w *Writer) Close() error { return w.sock.close() }

// Commit carries out ops and tells the outcome of each in its Err. When it
// returns, the kernel has acknowledged every operation without one.
//
// The operations are one transaction as long as they are no more than 1000, fit
// into the send buffer, and none is refused. If some are, they are left out and
// the others committed without them. Within a transaction a set's deletions
// come first, so that they make room. One Commit names an element at most once.
//
// The returned error is nil, whatever single operations came to, unless it
// concerns all of those that carry it: no CAP_NET_ADMIN, no memory. If it is an
// ErrBroken, the Writer must be closed and opened anew.
//
// A refusal is dear: for a batch that it gives up the kernel waits for an RCU
// grace period, ten milliseconds and more, with its commit mutex held
// (__nf_tables_abort). A missing set costs one, other errors one or two.
//
// The system call can't be interrupted, and waits for as long as others hold
// the kernel's commit mutex. Commit allocates nothing unless something is
// refused.
func (w *Writer) Commit(ops []Op) error {
	tasks := w.plan(ops)
	for len(tasks) > 0 {
		n := w.encode(ops, tasks)
		err := w.exchange()
		switch {
		case err == nil:
			tasks = tasks[n:]
			continue
		case errors.Is(err, errRefused):
			err = w.judge(ops, tasks[:n])
		case errors.Is(err, unix.EMSGSIZE) && n > 1:
			w.sendMax = len(w.enc.buf) / 2
			continue
		}
		tasks = slices.DeleteFunc(tasks, task.done)
		slices.SortStableFunc(tasks, task.compare)
		if err != nil {
			for _, t := range tasks {
				ops[t.op].Err = err
			}
			return err
		}
	}
	return nil
}
