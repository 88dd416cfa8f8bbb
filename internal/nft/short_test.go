//go:build linux

package nft

import (
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// The tests here are about datagrams that are lost or arrive shortened, on
// sockets of the real kernel. None of it passes for a success, or for the whole.

// shorten cuts every datagram that the kernel sends to s to n bytes; 0 drops it.
func shorten(t *testing.T, s socket, n uint32) {
	t.Helper()
	filter, err := bpf.Assemble([]bpf.Instruction{bpf.RetConstant{Val: n}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.(*netlinkSocket).conn.SetBPF(filter); err != nil {
		t.Fatal(err)
	}
}

// uncut takes the limit off again.
const uncut = 1<<32 - 1

// A reply that is lost or cut says nothing of what was done.
func TestShortReplies(t *testing.T) {
	const header = headerLen // a whole message, by its length
	for name, n := range map[string]uint32{"none": 0, "part of a header": header - 1, "a header": header, "part of the errno": header + 2} {
		t.Run(name, func(t *testing.T) {
			k := newKernel(t)
			k.Nft(declared)
			w, r := k.writer(), k.reader()
			shorten(t, w.sock, n)
			ops := []Op{add(1, time.Hour), {Kind: Add, Set: web6, Key: key6(1), Timeout: time.Hour}}
			if err := w.Commit(ops); !errors.Is(err, ErrBroken) || !errors.Is(ops[0].Err, ErrBroken) || !errors.Is(ops[1].Err, ErrBroken) {
				t.Errorf("commit: %v, operations: %v, %v", err, ops[0].Err, ops[1].Err)
			}
			k.wantKeys(web4, "198.18.0.1") // it was done all the same

			shorten(t, r.link.sock, n)
			if _, err := r.Set(web4); !errors.Is(err, ErrBroken) {
				t.Errorf("set: %v", err)
			}
			s, err := r.Set(web4) // over another socket
			if err != nil {
				t.Fatal(err)
			}
			shorten(t, r.link.sock, n)
			if err := r.Elements(s, func(Element) error { return nil }); !errors.Is(err, ErrBroken) {
				t.Errorf("elements: %v", err)
			}
			shorten(t, r.link.sock, uncut)
			if found, err := r.Get(s, key4(1)); err != nil || len(found) != 1 {
				t.Errorf("afterwards: %v, %v", found, err)
			}
		})
	}
}

// More refusals than the receive buffer holds: which of them are lost is not
// known, so nothing is.
func TestRepliesOverrunTheirBuffer(t *testing.T) {
	k := newKernel(t)
	k.Nft(declared)
	w := k.writer()
	if err := w.sock.(*netlinkSocket).conn.SetReadBuffer(2048); err != nil {
		t.Fatal(err)
	}
	var ops []Op
	for n := range 300 {
		op := refresh(n, time.Hour)
		op.Key = key6(n) // too long for this set
		ops = append(ops, op)
	}
	err := w.Commit(ops)
	if !errors.Is(err, ErrBroken) || !errors.Is(err, unix.ENOBUFS) || ErrnoName(err) != "ENOBUFS" {
		t.Errorf("commit: %v", err)
	}
	for i, op := range ops {
		if op.Err == nil {
			t.Fatalf("operation %d passes for done", i)
		}
	}
}

// A datagram that fills the buffer may have been longer, even if it ends with a
// whole message: what followed is lost.
func TestRepliesFillTheirBuffer(t *testing.T) {
	padded := func(b []byte, n int) []byte {
		binary.NativeEndian.PutUint32(b, uint32(n))
		return append(b, make([]byte, n-len(b))...)
	}
	const length = 128
	t.Run("of a batch", func(t *testing.T) {
		k := &fakeKernel{answer: func(int, []byte) [][]byte {
			var b []byte
			for range receiveLen / length {
				b = append(b, padded(errorReply(3, 0), length)...)
			}
			return [][]byte{append(b, errorReply(2, unix.ENFILE)...)}
		}}
		ops := []Op{add(1, time.Hour), {Kind: Add, Set: web6, Key: key6(1), Timeout: time.Hour}}
		if err := k.writer(Features{}).Commit(ops); !errors.Is(err, ErrBroken) {
			t.Errorf("%v; operations: %v, %v", err, ops[0].Err, ops[1].Err)
		}
	})
	t.Run("of a list", func(t *testing.T) {
		r, err := newReader(func() (socket, error) {
			return &fakeKernel{answer: func(_ int, request []byte) [][]byte {
				m, _, _ := nextMessage(request)
				var b []byte
				for range receiveLen/length + 1 {
					set := setReply(m.seq)
					e := encoder{buf: set}
					e.bytes(0, make([]byte, length-len(set)-attrLen))
					b = append(b, padded(e.buf, length)...)
				}
				return [][]byte{b, doneReply(m.seq, 0)}
			}}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if sets, err := r.Sets(); !errors.Is(err, ErrBroken) {
			t.Errorf("%d sets, %v", len(sets), err)
		}
	})
}

// An event that is cut is a loss, wherever it is cut.
func TestWatchShortEvents(t *testing.T) {
	k := newKernel(t)
	k.Nft(declared)
	w := k.watch()
	for _, n := range []uint32{headerLen - 1, headerLen + 3, headerLen + genmsgLen + 6} {
		shorten(t, w.sock, n)
		k.Nft("add element inet filter web4 { 198.18.0.1 timeout 1h }")
		if e := w.next(); e.Kind != Overrun {
			t.Errorf("%d bytes: %+v", n, e)
		}
		if err := w.Ignore(); err != nil {
			t.Fatal(err)
		}
		k.Nft("delete element inet filter web4 { 198.18.0.1 }")
		for e := w.next(); e.Kind != ElementGone; e = w.next() {
			if e.Kind != Overrun { // of the same transaction's other datagrams
				t.Errorf("%d bytes, afterwards: %+v", n, e)
			}
		}
	}
}

// An event of which the buffer has room for the first message only, to the byte.
func TestWatchEventsFillTheirBuffer(t *testing.T) {
	k := newKernel(t)
	k.Nft(declared)
	s, err := newSocket(k.options(), 0, watchBuffer)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	if err := s.conn.JoinGroup(unix.NFNLGRP_NFTABLES); err != nil {
		t.Fatal(err)
	}
	change := func() { k.Nft("add element inet filter web4 { 198.18.0.1, 198.18.0.2 }\nflush set inet filter web4") }
	change()
	b := make([]byte, receiveLen)
	n, err := s.receive(b)
	m, rest, ok := nextMessage(b[:n])
	if err != nil || !ok || len(rest) == 0 || m.typ != nfType(unix.NFT_MSG_NEWSETELEM) {
		t.Fatalf("%+v, %d bytes follow, %v", m, len(rest), err)
	}
	for err == nil {
		_, err = s.receive(b)
	}
	events := make(chan Event, 100)
	w := &Watcher{sock: s, deliver: func(e Event) { events <- e }, done: make(chan struct{}), in: make([]byte, n-len(rest))}
	s.read = w.read(s)
	go w.run()
	change()
	watched := &spectator{Watcher: w, k: k, events: events}
	if e := watched.next(); e.Kind != Overrun {
		t.Errorf("got %+v", e)
	}
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}
