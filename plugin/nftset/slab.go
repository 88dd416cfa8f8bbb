package nftset

import "sync"

// slab gives out values that are never used twice, and allocates many at a time, so
// that they cost the answer path next to nothing.
type slab[T any] struct{ rest sync.Pool } // of *[]T

// slabSize is how many are allocated at once. One that is held on to keeps the
// others of its slab: 64 are a few KiB.
const slabSize = 64

func (s *slab[T]) take() *T {
	left, ok := s.rest.Get().(*[]T)
	if !ok {
		left = new([]T)
	}
	if len(*left) == 0 {
		*left = make([]T, slabSize)
	}
	v := &(*left)[0]
	*left = (*left)[1:]
	s.rest.Put(left)
	return v
}
