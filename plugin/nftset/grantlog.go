package nftset

import (
	"encoding/json"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"gopkg.in/natefinch/lumberjack.v2"

	"github.com/namewall/namewall/internal/gate"
)

const (
	// grantRoom is how many lines may wait for the disk: some seconds of a busy
	// gateway.
	grantRoom = 16_384
	// The log is rotated at so many megabytes, and so many old ones are kept,
	// compressed: a site's months, in a few hundred megabytes at most.
	grantSize = 64
	grantKept = 16
)

// grantLog writes what happens to a file, a line of JSON each, away from the
// answer path.
type grantLog struct {
	gate     *gate.Gate
	lost     prometheus.Counter // lines for which there was no room
	failures prometheus.Counter // to write

	mu    sync.Mutex // guards what follows
	path  string     // "": none
	leave func()     // ends the writing goroutine; nil: there is none
	done  chan struct{}
}

// use writes to path from now on, "" for nowhere.
func (g *grantLog) use(path string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if path == g.path {
		return
	}
	g.stop()
	if g.path = path; path == "" {
		return
	}
	l, leave := g.gate.Listen(grantRoom)
	end := make(chan struct{})
	g.leave = func() { leave(); close(end) }
	g.done = make(chan struct{})
	go g.write(l, path, end, g.done)
}

// close writes what is waiting, and ends.
func (g *grantLog) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stop()
	g.path = ""
}

// stop is close with the mutex held.
func (g *grantLog) stop() {
	if g.leave != nil {
		g.leave()
		<-g.done
		g.leave = nil
	}
}

// write writes lines until end is closed and nothing waits any more.
func (g *grantLog) write(l *gate.Listener, path string, end <-chan struct{}, done chan<- struct{}) {
	defer close(done)
	file := &lumberjack.Logger{Filename: path, MaxSize: grantSize, MaxBackups: grantKept, Compress: true}
	defer file.Close()
	w := grantWriter{grantLog: g, path: path, lines: json.NewEncoder(file)}
	lost := uint64(0)
	for {
		select {
		case h := <-l.C():
			w.write(&h)
		case <-end:
			for len(l.C()) > 0 {
				h := <-l.C()
				w.write(&h)
			}
			return
		}
		if n := l.Lost(); n > lost {
			g.lost.Add(float64(n - lost))
			lost = n
		}
	}
}

type grantWriter struct {
	*grantLog
	path  string
	lines *json.Encoder
	told  string // the error that was logged last, "" if it is over
}

// write writes one line, unless it is none for the log: a packet that was dropped
// grants nothing, nor does an extension, but for the first beyond each day.
func (w *grantWriter) write(h *gate.Happening) {
	if h.Kind == gate.Dropped || h.Kind == gate.Extended && !beyondADay(h) {
		return
	}
	err := w.lines.Encode(event(h))
	text := ""
	if err != nil {
		text = err.Error()
		w.failures.Inc()
	}
	switch {
	case text == w.told:
	case err != nil:
		log.Errorf("the grant log can't be written: %v", err)
	default:
		log.Infof("the grant log is written again to %s", w.path)
	}
	w.told = text
}

// beyondADay tells whether an extension takes the promise past another whole day
// since it was first made.
func beyondADay(h *gate.Happening) bool {
	first := time.Duration(0)
	for i := range h.Entry.Reasons {
		first = max(first, h.Entry.Reasons[i].First)
	}
	return (first+h.Entry.Promised)/day > (first+h.Before)/day
}
