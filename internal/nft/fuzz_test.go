//go:build linux

package nft

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/namewall/namewall/internal/set"
	"golang.org/x/sys/unix"
)

// seed adds the captures, whole and message by message, and what a kernel says
// only when something is wrong.
func seed(f *testing.F) {
	f.Add(doneReply(1, unix.EINTR))
	f.Add(explained(2, unix.EINVAL, true))
	f.Add(explained(2, unix.EINVAL, false))
	for _, l := range []set.Layout{{}, {Port: true}} { // a start and an end, or one with two keys
		var e encoder
		at := e.setElems(unix.NFT_MSG_NEWSETELEM, 0, 1, web4)
		one := Range{First: l.Key(netip.Addr{}, netip.MustParseAddr("192.0.2.0"), set.Service{}), Last: l.Key(netip.Addr{}, netip.MustParseAddr("192.0.2.255"), set.Service{})}
		e.rangeElems(&one, l, true)
		e.close(at)
		e.end()
		f.Add(e.buf)
	}
	files, err := filepath.Glob(captures + "/*")
	if err != nil || len(files) == 0 {
		f.Fatalf("no captures in %s: %v", captures, err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		for len(b) > 0 {
			_, rest, ok := nextMessage(b)
			if !ok {
				f.Fatalf("%s ends in the middle of a message", name)
			}
			f.Add(b[:len(b)-len(rest)])
			b = rest
		}
	}
}

// FuzzDecode reads what a kernel might send with every decoder there is.
func FuzzDecode(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		for len(b) > 0 {
			m, rest, ok := nextMessage(b)
			if !ok {
				return
			}
			if len(rest) >= len(b) {
				t.Fatal("no end")
			}
			b = rest
			_, _ = reply(m)
			_ = doneError(m)
			_, _ = decodeTable(m)
			_, _ = decodeGeneration(m)
			if s, err := decodeSet(m); err == nil {
				_ = s.Usable()
				_ = s.UsableForRanges()
				if s.Known && set.KeyMax < s.Layout.Len() {
					t.Errorf("%+v", s)
				}
			}
			list, err := decodeElements(m)
			for ok := true; ok && err == nil; {
				var e Element
				if e, ok, err = list.next(time.Hour); ok && (e.Timeout < 0 || e.Expires < 0) {
					t.Errorf("%+v", e)
				}
			}
			fuzzRanges(t, m)
		}
	})
}

// fuzzRanges puts together what halves there are in a message, for each layout.
func fuzzRanges(t *testing.T, m message) {
	list, err := decodeElements(m)
	if err != nil {
		return
	}
	var halves []half
	for {
		h, ok, err := list.nextHalf()
		if err != nil || !ok {
			break
		}
		halves = append(halves, h)
	}
	for _, l := range []set.Layout{{}, {V6: true}, {Port: true}, {V6: true, Proto: true, Port: true}} {
		all, err := rangesOf(halves, l)
		for _, r := range all {
			if err != nil || len(r.First.Bytes()) != l.Len() || len(r.Last.Bytes()) != l.Len() || r.Own && r.Expires > 0 {
				t.Errorf("%+v of '%s', %v", r, l, err)
			}
		}
	}
}

// FuzzEvents has a Watcher take in datagrams of events, and what is cut off told
// as a loss.
func FuzzEvents(f *testing.F) {
	seed(f)
	f.Add([]byte("something else"))
	s, err := newSocket(Options{}, 0, receiveBuffer) // on which nothing comes
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = s.close() })
	f.Fuzz(func(t *testing.T, b []byte) {
		var last Event
		w := Watcher{sock: s, in: make([]byte, receiveLen)}
		w.deliver = func(e Event) {
			if last = e; e.Kind >= Ended {
				t.Errorf("%+v", e)
			}
			if len(w.pending.events) > eventMax {
				t.Errorf("%d events", len(w.pending.events))
			}
		}
		w.handle(b)
		if !whole(b) && (last.Kind != Overrun || len(w.pending.events) > 0) {
			t.Errorf("cut off, but the last that is told is %+v", last)
		}
		w.pending.flush(w.deliver)
	})
}

// whole tells whether b consists of whole messages.
func whole(b []byte) bool {
	for len(b) > 0 {
		_, rest, ok := nextMessage(b)
		if !ok {
			return false
		}
		b = rest
	}
	return true
}

