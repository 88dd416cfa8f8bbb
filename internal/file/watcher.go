package file

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

const (
	// pause is between two looks at a file. One that looks the same twice has
	// come to rest: whoever writes it in place writes without such pauses.
	pause = 250 * time.Millisecond
	// pollEvery is how often files are looked at without being told to: network
	// file systems tell nothing of what other machines do, nor does the kernel of
	// a link that is further up the path.
	pollEvery = 10 * time.Second
)

// Watcher follows files.
type Watcher struct {
	files   map[string]*followed // of the goroutine
	changed func(path string) (again bool)
	blind   func(error)
	poll    time.Duration
	closing chan struct{}
	once    sync.Once // closes it
}

// followed is what is known of a file.
type followed struct {
	told sight // what changed was called for last
	last sight // at the last look
}

// sight is a look at a file: its version, or why it has none.
type sight struct {
	Version
	err string
}

// Watch follows files, of which the versions are known with which the caller has
// read them. When one differs from that, and has come to rest, changed is called,
// and so for each later change. If it returns true, which is for errors that have
// nothing to do with the file's content, it is called again after a while.
//
// blind is called when the kernel can't or can't any more tell of changes, so
// that they are noticed late. Both are called from one goroutine.
func Watch(known map[string]Version, changed func(path string) (again bool), blind func(error)) *Watcher {
	w := newWatcher(known, changed, blind)
	n, err := newNotifier()
	if err != nil {
		blind(err)
	}
	go w.run(n)
	return w
}

func newWatcher(known map[string]Version, changed func(string) bool, blind func(error)) *Watcher {
	w := &Watcher{
		files: make(map[string]*followed, len(known)), changed: changed, blind: blind,
		poll: pollEvery, closing: make(chan struct{}),
	}
	for path, v := range known {
		w.files[path] = &followed{told: sight{Version: v}}
	}
	return w
}

// Close ends it. A call that is under way goes on; there is no other after it.
func (w *Watcher) Close() { w.once.Do(func() { close(w.closing) }) }

// run looks at the files: a pause after each sign of a change, so that many of
// them cost one look, and two looks are a pause apart.
func (w *Watcher) run(n *notifier) {
	defer n.close()
	poll := time.NewTicker(w.poll)
	defer poll.Stop()
	next := time.NewTimer(0) // for what has changed since the files were read
	defer next.Stop()
	due, seeing := true, true
	for {
		select {
		case <-w.closing:
			return
		case <-n.signs():
		case <-poll.C:
		case <-next.C:
			// What happens after the directories are covered is told, and what
			// happened before is seen.
			err := n.cover(w.directories())
			if err != nil && seeing {
				w.blind(err)
			}
			seeing = err == nil
			if due = w.look(); due {
				next.Reset(pause)
			}
			continue
		}
		if !due {
			due = true
			next.Reset(pause)
		}
	}
}

// look looks at all files, and tells of those that have come to rest. It reports
// whether one has not.
func (w *Watcher) look() (restless bool) {
	for path, f := range w.files {
		last := f.last
		f.last = sightOf(path)
		switch {
		case f.last == f.told:
		case f.last != last:
			restless = true
		default:
			select {
			case <-w.closing:
				return false
			default:
			}
			f.told = f.last
			if w.changed(path) {
				f.told = sight{} // is no file's
			}
		}
	}
	return restless
}

func sightOf(path string) sight {
	info, err := os.Stat(path)
	if err != nil {
		return sight{err: err.Error()}
	}
	return sight{Version: versionOf(info)}
}

// directories are those in which a change may show: where the files are by their
// paths, and where symbolic links lead to. Another target of the last link on the
// way shows in one of them.
func (w *Watcher) directories() []string {
	all := make(map[string]struct{})
	for path := range w.files {
		all[filepath.Dir(path)] = struct{}{}
		if real, err := filepath.EvalSymlinks(path); err == nil {
			all[filepath.Dir(real)] = struct{}{}
		}
	}
	return slices.Collect(maps.Keys(all))
}
