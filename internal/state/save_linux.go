package state

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/google/renameio/v2"
)

// Now is the moment for Snapshot.Taken. What takes long to collect is taken when
// that begins, at the moment to which its durations are relative.
func (d *Dir) Now() Instant { return d.clock.Now() }

// Save makes s the newest generation, and the newest until then the previous
// one. A snapshot without Taken is of this moment; what has expired in it isn't
// written.
//
// When Save returns nil, s survives a power failure. When it fails or is killed,
// at whatever moment, the newest generation that can be used is what it was
// before or, at the very end, s. A generation that can't be used is replaced.
func (d *Dir) Save(s Snapshot) error {
	return d.save(s, func(in *visit) disk { return (*realDisk)(in) })
}

// save is Save with another view of the disk.
func (d *Dir) save(s Snapshot, view func(*visit) disk) error {
	d.saving.Lock()
	defer d.saving.Unlock()
	if s.Taken == (Instant{}) {
		s.Taken = d.clock.Now()
	}
	payload, err := encode(&s)
	if err != nil {
		return fmt.Errorf("encoding the state: %w", err)
	}
	if err := d.write(payload, s.Taken, view); err != nil {
		return fmt.Errorf("saving the state: %w", err)
	}
	return nil
}

func (d *Dir) write(payload []byte, taken Instant, view func(*visit) disk) error {
	in, err := d.enter()
	if err != nil {
		return err
	}
	defer in.leave()
	if err := in.lock(); err != nil {
		return err
	}
	keep, serial := d.last(in)
	h := newHeader(payload, taken, serial+1)
	return d.named(replace(view(in), keep, h.bytes(), payload))
}

// named is the error of a save with the file that was to be saved in place of the
// temporary one, whose name is another each time: who logs an error once goes by
// its text.
func (d *Dir) named(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return &fs.PathError{Op: e.Op, Path: d.file(newest), Err: e.Err}
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return &fs.PathError{Op: e.Op, Path: d.file(newest), Err: e.Err}
	}
	return err
}

// last finds the newest generation that can be used: its serial, and whether it
// is the one that a save replaces, so that it has to be kept. What can't be used
// must push out nothing that can. That what has the right checksum can be decoded
// is taken for granted.
func (d *Dir) last(in *visit) (keep bool, serial uint64) {
	found, _ := d.generations(in)
	defer closeAll(found)
	if len(found) == 0 {
		return false, 0
	}
	return found[0].name == newest, found[0].header.Serial
}

// disk is what a save does to the directory, a method for each step, so that
// tests can fail or end the process between any two.
type disk interface {
	create() (pending, error) // a temporary file, to become the newest generation
	retire() error            // the newest generation becomes the previous one
	sync() error              // the directory
}

// pending is the part of renameio.PendingFile that is used.
type pending interface {
	io.Writer
	Sync() error
	CloseAtomicallyReplace() error
	Cleanup() error // does nothing after a CloseAtomicallyReplace that succeeded
}

// replace writes a generation. The new one is whole and on the disk before
// anything else changes. Then, if the newest one is kept, it takes the previous
// one's place, which leaves it as the only generation for a moment; a file
// system that orders two renames differently leaves the new one and the
// previous one.
func replace(on disk, keep bool, content ...[]byte) error {
	p, err := on.create()
	if err != nil {
		return err
	}
	// What can't be removed now is when the directory is opened the next time.
	defer func() { _ = p.Cleanup() }()
	for _, b := range content {
		if _, err := p.Write(b); err != nil {
			return err
		}
	}
	if err := p.Sync(); err != nil {
		return err
	}
	if keep {
		if err := on.retire(); err != nil {
			return err
		}
	}
	if err := p.CloseAtomicallyReplace(); err != nil {
		return err
	}
	return on.sync()
}

type realDisk visit

func (d *realDisk) create() (pending, error) {
	p, err := renameio.NewPendingFile(newest, renameio.WithRoot(d.root), renameio.WithStaticPermissions(0o600))
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (d *realDisk) retire() error { return d.root.Rename(newest, previous) }

func (d *realDisk) sync() error { return d.self.Sync() }
