package nft

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// errRefused: the kernel refused some messages of a batch, and so did nothing.
var errRefused = errors.New("batch refused")

// batch is a transaction in the making: messages between a begin and an end,
// of which the kernel carries out all or none (nfnetlink_rcv_batch).
type batch struct {
	link

	first   uint32    // the number of the begin; messages have the ones after it
	count   int       // messages
	refused []refused // what exchange was told
}

// refused is a message of a batch that could not be done. The kernel goes on
// with the next message, so that all bad messages are told at once; but of a
// message it reports the first bad element only.
type refused struct {
	message int // from 0
	refusal
}

func (b *batch) begin() {
	b.enc.reset()
	b.first = b.nextSeq()
	b.count = 0
	b.enc.batchBegin(b.first)
}

// message gives the number for the next message of the batch.
func (b *batch) message() uint32 {
	b.count++
	return b.nextSeq()
}

// exchange closes the batch, sends it, and reads every reply, so that the
// socket is ready for the next. It returns nil if the kernel has committed,
// errRefused if it told in b.refused why not, and any other error if the whole
// batch was in vain.
//
// The last message asks for an acknowledgement: a batch that the kernel did not
// understand is dropped without a word, and silence must not pass for success.
// The ends of a batch can't be asked for theirs before Linux 6.10.
func (b *batch) exchange() error {
	b.enc.addFlags(unix.NLM_F_ACK)
	b.enc.batchEnd(b.nextSeq())
	if err := b.send(); err != nil {
		return err
	}
	b.refused = b.refused[:0]
	acknowledged := false
	var whole error
	// Replies come in the order of the messages (nfnl_err_deliver), after what is
	// told about the begin: if all is well, nothing follows the acknowledgement.
	for !acknowledged || whole != nil || len(b.refused) > 0 {
		in, err := b.receive()
		if err != nil {
			return err
		}
		if in == nil {
			break
		}
		for len(in) > 0 {
			var m message
			if m, in, err = b.take(in); err != nil {
				return err
			}
			r, ok := reply(m)
			i := int64(m.seq - b.first)
			switch {
			case !ok || i > int64(b.count):
				return broken("reply to a batch: %w", errMalformed)
			case i == 0 && r.errno != 0:
				// Told about the begin: no right to change anything, no memory, or
				// failed at the end of it.
				whole = batchError(r)
			case r.errno != 0:
				b.refused = append(b.refused, refused{int(i) - 1, r})
			case i == int64(b.count):
				acknowledged = true
			}
		}
	}
	switch {
	case whole != nil:
		return whole
	case len(b.refused) > 0:
		return errRefused
	case !acknowledged:
		return broken("batch was not acknowledged: %w", errMalformed)
	}
	return nil
}

// batchError is the refusal of everything.
func batchError(r refusal) error {
	why := r.detail
	switch r.errno {
	case unix.EPERM:
		why = "CAP_NET_ADMIN is missing in the user namespace of the network namespace"
	case unix.EOPNOTSUPP:
		why = "this kernel has no nf_tables"
	case unix.ENOMEM:
		why = "the kernel has no memory for it"
	}
	if why == "" {
		return fmt.Errorf("committing: %w", r.errno)
	}
	return fmt.Errorf("committing: %s: %w", why, r.errno)
}

// ErrnoName is the name of the errno in err, "ENOENT", for a metric's label:
// "other" if there is none, or none with a name.
func ErrnoName(err error) string {
	errno, _ := errors.AsType[syscall.Errno](err)
	if errno == unix.EOPNOTSUPP {
		return "EOPNOTSUPP" // the kernel's name for it; ENOTSUP has the same number
	}
	if name := unix.ErrnoName(errno); name != "" {
		return name
	}
	return "other"
}
