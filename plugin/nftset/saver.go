package nftset

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/namewall/namewall/internal/gate"
	"github.com/namewall/namewall/internal/state"
)

// saveEvery is how old the state file may become while promises are made. What
// was promised since is lost with the machine, and only clients who cached the
// answer are worse off, until they ask again.
const saveEvery = 30 * time.Second

// saver keeps the state file up to date, away from the answer path. Where it
// can't, the site's DNS goes on without: that is logged and counted.
type saver struct {
	gate     *gate.Gate
	saved    prometheus.Gauge
	failures prometheus.Counter

	touched atomic.Bool           // there is something to save, whatever the gate says
	told    atomic.Pointer[error] // the error that was logged last, nil if it is over
	behind  atomic.Bool           // the clock was, when the state was read

	mu       sync.Mutex // guards what follows, and is held during a save
	dir      *state.Dir // nil: it can't be used, or there is none
	path     string     // as configured, "": none
	commits  int64      // of the gate, when it was saved last
	loaded   bool       // in this process
	recalled bool       // what was kept beside it was read, in this process
}

// use makes path the directory of the state file, "" for none. What an earlier
// process has left there is returned once, to the first configuration: later ones
// find it in memory.
func (s *saver) use(path string) (earlier state.Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := !s.loaded
	s.loaded = true
	if path == s.path && s.dir != nil {
		return earlier
	}
	s.dir, s.path, s.commits = nil, path, 0
	if path == "" {
		s.told.Store(nil) // it was about the other one
	}
	if path == "" || s.open() != nil || !first {
		return earlier
	}
	l, err := s.dir.Load()
	for _, problem := range l.Problems {
		s.failures.Inc()
		log.Warningf("state file: %v", problem)
	}
	switch {
	case err == nil:
		s.behind.Store(l.By == state.ByNone)
		log.Infof("state file %s: %d promises, %d have expired in the %v since (%v)",
			l.Path, len(l.Bindings), l.Expired, l.Passed.Round(time.Second), l.By)
	case !errors.Is(err, state.ErrNone):
		_ = s.note(err) // and go on without
	}
	return l.Snapshot
}

// open opens the directory.
func (s *saver) open() error {
	dir, err := state.Open(s.path)
	if err == nil {
		s.dir = dir
	}
	return s.note(err)
}

// touch has the next save write, although nothing was promised. It doesn't wait
// for one that is under way.
func (s *saver) touch() { s.touched.Store(true) }

// save writes the state file if anything was promised, or written to the kernel,
// since the last time. A directory that couldn't be used is tried again.
func (s *saver) save() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	commits := s.gate.Commits()
	if s.gate.Promised() {
		s.touch()
	}
	if s.path == "" || commits == s.commits && !s.touched.Load() {
		return nil
	}
	if s.dir == nil {
		if err := s.open(); err != nil {
			return err
		}
	}
	touched := s.touched.Swap(false) // what comes from here on may be too late for the snapshot
	if err := s.note(s.dir.Save(s.gate.Snapshot(s.dir.Now()))); err != nil {
		if touched {
			s.touch()
		}
		return err
	}
	s.commits = commits
	s.saved.SetToCurrentTime()
	return nil
}

// saveNow writes the state file with what was changed just now, before whoever
// has changed it relies on it.
func (s *saver) saveNow() error {
	s.touch()
	return s.save()
}

// note counts an error and logs it, once, and logs when it is over. It returns
// the error.
func (s *saver) note(err error) error {
	told := s.problem()
	switch {
	case err == nil:
		if told != nil {
			s.told.Store(nil)
			log.Infof("state is kept again in %s", s.path)
		}
		return nil
	case told == nil || told.Error() != err.Error():
		log.Errorf("no state is kept, a reboot would find the sets empty: %v", err)
	}
	s.told.Store(&err)
	s.failures.Inc()
	return err
}

// problem is why no state is kept, as logged; nil if it is, or is to be nowhere. It
// doesn't wait for a save.
func (s *saver) problem() error {
	if err := s.told.Load(); err != nil {
		return *err
	}
	return nil
}

// run saves for as long as the process lives.
func (s *saver) run() {
	for range time.Tick(saveEvery) {
		_ = s.save() // logged, and tried again
	}
}

// keep writes a file of its own beside the state file, if there is one.
func (s *saver) keep(name string, content []byte) error {
	s.mu.Lock()
	dir := s.dir
	s.mu.Unlock()
	if dir == nil {
		return nil
	}
	return dir.Keep(name, content)
}

// earlier is what an earlier process has kept as name, once; nil if there is none.
func (s *saver) earlier(name string) []byte {
	s.mu.Lock()
	dir, known := s.dir, s.recalled
	s.recalled = true
	s.mu.Unlock()
	if dir == nil || known {
		return nil
	}
	content, err := dir.Recall(name)
	if err != nil {
		log.Warningf("state directory: %v", err)
	}
	return content
}
