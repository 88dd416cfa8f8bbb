//go:build !linux

package nflog

import "context"

// Read fails.
func Read(context.Context, uint16, Options, Sink) error { return ErrNone }
