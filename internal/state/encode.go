package state

import (
	"bytes"
	"fmt"
	"net/netip"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

// encode makes the payload of a snapshot, without what has expired. It fails
// only for a snapshot that can't be: an index, a key or a number out of bounds.
func encode(s *Snapshot) ([]byte, error) {
	if len(s.Bindings) > MaxBindings {
		return nil, fmt.Errorf("%d bindings are more than %d", len(s.Bindings), MaxBindings)
	}
	e := newEncoder(s)
	for i := range s.Sets {
		if err := e.set(&s.Sets[i]); err != nil {
			return nil, err
		}
	}
	for _, r := range s.Rules {
		e.out.Rules = append(e.out.Rules, ruleRow{Name: cbor.ByteString(r.Name), Revoke: cbor.ByteString(r.Revoke)})
	}
	for _, in := range s.Intervals {
		row, err := rowOf(&in.Set)
		if err != nil {
			return nil, err
		}
		e.out.Ranges = append(e.out.Ranges, rangesRow{Set: row, Rule: cbor.ByteString(in.Rule)})
	}
	for i := range s.Bindings {
		if err := e.binding(s, &s.Bindings[i]); err != nil {
			return nil, fmt.Errorf("binding %d: %w", i, err)
		}
	}
	e.out.Words, e.out.Clients = e.words.list, e.clients.list
	var buf bytes.Buffer
	buf.Grow(e.size())
	if err := encoding.MarshalToBuffer(&e.out, &buf); err != nil {
		return nil, err
	}
	if buf.Len() > maxFile-headerSize {
		return nil, fmt.Errorf("%d bytes are more than %d", buf.Len(), maxFile-headerSize)
	}
	return buf.Bytes(), nil
}

// encoder fills a payload.
type encoder struct {
	out     payload
	words   interned[cbor.ByteString]
	clients interned[netip.Addr]
}

// newEncoder makes room for all of a snapshot, so that the columns needn't grow.
func newEncoder(s *Snapshot) *encoder {
	bindings, reasons := len(s.Bindings), 0
	for i := range s.Bindings {
		reasons += len(s.Bindings[i].Reasons)
	}
	e := new(encoder)
	e.out.Set = make([]uint32, 0, bindings)
	e.out.Left = make([]uint64, 0, bindings)
	e.out.Reasons = make([]byte, 0, bindings)
	e.out.Revoked = make([]byte, 0, bindings)
	e.out.Origin = make([]byte, 0, reasons)
	for _, column := range []*[]uint32{&e.out.Rule, &e.out.Name, &e.out.Chain, &e.out.Client} {
		*column = make([]uint32, 0, reasons)
	}
	for _, column := range []*[]uint64{&e.out.First, &e.out.Last, &e.out.Until} {
		*column = make([]uint64, 0, reasons)
	}
	return e
}

func (e *encoder) set(s *Set) error {
	row, err := rowOf(s)
	e.out.Sets = append(e.out.Sets, row)
	return err
}

// rowOf is the row of a set. It fails for one that can't be read back.
func rowOf(s *Set) (setRow, error) {
	row := setRow{
		Family: s.ID.Family.String(), Table: s.ID.Table, Name: s.ID.Name,
		Layout: s.Layout.String(),
	}
	_, err := row.parse()
	return row, err
}

func (e *encoder) binding(s *Snapshot, b *Binding) error {
	if b.Set < 0 || b.Set >= len(s.Sets) {
		return fmt.Errorf("set %d of %d", b.Set, len(s.Sets))
	}
	layout := s.Sets[b.Set].Layout
	if n := len(b.Key.Bytes()); n != layout.Len() {
		return fmt.Errorf("a key of %d bytes for '%s'", n, layout)
	}
	if len(b.Reasons) > MaxReasons {
		return fmt.Errorf("%d reasons are more than %d", len(b.Reasons), MaxReasons)
	}
	if b.Revoked >= revocations {
		return fmt.Errorf("revocation %d is unknown", b.Revoked)
	}
	for i := range b.Reasons {
		if o := b.Reasons[i].Origin; o >= rule.Origins {
			return fmt.Errorf("%s is unknown", o)
		}
	}
	left := millis(b.Left)
	if left == 0 {
		return nil
	}
	e.out.Set = append(e.out.Set, uint32(b.Set))
	e.out.Keys = append(e.out.Keys, b.Key.Bytes()...)
	e.out.Left = append(e.out.Left, left)
	n := byte(0)
	for i := range b.Reasons {
		if e.reason(&b.Reasons[i]) {
			n++
		}
	}
	e.out.Reasons = append(e.out.Reasons, n)
	e.out.Revoked = append(e.out.Revoked, byte(b.Revoked))
	return nil
}

// size is about what the payload takes, rather too much than too little: numbers
// are below 2^32, which CBOR has in five bytes.
func (e *encoder) size() int {
	out := &e.out
	n := len(out.Keys) + len(out.Set)*(2*5+2) + len(out.Rule)*(7*5+1) + len(out.Clients)*(1+16)
	for _, w := range out.Words {
		n += 3 + len(w)
	}
	return n
}

// reason adds one, unless its time is over.
func (e *encoder) reason(r *Reason) bool {
	left := millis(r.Left)
	if left == 0 {
		return false
	}
	e.out.Rule = append(e.out.Rule, e.words.index(cbor.ByteString(r.Rule)))
	e.out.Name = append(e.out.Name, e.words.index(cbor.ByteString(r.Name)))
	e.out.Chain = append(e.out.Chain, e.words.index(cbor.ByteString(r.Chain)))
	e.out.Client = append(e.out.Client, e.clients.index(r.Client))
	e.out.Origin = append(e.out.Origin, byte(r.Origin))
	e.out.First = append(e.out.First, millis(r.First))
	e.out.Last = append(e.out.Last, millis(r.Last))
	e.out.Until = append(e.out.Until, left)
	return true
}

// millis are the whole milliseconds of d, none if it is negative.
func millis(d time.Duration) uint64 { return uint64(max(d, 0) / time.Millisecond) }

// interned numbers values in the order in which they come, equal ones alike.
type interned[T comparable] struct {
	known map[T]uint32
	list  []T
}

func (t *interned[T]) index(v T) uint32 {
	if i, ok := t.known[v]; ok {
		return i
	}
	if t.known == nil {
		t.known = make(map[T]uint32)
	}
	i := uint32(len(t.list))
	t.known[v] = i
	t.list = append(t.list, v)
	return i
}

// parse is the set of a row. It accepts what the Corefile does.
func (r *setRow) parse() (Set, error) {
	id, err := set.ParseID(r.Family, r.Table, r.Name)
	if err != nil {
		return Set{}, err
	}
	layout, err := set.ParseLayout(r.Layout)
	if err != nil {
		return Set{}, err
	}
	return Set{ID: id, Layout: layout}, nil
}
