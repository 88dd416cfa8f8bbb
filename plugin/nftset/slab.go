package nftset

// slab gives out values that are never used twice, and allocates many at a time, so
// that they cost the answer path next to nothing. It is not safe for concurrent use.
type slab[T any] struct{ rest []T }

// slabSize is how many are allocated at once. One that is held on to keeps the others
// of its slab with what they refer to, and each answer under way has two slabs: with
// what eight refer to they are a few KiB.
const slabSize = 8

func (s *slab[T]) take() *T {
	if len(s.rest) == 0 {
		s.rest = make([]T, slabSize)
	}
	v := &s.rest[0]
	s.rest = s.rest[1:]
	return v
}
