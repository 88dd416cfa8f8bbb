package nft

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/namewall/namewall/internal/set"
	"golang.org/x/sys/unix"
)

// Swap takes ranges out of a set and puts others in, those that are Own with the
// comment, in one transaction: a look-up
// finds what is in both without interruption. The set is usable for ranges, and no
// range that is put in overlaps with another one that is there by then. If anything
// of it can't be done, nothing is, and the error is an [*Error]: EEXIST or ENOENT, if
// the set isn't as it was read. What Commit says of other errors holds here too.
func (w *Writer) Swap(s Set, remove, add []Range) error {
	w.begin()
	w.encodeRanges(s, unix.NFT_MSG_DELSETELEM, unix.NLM_F_REQUEST, remove)
	deletions := w.count
	w.encodeRanges(s, unix.NFT_MSG_NEWSETELEM, unix.NLM_F_REQUEST|unix.NLM_F_CREATE|unix.NLM_F_EXCL, add)
	if w.count == 0 {
		return nil
	}
	err := w.exchange()
	if !errors.Is(err, errRefused) {
		return err
	}
	first := w.refused[0]
	refusal := &Error{Kind: Add, Set: s.ID, Errno: first.errno, Detail: first.detail}
	if first.message < deletions {
		refusal.Kind = Delete
		refusal.fickle = first.errno == unix.ENOENT
	}
	return refusal
}

// encodeRanges encodes messages about ranges. Each half of a range is an element of
// a message.
func (w *Writer) encodeRanges(s Set, message, flags uint16, ranges []Range) {
	for part := range slices.Chunk(ranges, messageMax/2) {
		list := w.enc.setElems(message, flags, w.message(), s.ID)
		for i := range part {
			w.enc.rangeElems(&part[i], s.Layout, message == unix.NFT_MSG_NEWSETELEM && part[i].Own)
		}
		w.enc.close(list)
		w.enc.end()
	}
}

// rangeElems is one range. Behind the last address that there is nothing comes, so
// that a range up to there has no end.
func (e *encoder) rangeElems(r *Range, l set.Layout, marked bool) {
	at := e.openElem(&r.First)
	if l.Port {
		key := e.open(attrKeyEnd)
		e.bytes(unix.NFTA_DATA_VALUE, r.Last.Bytes())
		e.close(key)
	}
	if marked {
		e.bytes(unix.NFTA_SET_ELEM_USERDATA, userdata)
	}
	e.close(at)
	if l.Port {
		return
	}
	_, last, _, _ := l.Split(r.Last)
	if behind := last.Next(); behind.IsValid() {
		key := l.Key(netip.Addr{}, behind, set.Service{})
		at := e.openElem(&key)
		e.uint32(unix.NFTA_SET_ELEM_FLAGS, unix.NFT_SET_ELEM_INTERVAL_END)
		e.close(at)
	}
}

// userdata is a comment as nft(8) keeps it (NFTNL_UDATA_SET_ELEM_COMMENT): type,
// length, text with a final zero.
var userdata = append([]byte{0, byte(len(Comment) + 1)}, Comment+"\x00"...)

// half is an element of an interval set as the kernel tells it.
type half struct {
	key, end set.Key // end is empty but in a concatenation
	close    bool    // it is what comes behind a range
	own      bool
	expires  time.Duration
	forever  bool
}

// nextHalf is the next element of a list. It passes over the catch-all element and
// keys that are none of ours.
func (e *elements) nextHalf() (h half, ok bool, err error) {
	for e.list.next() {
		h, ok, err = decodeHalf(e.list.val)
		if ok || err != nil {
			return h, ok, err
		}
	}
	return half{}, false, e.list.err
}

