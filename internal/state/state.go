// Package state keeps, across a crash, an upgrade or a reboot, what the gate has
// promised: a snapshot of its bindings in a file.
//
// It promises that a snapshot is loaded whole or not at all, whatever happened
// to the file; that a power failure, a kill or a full disk at any moment of a
// save leaves the previous snapshot as it was; and that no life is longer after
// a load than what was left of it at the save, whatever the clock did.
//
// It knows nothing of what it keeps beyond its form. Whether a binding still has
// a rule, whether its address is admissible by now and how long it may live at
// most is for the gate to ask again.
//
// # Files
//
// The directory has two generations, `state` and `state.1`, the one before it.
// Both are firewall policy (whoever can write them opens the firewall, whoever
// reads them learns who asked for what), so nobody but the owner may enter the
// directory. Its path may lead through symbolic links, as systemd's
// StateDirectory= of a dynamic user does; the files may not be links.
package state

import "errors"

// Why a generation, or a directory, can't be used. Texts that wrap them say
// more, on one line.
var (
	// ErrNone tells that there is nothing to load: it is the first start, or
	// no generation can be used.
	ErrNone = errors.New("no state to load")
	// ErrDamaged tells that a file is not what was written.
	ErrDamaged = errors.New("damaged")
	// ErrVersion tells that a file has a format that this namewall can't read.
	ErrVersion = errors.New("of another format")
	// ErrFuture tells that a file was saved at a time that is yet to come,
	// too far ahead for the clock merely to be behind.
	ErrFuture = errors.New("saved in the future")
	// ErrUnsafe tells that others than the owner could read or write.
	ErrUnsafe = errors.New("unsafe")
	// ErrBusy tells that another process is saving at this moment.
	ErrBusy = errors.New("another process is saving there")
)
