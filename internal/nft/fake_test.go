//go:build linux

package nft

import (
	"encoding/binary"

	"github.com/namewall/namewall/internal/set"
	"golang.org/x/sys/unix"
)

// fakeKernel is a socket whose other end behaves as the test says. Left alone,
// it acknowledges every batch.
type fakeKernel struct {
	// refuse gives the errno for a message of a batch; the begin is message 0.
	refuse func(try, message int, m message) unix.Errno
	// held is what the kernel has in the place of an element that is asked for.
	held func(key set.Key) (Element, bool)
	// counts tells that the kernel says how many elements a set has.
	counts bool
	// answer replaces what the kernel says to a datagram.
	answer func(try int, b []byte) [][]byte
	// sendErr fails a send.
	sendErr func(try int, b []byte) error
	// receiveErr are errors to return before there is anything to receive.
	receiveErr []error

	sent      [][]byte  // all datagrams that were taken
	committed []message // of the batches that were not refused
	tries     int
	queue     [][]byte
	closed    bool
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
	if m, _, _ := nextMessage(b); m.typ == unix.NFNL_MSG_BATCH_BEGIN {
		k.queue = append(k.queue, k.batch(k.sent[len(k.sent)-1])...)
	} else {
		k.queue = append(k.queue, k.query(b)...)
	}
	return nil
}

// batch answers a batch in the way of nfnetlink_rcv_batch.
func (k *fakeKernel) batch(b []byte) (replies [][]byte) {
	refused := false
	var messages []message
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
		refused = refused || errno != 0
		messages = append(messages, m)
		if errno != 0 || m.flags&unix.NLM_F_ACK != 0 {
			replies = append(replies, errorReply(m.seq, errno))
		}
	}
	if !refused {
		k.committed = append(k.committed, messages...)
	}
	return replies
}

// query answers questions about elements.
func (k *fakeKernel) query(b []byte) (replies [][]byte) {
	for len(b) > 0 {
		m, rest, ok := nextMessage(b)
		if !ok {
			return nil
		}
		b = rest
		if m.typ == nfType(unix.NFT_MSG_GETSET) {
			reply := setReply(m.seq)
			if k.counts {
				reply = counting(reply)
			}
			replies = append(replies, reply)
			continue
		}
		list, _ := decodeElements(m)
		asked, _, _ := list.next(0)
		if k.held == nil {
			replies = append(replies, errorReply(m.seq, unix.ENOENT))
		} else if e, ok := k.held(asked.Key); ok {
			replies = append(replies, elementReply(m.seq, e))
		} else {
			replies = append(replies, errorReply(m.seq, unix.ENOENT))
		}
	}
	return replies
}

// elementReply is an element of web4 as the kernel sends it.
func elementReply(seq uint32, el Element) []byte {
	var e encoder
	list := e.setElems(unix.NFT_MSG_NEWSETELEM, 0, seq, web4)
	if el.Permanent() {
		e.elem(&el.Key)
	} else {
		e.elemFor(&el.Key, el.Expires, true)
	}
	e.close(list)
	e.end()
	return e.buf
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

// explained is an NLMSG_ERROR with an explanation, behind an echo of the request
// or, capped, of its header only.
func explained(seq uint32, errno unix.Errno, capped bool) []byte {
	b := errorReply(seq, errno)
	flags := uint16(unix.NLM_F_ACK_TLVS)
	if capped {
		flags |= unix.NLM_F_CAPPED
	} else {
		// The echo of a request with eight more bytes.
		binary.NativeEndian.PutUint32(b[headerLen+4:], headerLen+8)
		b = append(b, 1, 2, 3, 4, 5, 6, 7, 8)
	}
	e := encoder{buf: b}
	e.text(unix.NLMSGERR_ATTR_MSG, "Set is tired")
	binary.NativeEndian.PutUint16(e.buf[6:], flags)
	binary.NativeEndian.PutUint32(e.buf, uint32(len(e.buf)))
	return e.buf
}
