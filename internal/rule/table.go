package rule

import (
	"encoding/binary"
	"net/netip"
	"slices"
)

// table finds the longest of many prefixes that holds an address, in a time
// that is logarithmic in their number. The zero table holds nothing.
type table[V any] struct {
	v4, v6 ranges[V]
}

// entry is a prefix with what a table has to say about its addresses.
type entry[V any] struct {
	prefix netip.Prefix
	value  V
}

// cell is what a table knows of an address.
type cell[V any] struct {
	held  bool  // some prefix holds it
	bits  uint8 // the length of the longest that does
	value V     // and its value
}

// ranges cut the addresses of a family into pieces throughout which one prefix
// is the longest. The first begins at the first address there is, and each
// lasts until the next.
type ranges[V any] struct {
	starts []uint128
	cells  []cell[V] // of the same length
}

// uint128 is an address as a number.
type uint128 struct {
	hi, lo uint64
}

func number(a netip.Addr) uint128 {
	if a.Is4() {
		b := a.As4()
		return uint128{lo: uint64(binary.BigEndian.Uint32(b[:]))}
	}
	b := a.As16()
	return uint128{hi: binary.BigEndian.Uint64(b[:8]), lo: binary.BigEndian.Uint64(b[8:])}
}

func (n uint128) less(m uint128) bool {
	return n.hi < m.hi || n.hi == m.hi && n.lo < m.lo
}

// newTable makes the table of entries. Those with the same prefix have the same
// value.
func newTable[V any](entries []entry[V]) table[V] {
	var v4, v6 []entry[V]
	for _, e := range entries {
		e.prefix = e.prefix.Masked()
		if e.prefix.Addr().Is4() {
			v4 = append(v4, e)
		} else {
			v6 = append(v6, e)
		}
	}
	return table[V]{v4: newRanges(v4), v6: newRanges(v6)}
}

func newRanges[V any](entries []entry[V]) ranges[V] {
	var r ranges[V]
	if len(entries) == 0 {
		return r
	}
	// A prefix comes before those inside it.
	slices.SortFunc(entries, func(a, b entry[V]) int {
		if c := a.prefix.Addr().Compare(b.prefix.Addr()); c != 0 {
			return c
		}
		return a.prefix.Bits() - b.prefix.Bits()
	})
	r.begin(uint128{}, cell[V]{})
	var open []entry[V] // what holds the current place, the longest last
	for _, e := range entries {
		for len(open) > 0 && !open[len(open)-1].prefix.Contains(e.prefix.Addr()) {
			open = r.end(open)
		}
		open = append(open, e)
		r.begin(number(e.prefix.Addr()), cellOf(open))
	}
	for len(open) > 0 {
		open = r.end(open)
	}
	return r
}

// end takes the last of open away, and lets the one around it speak behind it.
func (r *ranges[V]) end(open []entry[V]) []entry[V] {
	n := len(open) - 1
	if next := lastAddr(open[n].prefix).Next(); next.IsValid() {
		r.begin(number(next), cellOf(open[:n]))
	}
	return open[:n]
}

func cellOf[V any](open []entry[V]) cell[V] {
	if len(open) == 0 {
		return cell[V]{}
	}
	e := open[len(open)-1]
	return cell[V]{held: true, bits: uint8(e.prefix.Bits()), value: e.value}
}

// begin lets c speak from n on, which is not before the last range.
func (r *ranges[V]) begin(n uint128, c cell[V]) {
	if last := len(r.starts) - 1; last >= 0 && r.starts[last] == n {
		r.cells[last] = c
		return
	}
	r.starts = append(r.starts, n)
	r.cells = append(r.cells, c)
}

// find is what the longest prefix that holds a says. The address is valid; its
// zone doesn't matter.
func (t *table[V]) find(a netip.Addr) cell[V] {
	r := &t.v6
	if a.Is4() {
		r = &t.v4
	}
	if len(r.starts) == 0 {
		return cell[V]{}
	}
	// The first range that begins after a; the one before it holds a.
	n := number(a)
	low, high := 1, len(r.starts)
	for low < high {
		mid := int(uint(low+high) / 2)
		if n.less(r.starts[mid]) {
			high = mid
		} else {
			low = mid + 1
		}
	}
	return r.cells[low-1]
}

// lastAddr is the last address of p, which is masked.
func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}
