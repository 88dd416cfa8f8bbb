package set

import (
	"net/netip"
	"slices"
)

// Span is a run of addresses of one family, both ends included: what an element of
// an interval set stands for. A prefix is one, and so is what is left of a prefix
// when a part of it is taken away.
type Span struct {
	First, Last netip.Addr
}

// SpanOf is the span of a prefix, or of a single address.
func SpanOf(p netip.Prefix) Span {
	p = p.Masked()
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	last, _ := netip.AddrFromSlice(b)
	return Span{p.Addr(), last}
}

// Contains tells whether an address is in the span.
func (s Span) Contains(a netip.Addr) bool {
	return a.BitLen() == s.First.BitLen() && !a.Less(s.First) && !s.Last.Less(a)
}

// String is the span as nft(8) has it: an address, a prefix or a range.
func (s Span) String() string {
	if s.First == s.Last {
		return s.First.String()
	}
	for bits := range s.First.BitLen() {
		if p := netip.PrefixFrom(s.First, bits); p == p.Masked() && SpanOf(p) == s {
			return p.String()
		}
	}
	return s.First.String() + "-" + s.Last.String()
}

// Compare orders spans by their first addresses, and by their last.
func (s Span) Compare(other Span) int {
	if c := s.First.Compare(other.First); c != 0 {
		return c
	}
	return s.Last.Compare(other.Last)
}

// Merge makes one span of those that overlap or touch, and returns them in order.
// All are of one family.
func Merge(spans []Span) []Span {
	var all []Span
	for _, s := range slices.SortedFunc(slices.Values(spans), Span.Compare) {
		if n := len(all) - 1; n >= 0 && (!all[n].Last.Less(s.First) || all[n].Last.Next() == s.First) {
			if all[n].Last.Less(s.Last) {
				all[n].Last = s.Last
			}
			continue
		}
		all = append(all, s)
	}
	return all
}

// Subtract returns what is left of spans, in order, when others are taken away:
// both are merged first.
func Subtract(spans, others []Span) []Span {
	var left []Span
	others = Merge(others)
	for _, s := range Merge(spans) {
		for len(others) > 0 && others[0].Last.Less(s.First) {
			others = others[1:]
		}
		gone := false
		for _, o := range others {
			if s.Last.Less(o.First) {
				break
			}
			if s.First.Less(o.First) {
				left = append(left, Span{s.First, o.First.Prev()})
			}
			if !o.Last.Less(s.Last) {
				gone = true
				break
			}
			s.First = o.Last.Next()
		}
		if !gone {
			left = append(left, s)
		}
	}
	return left
}

// Within returns what of spans lies in s. They are merged.
func Within(spans []Span, s Span) []Span {
	var in []Span
	at, found := slices.BinarySearchFunc(spans, s.First, func(o Span, a netip.Addr) int { return o.First.Compare(a) })
	if !found && at > 0 && !spans[at-1].Last.Less(s.First) {
		at--
	}
	for ; at < len(spans) && !s.Last.Less(spans[at].First); at++ {
		o := spans[at]
		if o.First.Less(s.First) {
			o.First = s.First
		}
		if s.Last.Less(o.Last) {
			o.Last = s.Last
		}
		in = append(in, o)
	}
	return in
}
