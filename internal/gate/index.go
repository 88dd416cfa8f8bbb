package gate

import "math/bits"

// index finds the bindings of a shard by the hashes of their keys: a hash table in
// which the hashes are in order from one end to the other (ordered linear probing:
// Amble and Knuth, 1974). A look-up reads one line of memory before the binding,
// and a walk that lets go of the shard goes on where it was, whatever has come, gone
// or moved meanwhile. The shard's mutex guards it.
type index struct {
	// places are filled from where a hash belongs, or later if it is taken, without
	// a gap.
	places []place
	homes  int // of so many places a hash belongs to one; what is beyond is overflow
	used   int
}

// place is where the index has a binding.
type place struct {
	hash uint64
	b    *binding // nil: it is free
}

// home is where a hash belongs. What is before it belongs there or earlier.
func (x *index) home(h uint64) int {
	at, _ := bits.Mul64(h, uint64(x.homes))
	return int(at)
}

// from is the first place with a hash of h or more, or behind all of them the end of
// what could be in its way.
func (x *index) from(h uint64) int {
	i := x.home(h)
	for i < len(x.places) && x.places[i].b != nil && x.places[i].hash < h {
		i++
	}
	return i
}

// find is the binding of a slot, nil if there is none.
func (x *index) find(h uint64, at *slot) *binding {
	for i := x.from(h); i < len(x.places) && x.places[i].hash == h; i++ {
		if b := x.places[i].b; b != nil && b.at == *at {
			return b
		}
	}
	return nil
}

// put adds a binding.
func (x *index) put(h uint64, b *binding) {
	if x.used >= x.homes-x.homes/4 {
		x.grow()
	}
	i := x.from(h)
	free := i
	for free < len(x.places) && x.places[free].b != nil {
		free++
	}
	if free == len(x.places) {
		x.places = append(x.places, place{})
	}
	copy(x.places[i+1:free+1], x.places[i:free])
	x.places[i] = place{h, b}
	x.used++
}

// remove takes a binding out, if it is there.
func (x *index) remove(h uint64, b *binding) {
	i := x.from(h)
	for ; i < len(x.places) && x.places[i].hash == h; i++ {
		if x.places[i].b == b {
			end := i + 1
			for end < len(x.places) && x.places[end].b != nil && x.home(x.places[end].hash) < end {
				end++
			}
			copy(x.places[i:], x.places[i+1:end])
			x.places[end-1] = place{}
			x.used--
			return
		}
	}
}

// walk calls visit for the n bindings whose hashes are the lowest from the given one
// on, and for those that have a hash with the last of them. It returns the hash with
// which to go on, if there are more. visit may remove the binding.
func (x *index) walk(from uint64, n int, visit func(*binding)) (next uint64, more bool) {
	for i := x.from(from); i < len(x.places); {
		p := x.places[i]
		if p.b == nil {
			i++
			continue
		}
		if n <= 0 && p.hash != from {
			return p.hash, true
		}
		from = p.hash
		n--
		visit(p.b)
		if x.places[i].b == p.b { // otherwise the next one has moved up
			i++
		}
	}
	return 0, false
}

// indexMin is how many homes an index begins with.
const indexMin = 16

// grow makes room for half as many bindings more: a fraction of a millisecond for
// the largest index that there can be.
func (x *index) grow() {
	homes := max(indexMin, x.homes+x.homes/2)
	wider := index{places: make([]place, homes, homes+indexMin), homes: homes, used: x.used}
	next := 0
	for _, p := range x.places {
		if p.b == nil {
			continue
		}
		next = max(next, wider.home(p.hash))
		for next >= len(wider.places) {
			wider.places = append(wider.places, place{})
		}
		wider.places[next] = p
		next++
	}
	*x = wider
}
