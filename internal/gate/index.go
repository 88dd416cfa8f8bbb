package gate

import "math/bits"

// index finds the bindings or the names of a shard by their hashes: a hash table in
// which the hashes are in order from one end to the other (ordered linear probing:
// Amble and Knuth, 1974). A look-up reads one line of memory before what it finds,
// and a walk that lets go of the shard goes on where it was, whatever has come, gone
// or moved meanwhile. The shard's mutex guards it.
type index[T any] struct {
	// places are filled from where a hash belongs, or later if it is taken, without
	// a gap.
	places []place[T]
	homes  int // of so many places a hash belongs to one; what is beyond is overflow
	used   int
}

// place is where the index has one.
type place[T any] struct {
	hash uint64
	v    *T // nil: it is free
}

// home is where a hash belongs. What is before it belongs there or earlier.
func (x *index[T]) home(h uint64) int {
	at, _ := bits.Mul64(h, uint64(x.homes))
	return int(at)
}

// from is the first place with a hash of h or more, or behind all of them the end of
// what could be in its way.
func (x *index[T]) from(h uint64) int {
	i := x.home(h)
	for i < len(x.places) && x.places[i].v != nil && x.places[i].hash < h {
		i++
	}
	return i
}

// first is the first that has a hash, nil if there is none.
func (x *index[T]) first(h uint64) *T {
	if i := x.from(h); i < len(x.places) && x.places[i].hash == h {
		return x.places[i].v
	}
	return nil
}

// put adds v.
func (x *index[T]) put(h uint64, v *T) {
	if x.used >= x.homes-x.homes/4 {
		x.grow()
	}
	i := x.from(h)
	free := i
	for free < len(x.places) && x.places[free].v != nil {
		free++
	}
	if free == len(x.places) {
		x.places = append(x.places, place[T]{})
	}
	copy(x.places[i+1:free+1], x.places[i:free])
	x.places[i] = place[T]{h, v}
	x.used++
}

// remove takes v out, if it is there.
func (x *index[T]) remove(h uint64, v *T) {
	i := x.from(h)
	for ; i < len(x.places) && x.places[i].hash == h; i++ {
		if x.places[i].v == v {
			end := i + 1
			for end < len(x.places) && x.places[end].v != nil && x.home(x.places[end].hash) < end {
				end++
			}
			copy(x.places[i:], x.places[i+1:end])
			x.places[end-1] = place[T]{}
			x.used--
			return
		}
	}
}

// walk calls visit for the n whose hashes are the lowest from the given one on, and for
// those that have a hash with the last of them. It returns the hash with which to go
// on, if there are more. visit may remove what it is called with.
func (x *index[T]) walk(from uint64, n int, visit func(h uint64, v *T)) (next uint64, more bool) {
	last := from
	for i := x.from(from); i < len(x.places); {
		p := x.places[i]
		if p.v == nil {
			i++
			continue
		}
		if n <= 0 && p.hash != last {
			return p.hash, true
		}
		last = p.hash
		n--
		visit(p.hash, p.v)
		if x.places[i].v == p.v { // otherwise the next one has moved up
			i++
		}
	}
	return 0, false
}

// indexMin is how many homes an index begins with.
const indexMin = 16

// grow makes room for half as many more: a fraction of a millisecond for the largest
// index that there can be.
func (x *index[T]) grow() {
	homes := max(indexMin, x.homes+x.homes/2)
	wider := index[T]{places: make([]place[T], homes, homes+indexMin), homes: homes, used: x.used}
	next := 0
	for _, p := range x.places {
		if p.v == nil {
			continue
		}
		next = max(next, wider.home(p.hash))
		for next >= len(wider.places) {
			wider.places = append(wider.places, place[T]{})
		}
		wider.places[next] = p
		next++
	}
	*x = wider
}
