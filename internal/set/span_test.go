package set

import (
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestSpanWords(t *testing.T) {
	span := func(first, last string) Span {
		return Span{netip.MustParseAddr(first), netip.MustParseAddr(last)}
	}
	for want, s := range map[string]Span{
		"192.0.2.1":             span("192.0.2.1", "192.0.2.1"),
		"192.0.2.0/24":          span("192.0.2.0", "192.0.2.255"),
		"192.0.2.1-192.0.2.255": span("192.0.2.1", "192.0.2.255"),
		"192.0.2.0-192.0.3.254": span("192.0.2.0", "192.0.3.254"),
		"0.0.0.0/0":             span("0.0.0.0", "255.255.255.255"),
		"::/0":                  span("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
		"2001:db8::/32":         SpanOf(netip.MustParsePrefix("2001:db8::1/32")),
	} {
		if s.String() != want {
			t.Errorf("%v-%v is written %s, want %s", s.First, s.Last, s, want)
		}
	}
}

// The addresses of a small world, at its lower or its upper end, in both families.
type world struct{ base []byte }

func drawWorld(t *rapid.T) world {
	base := make([]byte, rapid.SampledFrom([]int{4, 16}).Draw(t, "length"))
	if rapid.Bool().Draw(t, "upper") {
		for i := range base {
			base[i] = 0xff
		}
		base[len(base)-1] = 0xe0
	}
	return world{base}
}

const worldSize = 32

func (w world) addr(n int) netip.Addr {
	b := slices.Clone(w.base)
	b[len(b)-1] += byte(n)
	a, _ := netip.AddrFromSlice(b)
	return a
}

func (w world) draw(t *rapid.T, label string) []Span {
	var all []Span
	for range rapid.IntRange(0, 6).Draw(t, label) {
		first := rapid.IntRange(0, worldSize-1).Draw(t, "first")
		last := rapid.IntRange(first, min(worldSize-1, first+8)).Draw(t, "last")
		all = append(all, Span{w.addr(first), w.addr(last)})
	}
	return all
}

func (w world) members(spans []Span) (in [worldSize]bool) {
	for n := range in {
		in[n] = slices.ContainsFunc(spans, func(s Span) bool { return s.Contains(w.addr(n)) })
	}
	return in
}

// What is merged holds the same addresses, in spans that neither overlap nor touch;
// what is subtracted holds just those that the others don't.
func TestSpans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		a, b := w.draw(t, "spans"), w.draw(t, "others")
		merged, left := Merge(a), Subtract(a, b)
		if w.members(merged) != w.members(a) {
			t.Errorf("%v merged to %v", a, merged)
		}
		want, without := w.members(a), w.members(b)
		for n := range want {
			want[n] = want[n] && !without[n]
		}
		if w.members(left) != want {
			t.Errorf("%v without %v is %v", a, b, left)
		}
		for _, s := range b {
			in := w.members(Within(merged, s))
			for n := range in {
				if in[n] != (w.members(a)[n] && s.Contains(w.addr(n))) {
					t.Errorf("%v within %v are %v", merged, s, Within(merged, s))
				}
			}
		}
		for _, spans := range [][]Span{merged, left} {
			for i := 1; i < len(spans); i++ {
				if !spans[i-1].Last.Less(spans[i].First) || len(b) == 0 && spans[i-1].Last.Next() == spans[i].First {
					t.Errorf("%v touch", spans)
				}
			}
		}
	})
}
