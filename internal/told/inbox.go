package told

import (
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// gather is how long answers are gathered before they are noted, all at once:
	// waking a goroutine for each would cost whoever answers more than all the rest.
	// It is the error of Told.At.
	gather = 10 * time.Millisecond
	// Answers that wait are in shelves, so that those who answer seldom meet. There
	// is room for some hundred thousand answers a second, in a megabyte.
	shelves   = 8
	shelfRoom = 512
)

// Inbox takes answers from who gives them, and notes them in a ledger.
type Inbox struct {
	*Ledger
	lost    func()
	wake    chan struct{}
	end     chan struct{}
	done    sync.WaitGroup
	shelves [shelves]shelf
}

// shelf has answers that wait.
type shelf struct {
	mu    sync.Mutex // guards what follows
	items *[shelfRoom]Answer
	n     int

	_ [64]byte // a cache line, for the next one's mutex
}

// Open has answers noted in a ledger until Close. lost is called for each that
// finds no room, by whom it comes from.
func Open(l *Ledger, lost func()) *Inbox {
	in := &Inbox{Ledger: l, lost: lost, wake: make(chan struct{}, 1), end: make(chan struct{})}
	for i := range in.shelves {
		in.shelves[i].items = new([shelfRoom]Answer)
	}
	in.done.Go(in.run)
	return in
}

// Give hands an answer over. It waits for nobody but those who give at the same
// time: if there is no room the answer is lost.
func (in *Inbox) Give(a *Answer) {
	s := &in.shelves[rand.Uint32()%shelves]
	s.mu.Lock()
	n := s.n
	if n < shelfRoom {
		s.items[n] = *a
		s.n++
	}
	s.mu.Unlock()
	switch n {
	case 0:
		select {
		case in.wake <- struct{}{}:
		default:
		}
	case shelfRoom:
		in.lost()
	}
}

// Close ends the noting. What is given later is lost.
func (in *Inbox) Close() {
	close(in.end)
	in.done.Wait()
}

func (in *Inbox) run() {
	spare := new([shelfRoom]Answer)
	timer := time.NewTimer(gather)
	defer timer.Stop()
	for {
		select {
		case <-in.wake:
		case <-in.end:
			return
		}
		timer.Reset(gather)
		select {
		case <-timer.C:
		case <-in.end:
			return
		}
		now := time.Now()
		for i := range in.shelves {
			spare = in.empty(&in.shelves[i], spare, now)
		}
	}
}

// empty notes what is in a shelf, which goes on with other room, and returns the
// room that it had.
func (in *Inbox) empty(s *shelf, spare *[shelfRoom]Answer, now time.Time) *[shelfRoom]Answer {
	s.mu.Lock()
	full, n := s.items, s.n
	s.items, s.n = spare, 0
	s.mu.Unlock()
	for i := range full[:n] {
		in.Note(&full[i], now)
		full[i] = Answer{} // and lets go of the names
	}
	return full
}
