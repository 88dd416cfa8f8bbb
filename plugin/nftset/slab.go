package nftset

// slab gives out values that are never used twice, and allocates many at a time, so
// that they cost the answer path next to nothing. It is not safe for concurrent use.
type slab[T any] struct{ rest []T }

// slabSize is how many are allocated at once. One that is held on to keeps the
// others of its slab, and each answer under way has a slab: 16 are less than a KiB.
const slabSize = 16

func (s *slab[T]) take() *T {
	if len(s.rest) == 0 {
		s.rest = make([]T, slabSize)
	}
	v := &s.rest[0]
	s.rest = s.rest[1:]
	return v
}
