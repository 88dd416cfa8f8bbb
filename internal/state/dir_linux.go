package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sync"

	"golang.org/x/sys/unix"
)

// The generations.
const (
	newest   = "state"
	previous = "state.1"
)

// leftover matches what a save that was killed leaves behind: renameio's
// temporary file for newest, or for a name of Keep's.
var leftover = regexp.MustCompile(`^\.[a-z]+[0-9]+$`)

// Dir is the directory of the state file. Its methods may be called from several
// goroutines, and several processes may use one directory. Each call opens the
// directory anew, so that one that was moved, deleted or opened up to others
// meanwhile is noticed.
type Dir struct {
	path  string
	clock Clock
	uid   int // whose everything has to be

	saving sync.Mutex // held by Save, which others wait for
}

// Open makes the directory at path, with mode 0700, if there is none; its parent
// has to exist. It removes what a save that was killed has left there.
//
// It fails with ErrUnsafe, and says what to do, if the directory isn't the
// effective user's or if group or others have any permission for it.
func Open(path string) (*Dir, error) { return OpenWithClock(path, System()) }

// OpenWithClock is Open with another clock than the machine's.
func OpenWithClock(path string, clock Clock) (*Dir, error) {
	return openAs(path, clock, os.Geteuid())
}

func openAs(path string, clock Clock, uid int) (*Dir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	d := &Dir{path: path, clock: clock, uid: uid}
	in, err := d.enter()
	if err != nil {
		return nil, err
	}
	defer in.leave()
	in.sweep()
	return d, nil
}

// file is the path of a file in the directory.
func (d *Dir) file(name string) string { return filepath.Join(d.path, name) }

// visit is the directory while it is in use.
type visit struct {
	root *os.Root
	self *os.File // the directory itself, to be locked, read and synced
}

// enter opens the directory, makes it if need be, and checks who may use it.
func (d *Dir) enter() (*visit, error) {
	root, err := os.OpenRoot(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.Mkdir(d.path, 0o700); err == nil || errors.Is(err, fs.ErrExist) {
			root, err = os.OpenRoot(d.path)
		}
	}
	if err != nil {
		return nil, err // names the path
	}
	self, err := root.Open(".")
	if err != nil {
		_ = root.Close()
		return nil, fmt.Errorf("%s: %w", d.path, err)
	}
	in := &visit{root, self}
	if err := checkOwner(self, d.uid); err != nil {
		in.leave()
		return nil, fmt.Errorf("%s: %w", d.path, err)
	}
	return in, nil
}

// leave closes the directory and unlocks it. Closing alone would do that only
// once no child process has the file, which it has from its fork to its exec.
func (in *visit) leave() {
	_ = unix.Flock(int(in.self.Fd()), unix.LOCK_UN)
	_ = in.self.Close()
	_ = in.root.Close()
}

// lock keeps other processes from saving until leave. It doesn't wait for one
// that does: it fails with ErrBusy.
//
// File systems that lock no directories (NFS) are used without: two processes
// may then remove each other's temporary file, and the save of one fails.
func (in *visit) lock() error {
	err := unix.Flock(int(in.self.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return ErrBusy
	}
	return nil
}

// sweep removes what saves that were killed have left. What can't be removed
// takes up space and does no other harm, and why it can't will be why the next
// save fails. The file of a save that goes on at the moment is left alone.
func (in *visit) sweep() {
	if in.lock() != nil {
		return
	}
	names, _ := in.self.Readdirnames(-1)
	for _, name := range names {
		if leftover.MatchString(name) {
			_ = in.root.Remove(name)
		}
	}
}