func decodeHalf(b []byte) (h half, ok bool, err error) {
	h.forever = true
	a := attrsOf(b)
	for a.next() {
		switch a.typ {
		case unix.NFTA_SET_ELEM_KEY:
			h.key, ok, err = keyIn(a.val)
		case attrKeyEnd:
			h.end, _, err = keyIn(a.val)
		case unix.NFTA_SET_ELEM_FLAGS:
			flags := a.uint32()
			if flags&^unix.NFT_SET_ELEM_INTERVAL_END != 0 {
				return half{}, false, a.err
			}
			h.close = flags != 0
		case unix.NFTA_SET_ELEM_EXPIRATION:
			h.expires, h.forever = duration(a.uint64()), false
		case unix.NFTA_SET_ELEM_USERDATA:
			h.own = string(a.val) == string(userdata)
		}
		if err != nil {
			return half{}, false, err
		}
	}
	return h, ok && a.err == nil, a.err
}

// keyIn is the key in an attribute. ok is false for one that is longer than any of
// ours.
func keyIn(b []byte) (k set.Key, ok bool, err error) {
	value := attrsOf(b)
	for value.next() {
		if value.typ == unix.NFTA_DATA_VALUE {
			k, ok = set.KeyOf(value.val)
		}
	}
	return k, ok, value.err
}

// Ranges reads what an interval set holds, in no particular order. Where commits
// disturb every reading, as they do to a long list, two that agree are believed. It
// returns ErrInterrupted if none do, and ErrNoSet if there is no such set.
func (r *Reader) Ranges(s Set) (ranges []Range, err error) {
	if err := s.UsableForRanges(); err != nil {
		return nil, err
	}
	var now, last []half
	readings := 0
	err = r.do(func(l *link) error {
		return l.dump(listing{
			request: func() {
				readings++
				now, last = nil, now
				l.encodeDumpElements(s.ID)
			},
			message: func(m message) error {
				list, err := decodeElements(m)
				for err == nil {
					var h half
					var ok bool
					if h, ok, err = list.nextHalf(); err != nil || !ok {
						break
					}
					now = append(now, h)
				}
				return err
			},
			complete: func(_ int, interrupted bool) bool {
				return !interrupted || readings > 1 && slices.EqualFunc(now, last, half.same)
			},
		})
	})
	switch {
	case err == nil:
		return rangesOf(now, s.Layout)
	case errors.Is(err, unix.ENOENT):
		return nil, readError(s.ID, unix.ENOENT)
	}
	return nil, fmt.Errorf("reading %s: %w", s.ID, err)
}

// same tells whether two readings agree on an element: its life goes on meanwhile.
func (h half) same(other half) bool {
	h.expires, other.expires = 0, 0
	return h == other
}

// rangesOf puts halves together. A range lasts until the next end or the next start,
// whichever comes first, as the kernel's look-up has it.
func rangesOf(halves []half, l set.Layout) ([]Range, error) {
	var all []Range
	if l.Port {
		for _, h := range halves {
			if len(h.key.Bytes()) != l.Len() {
				return nil, errMalformed
			}
			if len(h.end.Bytes()) != l.Len() {
				h.end = h.key
			}
			all = append(all, Range{First: h.key, Last: h.end, Own: h.own && h.forever, Expires: h.expires})
		}
		return all, nil
	}
	type edge struct {
		addr netip.Addr
		half
	}
	var edges []edge
	for _, h := range halves {
		_, addr, _, ok := l.Split(h.key)
		if !ok {
			return nil, errMalformed
		}
		edges = append(edges, edge{addr, h})
	}
	slices.SortFunc(edges, func(a, b edge) int { // an end comes before a start
		if a.close != b.close && a.addr == b.addr {
			return cmp.Compare(b2i(b.close), b2i(a.close))
		}
		return a.addr.Compare(b.addr)
	})
	open := -1 // the range that has begun
	for _, e := range edges {
		if open >= 0 {
			all[open].Last = l.Key(netip.Addr{}, e.addr.Prev(), set.Service{})
			open = -1
		}
		if !e.close {
			open = len(all)
			all = append(all, Range{First: e.key, Own: e.own && e.forever, Expires: e.expires})
		}
	}
	if open >= 0 {
		_, first, _, _ := l.Split(all[open].First)
		all[open].Last = l.Key(netip.Addr{}, set.SpanOf(netip.PrefixFrom(first, 0)).Last, set.Service{})
	}
	return all, nil
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
