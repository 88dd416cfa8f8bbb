//go:build !linux

package conntrack

import "errors"

// Table exists on Linux only.
type Table struct{}

// Open returns [errors.ErrUnsupported].
func Open(int) (*Table, error) { return nil, errors.ErrUnsupported }

// Kill returns [errors.ErrUnsupported].
func (*Table) Kill([]Flow) (int, error) { return 0, errors.ErrUnsupported }

// Close does nothing.
func (*Table) Close() error { return nil }
