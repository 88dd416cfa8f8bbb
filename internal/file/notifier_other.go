//go:build !linux

package file

import "errors"

// notifier exists on Linux only: elsewhere files are looked at now and then.
type notifier struct{}

func newNotifier() (*notifier, error)    { return nil, errors.ErrUnsupported }
func (*notifier) signs() <-chan struct{} { return nil }
func (*notifier) cover([]string) error   { return nil }
func (*notifier) close()                 {}
