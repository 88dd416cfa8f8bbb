//go:build !linux

package nft

import (
	"errors"

	"github.com/namewall/namewall/internal/set"
)

// ErrnoName has no names to give here.
func ErrnoName(error) string { return "other" }

// Writer exists on Linux only.
type Writer struct{}

// OpenWriter returns [errors.ErrUnsupported].
func OpenWriter(Options) (*Writer, error) { return nil, errors.ErrUnsupported }

// Commit returns [errors.ErrUnsupported].
func (*Writer) Commit([]Op) error { return errors.ErrUnsupported }

// Swap returns [errors.ErrUnsupported].
func (*Writer) Swap(Set, []Range, []Range) error { return errors.ErrUnsupported }

// Features are none.
func (*Writer) Features() Features { return Features{} }

// Portid is 0.
func (*Writer) Portid() uint32 { return 0 }

// Close does nothing.
func (*Writer) Close() error { return nil }

// Reader exists on Linux only.
type Reader struct{}

// OpenReader returns [errors.ErrUnsupported].
func OpenReader(Options) (*Reader, error) { return nil, errors.ErrUnsupported }

// Set returns [errors.ErrUnsupported].
func (*Reader) Set(set.ID) (Set, error) { return Set{}, errors.ErrUnsupported }

// Sets returns [errors.ErrUnsupported].
func (*Reader) Sets() ([]Set, error) { return nil, errors.ErrUnsupported }

// Elements returns [errors.ErrUnsupported].
func (*Reader) Elements(Set, func(Element) error) error { return errors.ErrUnsupported }

// Ranges returns [errors.ErrUnsupported].
func (*Reader) Ranges(Set) ([]Range, error) { return nil, errors.ErrUnsupported }

// Get returns [errors.ErrUnsupported].
func (*Reader) Get(Set, ...set.Key) ([]Element, error) { return nil, errors.ErrUnsupported }

// Close does nothing.
func (*Reader) Close() error { return nil }

// Watcher exists on Linux only.
type Watcher struct{}

// Watch returns [errors.ErrUnsupported].
func Watch(Options, []uint32, func(Event)) (*Watcher, error) { return nil, errors.ErrUnsupported }

// Ignore returns [errors.ErrUnsupported].
func (*Watcher) Ignore(...uint32) error { return errors.ErrUnsupported }

// Close does nothing.
func (*Watcher) Close() error { return nil }
