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

// Contains knows of no addresses.
func (*Host) Contains(netip.Addr) bool { return false }

// Err returns [errors.ErrUnsupported].
func (*Host) Err() error { return errors.ErrUnsupported }

// Close does nothing.
func (*Host) Close() {}
