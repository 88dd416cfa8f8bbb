//go:build linux

package nft

import (
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"
)

// fakeKernel is a socket whose other end behaves as the test says. Left alone,
// it acknowledges every batch.
type fakeKernel struct {
	t *testing.T

	// refuse gives the errno for a message of a batch; the begin is message 0.
	refuse func(try, message int, m message) unix.Errno
	// answer replaces what the kernel says to a datagram.
	answer func(try int, b []byte) [][]byte
	// sendErr fails a send.
	sendErr func(try int, b []byte) error
	// receiveErr are errors to return before there is anything to receive.
	receiveErr []error

	sent   [][]byte // all datagrams that were taken
	tries  int
	queue  [][]byte
	closed bool
}

func (k *fakeKernel) writer(f Features) *Writer {
	w := newWriter(k, sendBuffer, receiveBuffer)
	w.use(f)
	return w
}

func (k *fakeKernel) send(b []byte) error {
	k.tries++
	if k.sendErr != nil {
		if err := k.sendErr(k.tries, b); err != nil {
			return err
		}
	}
	k.sent = append(k.sent, append([]byte(nil), b...))
	if k.answer != nil {
		k.queue = append(k.queue, k.answer(k.tries, b)...)
		return nil
	}
	k.queue = append(k.queue, k.batch(b)...)
	return nil
}

// batch answers a batch in the way of nfnetlink_rcv_batch.
func (k *fakeKernel) batch(b []byte) (replies [][]byte) {
	for i := 0; len(b) > 0; i++ {
		m, rest, ok := nextMessage(b)
		if !ok {
			return nil
		}
		b = rest
		var errno unix.Errno
		if k.refuse != nil {
			errno = k.refuse(k.tries, i, m)
		}
		if i == 0 && errno == unix.EPERM {
			return [][]byte{errorReply(m.seq, errno)}
		}
		if errno != 0 || m.flags&unix.NLM_F_ACK != 0 {
			replies = append(replies, errorReply(m.seq, errno))
		}
	}
	return replies
}

func (k *fakeKernel) receive(b []byte) (int, error) {
	if len(k.receiveErr) > 0 {
		err := k.receiveErr[0]
		k.receiveErr = k.receiveErr[1:]
		return 0, err
	}
	if len(k.queue) == 0 {
		return 0, unix.EAGAIN
	}
	n := copy(b, k.queue[0])
	k.queue = k.queue[1:]
	return n, nil
}

func (k *fakeKernel) portid() uint32 { return 4711 }

func (k *fakeKernel) close() error {
	k.closed = true
	return nil
}

// errorReply is an NLMSG_ERROR with capped request.
func errorReply(seq uint32, errno unix.Errno) []byte {
	b := make([]byte, headerLen+4+headerLen)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], unix.NLMSG_ERROR)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_CAPPED)
	binary.NativeEndian.PutUint32(b[8:], seq)
	binary.NativeEndian.PutUint32(b[headerLen:], uint32(-int32(errno)))
	return b
}
