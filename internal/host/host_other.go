//go:build !linux

package host

import (
	"errors"
	"net/netip"
)

// Host exists on Linux only.
type Host struct{}

// Open returns [errors.ErrUnsupported].
func Open() (*Host, error) { return nil, errors.ErrUnsupported }

// Contains is false.
func (*Host) Contains(netip.Addr) bool { return false }

// Close does nothing.
func (*Host) Close() error { return nil }
