package file

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// notifier has the kernel tell of changes in directories (inotify(7)). Of files
// that are written it hears when they are closed, and not with every write.
// Directories and not files are watched, because a file that takes another's name
// isn't the one that was watched. A nil notifier hears nothing.
type notifier struct {
	fd      int
	file    *os.File // of fd, for reading
	covered map[string]int
	c       chan struct{}
}

const signs = unix.IN_CLOSE_WRITE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO | unix.IN_CREATE | unix.IN_DELETE |
	unix.IN_ATTRIB | unix.IN_DELETE_SELF | unix.IN_MOVE_SELF | unix.IN_ONLYDIR

func newNotifier() (*notifier, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("inotify_init1: %w", err)
	}
	n := &notifier{fd: fd, file: os.NewFile(uintptr(fd), "inotify"), c: make(chan struct{}, 1)}
	go n.hear()
	return n, nil
}

// hear passes on that something has happened. What it was shows by looking.
func (n *notifier) hear() {
	buf := make([]byte, 4096) // more than one event, unix.SizeofInotifyEvent + NAME_MAX + 1
	for {
		if _, err := n.file.Read(buf); err != nil {
			return // closed
		}
		select {
		case n.c <- struct{}{}:
		default:
		}
	}
}

// signs fires after something has happened in a directory that is covered.
func (n *notifier) signs() <-chan struct{} {
	if n == nil {
		return nil
	}
	return n.c
}

// cover listens to these directories and no others. That one is not there is no
// error.
func (n *notifier) cover(directories []string) error {
	if n == nil {
		return nil
	}
	var failed error
	covered := make(map[string]int, len(directories))
	for _, d := range directories {
		switch wd, err := unix.InotifyAddWatch(n.fd, d, signs); {
		case err == nil: // the same as before, if it is the same directory
			covered[d] = wd
		case !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENOTDIR):
			failed = fmt.Errorf("inotify_add_watch %s: %w", d, err)
		}
	}
	still := slices.Collect(maps.Values(covered))
	for _, wd := range n.covered {
		if !slices.Contains(still, wd) {
			_, _ = unix.InotifyRmWatch(n.fd, uint32(wd)) // it may have gone with its directory
		}
	}
	n.covered = covered
	return failed
}

func (n *notifier) close() {
	if n != nil {
		_ = n.file.Close() // ends hear
	}
}