// FuzzReplies has a Reader, a Writer and the probe talk to who answers anything.
func FuzzReplies(f *testing.F) {
	seed(f)
	f.Add(errorReply(3, 0))
	f.Add(append(errorReply(2, unix.EEXIST), errorReply(3, 0)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		answer := saying(b)
		r, err := newReader(func() (socket, error) { return &fakeKernel{answer: answer}, nil })
		if err != nil {
			t.Fatal(err)
		}
		s := Set{ID: web4, Known: true, Timeout: true}
		_, _ = r.Set(web4)
		_, _ = r.Sets()
		_, _ = r.Get(s, key4(1), key4(2))
		_ = r.Elements(s, func(Element) error { return nil })
		intervals := Set{ID: web4, Known: true, Interval: true}
		_, _ = r.Ranges(intervals)
		w := (&fakeKernel{answer: answer}).writer(Features{})
		one := Range{First: key4(1), Last: key4(9)}
		if w.Swap(intervals, []Range{one}, []Range{one}) == nil && !acknowledges(b, 3) {
			t.Error("a swap taken for success")
		}

		k := &fakeKernel{answer: answer}
		ops := []Op{add(1, time.Hour), {Kind: Add, Set: web6, Key: key6(1), Timeout: time.Hour}}
		err = k.writer(Features{}).Commit(ops)
		if err == nil && ops[0].Err == nil && ops[1].Err == nil && !acknowledges(b, 3) {
			t.Error("taken for success")
		}

		asks := batch{link: newLink(&fakeKernel{answer: answer})}
		if f, err := probe(&asks); err == nil {
			t.Errorf("probed %+v, by one answer to all questions", f)
		}
	})
}

// acknowledges tells whether b has an acknowledgement of a message.
func acknowledges(b []byte, seq uint32) bool {
	for len(b) > 0 {
		m, rest, ok := nextMessage(b)
		if !ok {
			return false
		}
		if r, ok := reply(m); ok && r.errno == 0 && m.seq == seq {
			return true
		}
		b = rest
	}
	return false
}

// FuzzCommit has a kernel refuse whatever it likes, for any operations, and
// compares what Commit reports with what the kernel has committed.
func FuzzCommit(f *testing.F) {
	f.Add([]byte{1, 2, 3}, []byte{}, false)
	f.Add([]byte{0, 0, 0, 1, 1, 2, 2, 64, 65}, []byte{0, 0, 1, 0, 0, 2}, true)
	f.Add([]byte{0, 1, 2}, []byte{0, 2, 2, 2, 2, 2, 2, 2}, false)
	f.Fuzz(func(t *testing.T, kinds, errnos []byte, modern bool) {
		kinds = kinds[:min(len(kinds), 60)]
		var ops []Op
		for i, b := range kinds {
			op := Op{Kind: Kind(b % 3), Set: web4, Key: key4(i), Timeout: time.Hour}
			if b&64 != 0 {
				op.Set.Name = "other"
			}
			ops = append(ops, op)
		}
		said := 0
		k := &fakeKernel{
			refuse: func(_, message int, m message) unix.Errno {
				if message == 0 || m.typ>>8 != unix.NFNL_SUBSYS_NFTABLES || said >= len(errnos) {
					return 0
				}
				said++
				n := int(errnos[said-1]) % (2 * len(elementErrnos))
				if n >= len(elementErrnos) {
					return 0
				}
				return elementErrnos[n]
			},
			held: func(key set.Key) (Element, bool) {
				switch key.Bytes()[3] % 3 {
				case 0:
					return Element{Key: key}, true
				case 1:
					return Element{Key: key, Timeout: time.Minute, Expires: time.Minute}, true
				}
				return Element{}, false
			},
		}
		w := k.writer(Features{Update: modern, Destroy: modern})
		if err := w.Commit(ops); err != nil {
			t.Fatal(err)
		}
		if most := 4*len(ops) + 1; k.tries > most {
			t.Errorf("%d tries for %d operations", k.tries, len(ops))
		}
		done := make(map[string]uint16) // the last message about an element
		for _, m := range k.committed {
			list, err := decodeElements(m)
			for ok := true; ok && err == nil; {
				var e Element
				if e, ok, err = list.next(0); ok {
					done[fmt.Sprintf("%s %v", list.name, e.Key)] = m.typ & 0xff
				}
			}
		}
		for i, op := range ops {
			last, changed := done[fmt.Sprintf("%s %v", op.Set.Name, op.Key)]
			added := changed && last == unix.NFT_MSG_NEWSETELEM
			switch {
			case op.Err != nil && changed:
				t.Errorf("operation %d failed with %v, and was committed", i, op.Err)
			case op.Err == nil && op.Kind != Delete && added == op.Found:
				t.Errorf("operation %d: committed %v, found %v", i, added, op.Found)
			case op.Err == nil && op.Kind == Delete && added:
				t.Errorf("operation %d added", i)
			}
			if op.Err != nil && !errors.As(op.Err, new(*Error)) {
				t.Errorf("operation %d: %v", i, op.Err)
			}
		}
	})
}
