// Package busiest finds the keys that occur most often among any number of them, in
// bounded memory: the Space-Saving algorithm (Metwally, Agrawal, El Abbadi,
// "Efficient Computation of Frequent and Top-k Elements in Data Streams", 2005).
//
// It promises that a key which made up more than one in so many of all additions as
// there are counters is among them, and never counted too few times. It leaves
// locks and windows of time to others.
package busiest

import "time"

// Sketch counts keys with a fixed number of counters. It is not safe for
// concurrent use.
type Sketch[K comparable] struct {
	most  int
	of    map[K]int32 // index of the key's counter
	all   []counter[K]
	queue []int32 // of counters, a heap: the first has the least
}

// Count is how often a key was added, and what was said of it.
type Count struct {
	Times uint64 // at least as often as it was
	Over  uint64 // and by so much more at most

	// As far as the key has had its counter:
	Marked  uint64        // those of them with a mark
	Held    time.Duration // the sum
	Longest time.Duration
}

type counter[K comparable] struct {
	key   K
	place int32 // in queue
	Count
}

// New is a sketch with so many counters.
func New[K comparable](most int) *Sketch[K] {
	return &Sketch[K]{
		most: most, of: make(map[K]int32, most), all: make([]counter[K], 0, most), queue: make([]int32, 0, most),
	}
}

// Add counts a key so many times, each with the mark and held for so long. Nothing
// is allocated once as many keys have been seen as there are counters.
func (s *Sketch[K]) Add(key K, times uint64, mark bool, held time.Duration) {
	at, known := s.of[key]
	switch {
	case known:
	case len(s.all) < s.most:
		at = int32(len(s.all))
		s.all = append(s.all, counter[K]{key: key, place: at})
		s.queue = append(s.queue, at)
		s.of[key] = at
		s.rise(at)
	default:
		at = s.queue[0]
		c := &s.all[at]
		delete(s.of, c.key)
		s.of[key] = at
		c.key, c.Count = key, Count{Times: c.Times, Over: c.Times}
	}
	c := &s.all[at]
	c.Times += times
	if mark {
		c.Marked += times
	}
	c.Held += time.Duration(times) * held
	c.Longest = max(c.Longest, held)
	s.sink(c.place)
}

// rise restores the heap above a place whose counter is new.
func (s *Sketch[K]) rise(place int32) {
	for above := (place - 1) / 2; place > 0 && s.less(place, above); above = (place - 1) / 2 {
		s.swap(place, above)
		place = above
	}
}

// sink restores the heap below a place whose counter has grown.
func (s *Sketch[K]) sink(place int32) {
	for {
		least := place
		for below := 2*place + 1; below <= 2*place+2 && int(below) < len(s.queue); below++ {
			if s.less(below, least) {
				least = below
			}
		}
		if least == place {
			return
		}
		s.swap(place, least)
		place = least
	}
}

func (s *Sketch[K]) less(a, b int32) bool { return s.all[s.queue[a]].Times < s.all[s.queue[b]].Times }

func (s *Sketch[K]) swap(a, b int32) {
	s.queue[a], s.queue[b] = s.queue[b], s.queue[a]
	s.all[s.queue[a]].place, s.all[s.queue[b]].place = a, b
}

// Of is the count of a key. One without a counter may have been added as often as
// the one that was added least, or never.
func (s *Sketch[K]) Of(key K) Count {
	if at, known := s.of[key]; known {
		return s.all[at].Count
	}
	if len(s.all) < s.most {
		return Count{}
	}
	least := s.all[s.queue[0]].Times
	return Count{Times: least, Over: least}
}

// Each visits the keys, in no order.
func (s *Sketch[K]) Each(visit func(K, Count)) {
	for i := range s.all {
		visit(s.all[i].key, s.all[i].Count)
	}
}

// Reset forgets all, and keeps the memory.
func (s *Sketch[K]) Reset() {
	clear(s.of)
	clear(s.all) // lets go of keys
	s.all, s.queue = s.all[:0], s.queue[:0]
}
