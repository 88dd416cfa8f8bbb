package nft

import "fmt"

// Usable tells whether namewall can write the set's elements: nil, or an
// ErrUnusable that says what to declare instead. The set's name is left to whoever
// tells.
func (s Set) Usable() error {
	switch {
	case !s.Known:
		return s.unusable("its type '%s' is none that namewall can fill: use %s", s.KeyType, layouts)
	case s.Map:
		return s.unusable("it is a map: declare a set")
	case s.Interval:
		// A lone address in an interval set opens a range up to the next
		// element, and every commit costs time in proportion to the set.
		return s.unusable("it has 'flags interval': declare it without, addresses are looked up faster in a plain set; or write 'interval' behind its type in the Corefile, if it is for static prefixes")
	case s.Dynamic:
		// dynset rewrites lives from the packet path and reports nothing.
		return s.unusable("it has 'flags dynamic': rules that add to a set need a set of their own")
	case s.Constant:
		return s.unusable("it has 'flags constant': declare it without")
	case !s.Timeout:
		return s.unusable("its elements can't expire: declare it with 'flags timeout'")
	}
	return nil
}

// UsableForRanges is Usable for an interval set, into which ranges are written.
func (s Set) UsableForRanges() error {
	switch {
	case !s.Known || s.Layout.Pair:
		return s.unusable("its type '%s' is none that namewall can fill with ranges: use ADDR, ADDR . inet_service or ADDR . inet_proto . inet_service, where ADDR is ipv4_addr or ipv6_addr", s.KeyType)
	case s.Map:
		return s.unusable("it is a map: declare a set")
	case !s.Interval:
		return s.unusable("it has no 'flags interval': declare it with them, or take 'interval' out of the Corefile, if it is for addresses")
	case s.Constant:
		return s.unusable("it has 'flags constant': declare it without")
	case s.Default > 0:
		// What brings no timeout gets this one, and no event would tell of its end.
		return s.unusable("it has a 'timeout' of its own, after which ranges would go: declare it without")
	}
	return nil
}

const layouts = "ADDR, ADDR . inet_service, ADDR . inet_proto . inet_service, " +
	"ADDR . ADDR or ADDR . ADDR . inet_proto . inet_service, where ADDR is ipv4_addr or ipv6_addr"

func (s Set) unusable(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrUnusable, fmt.Sprintf(format, args...))
}
