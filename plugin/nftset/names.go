package nftset

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/namewall/namewall/internal/file"
	"github.com/namewall/namewall/internal/rule"
)

// names follows the files of a running Corefile's `names` lines. A file that has
// changed is read and becomes part of the rules, or is refused as a whole, and the
// list that it had before goes on. Nothing of this is on the way of an answer.
type names struct {
	renew   func(path string, patterns []rule.Pattern) bool
	watcher *file.Watcher

	mu    sync.Mutex           // guards files
	files map[string]*nameFile // by path
}

// nameFile is one of the files.
type nameFile struct {
	patterns []rule.Pattern // in use
	refused  error          // why these are not what the file says, nil if they are
}

// followNames begins to follow files, which have been read as lists. renew puts
// new patterns into use in place of what the file said before; it reports false if
// the Corefile is no longer the one that runs.
func followNames(lists map[string]list, renew func(string, []rule.Pattern) bool) *names {
	n := &names{renew: renew, files: make(map[string]*nameFile, len(lists))}
	versions := make(map[string]file.Version, len(lists))
	for path, l := range lists {
		n.files[path] = &nameFile{patterns: l.patterns}
		versions[path] = l.version
	}
	n.watcher = file.Watch(versions, n.changed, func(err error) {
		log.Warningf("changes of names files may be noticed late: %v", err)
	})
	return n
}

// close ends it. A nil names follows nothing.
func (n *names) close() {
	if n != nil {
		n.watcher.Close()
	}
}

// changed takes over a file that has changed. It returns true if another try may
// find the file as it is.
func (n *names) changed(path string) (again bool) {
	l, err := readList(path)
	if errors.Is(err, file.ErrChanging) {
		return true
	}
	f := n.files[path]
	if err == nil && !slices.Equal(l.patterns, f.patterns) && !n.renew(path, l.patterns) {
		return false
	}
	n.note(path, f, l.patterns, err)
	return err != nil && !isListError(err)
}

func isListError(err error) bool {
	_, ok := errors.AsType[*ListError](err)
	return ok
}

// note keeps what has become of a file, and logs what is new about it.
func (n *names) note(path string, f *nameFile, patterns []rule.Pattern, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case err == nil && !slices.Equal(patterns, f.patterns):
		log.Infof("names %s: %d patterns, %d before", path, len(patterns), len(f.patterns))
	case err == nil && f.refused != nil:
		log.Infof("names %s: as before, %d patterns", path, len(patterns))
	case err != nil && (f.refused == nil || f.refused.Error() != err.Error()):
		log.Errorf("%v", nameStats{path, len(f.patterns), err}.problem())
	}
	if f.refused = err; err == nil {
		f.patterns = patterns
	}
}

// nameStats are one file's.
type nameStats struct {
	path     string
	patterns int   // in use
	refused  error // why they are not what the file says, nil if they are
}

// problem tells what is in use although the file says otherwise.
func (s nameStats) problem() error {
	return fmt.Errorf("names %s: going on with the %d patterns that it had before: %w", s.path, s.patterns, s.refused)
}

// stats tells of all files, by path.
func (n *names) stats() []nameStats {
	if n == nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	var all []nameStats
	for _, path := range slices.Sorted(maps.Keys(n.files)) {
		f := n.files[path]
		all = append(all, nameStats{path, len(f.patterns), f.refused})
	}
	return all
}
