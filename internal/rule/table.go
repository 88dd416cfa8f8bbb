package rule

import (
	"net/netip"
	"slices"
)

// table finds the longest of many prefixes that holds an address. It is a
// sorted list of ranges: each lasts until the next one, and knows which prefix
// is the longest throughout. The zero table holds nothing.
type table struct {
	starts []netip.Addr // IPv4 before IPv6, as Compare orders them
	cells  []cell       // of the same length
}

// cell is what a table has to say about a range.
type cell struct {
	held    bool  // a prefix holds the range
	bits    uint8 // the length of the longest that does
	verdict Verdict
}

// entry is a prefix with its verdict.
type entry struct {
	prefix  netip.Prefix
	verdict Verdict
}

// newTable makes the table of entries, among which none contradicts another by
// having the same prefix with another verdict.
func newTable(entries []entry) table {
	if len(entries) == 0 {
		return table{}
	}
	type nested struct {
		prefix netip.Prefix
		cell   cell
	}
	// Each family begins with a range that holds everything and is not held.
	all := []nested{
		{prefix: netip.PrefixFrom(netip.IPv4Unspecified(), 0)},
		{prefix: netip.PrefixFrom(netip.IPv6Unspecified(), 0)},
	}
	for _, e := range entries {
		all = append(all, nested{e.prefix.Masked(), cell{held: true, bits: uint8(e.prefix.Bits()), verdict: e.verdict}})
	}
	// A prefix comes before those inside it.
	slices.SortStableFunc(all, func(a, b nested) int {
		if c := a.prefix.Addr().Compare(b.prefix.Addr()); c != 0 {
			return c
		}
		return a.prefix.Bits() - b.prefix.Bits()
	})

	var t table
	var open []nested // what holds the current place, the longest last
	for _, n := range all {
		for len(open) > 0 && !open[len(open)-1].prefix.Contains(n.prefix.Addr()) {
			end := lastAddr(open[len(open)-1].prefix)
			open = open[:len(open)-1]
			if len(open) > 0 {
				t.begin(end.Next(), open[len(open)-1].cell)
			}
		}
		open = append(open, n)
		t.begin(n.prefix.Addr(), n.cell)
	}
	for len(open) > 1 {
		end := lastAddr(open[len(open)-1].prefix)
		open = open[:len(open)-1]
		t.begin(end.Next(), open[len(open)-1].cell)
	}
	return t
}

// begin lets c speak from a on, which is not before the last range. The address
// after the last one of a family is invalid, and begins nothing.
func (t *table) begin(a netip.Addr, c cell) {
	if !a.IsValid() {
		return
	}
	if n := len(t.starts); n > 0 && t.starts[n-1] == a {
		t.cells[n-1] = c
		return
	}
	t.starts = append(t.starts, a)
	t.cells = append(t.cells, c)
}

// find is what the longest prefix that holds a says. The address is valid and
// has no zone.
func (t *table) find(a netip.Addr) cell {
	// The last range that does not begin after a.
	low, high := 0, len(t.starts)
	for low < high {
		mid := int(uint(low+high) / 2)
		if a.Less(t.starts[mid]) {
			high = mid
		} else {
			low = mid + 1
		}
	}
	if low == 0 {
		return cell{}
	}
	return t.cells[low-1]
}

// prefixTable is a table that only tells what is held.
func prefixTable(prefixes []netip.Prefix) table {
	entries := make([]entry, len(prefixes))
	for i, p := range prefixes {
		entries[i].prefix = p
	}
	return newTable(entries)
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
