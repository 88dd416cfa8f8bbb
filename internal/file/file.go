// Package file reads configuration files, and follows them while the process
// runs: it tells when one has changed, whether it was written in place, replaced
// by another of its name, or a symbolic link on the way to it has got another
// target.
//
// It promises that a file is read as a whole or not at all, that a change is told
// of only when the file has come to rest, and that none is missed for good: where
// the kernel tells nothing, files are looked at now and then. What they say is for
// others.
package file

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// ErrChanging tells that somebody was writing the file while it was read.
var ErrChanging = errors.New("the file is being written")

// readTries is how often a file is read that changes meanwhile. That is mostly
// the end of its replacement.
const readTries = 3

// Version tells what a file was from what it is, without its content. Versions
// are comparable. The zero Version is no file's.
type Version struct {
	device, inode     uint64
	size              int64
	modified, changed int64 // in nanoseconds
}

// Read reads a regular file of limit bytes at most. Errors name the file.
func Read(path string, limit int64) (string, Version, error) {
	for try := 1; ; try++ {
		text, v, err := read(path, limit)
		if !errors.Is(err, ErrChanging) || try == readTries {
			return text, v, err
		}
	}
}

func read(path string, limit int64) (string, Version, error) {
	// Who opens a named pipe would wait for somebody to write.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", Version{}, err
	}
	defer f.Close()
	before, err := f.Stat()
	if err != nil {
		return "", Version{}, err
	}
	if !before.Mode().IsRegular() {
		return "", Version{}, fmt.Errorf("%s is no regular file", path)
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return "", Version{}, err
	}
	if int64(len(b)) > limit {
		return "", Version{}, fmt.Errorf("%s has more than %d bytes", path, limit)
	}
	after, err := f.Stat()
	if err != nil {
		return "", Version{}, err
	}
	if versionOf(before) != versionOf(after) {
		return "", Version{}, fmt.Errorf("%s: %w", path, ErrChanging)
	}
	return string(b), versionOf(after), nil
}
