//go:build !linux

package state

import "errors"

// Dir exists on Linux only.
type Dir struct{}

// Open returns [errors.ErrUnsupported].
func Open(string) (*Dir, error) { return nil, errors.ErrUnsupported }

// OpenWithClock returns [errors.ErrUnsupported].
func OpenWithClock(string, Clock) (*Dir, error) { return nil, errors.ErrUnsupported }

// Now returns no moment.
func (*Dir) Now() Instant { return Instant{} }

// Save returns [errors.ErrUnsupported].
func (*Dir) Save(Snapshot) error { return errors.ErrUnsupported }

// Load returns [errors.ErrUnsupported].
func (*Dir) Load() (Loaded, error) { return Loaded{}, errors.ErrUnsupported }

// View returns [errors.ErrUnsupported].
func View(string) (Loaded, error) { return Loaded{}, errors.ErrUnsupported }

// Keep returns [errors.ErrUnsupported].
func (*Dir) Keep(string, []byte) error { return errors.ErrUnsupported }

// Recall returns [errors.ErrUnsupported].
func (*Dir) Recall(string) ([]byte, error) { return nil, errors.ErrUnsupported }
