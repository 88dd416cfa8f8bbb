//go:build linux

package lab

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Traffic is clients that go about their business while a test does something to
// the gateway. Each looks names up as a stub resolver does, connects at once to
// the addresses of an answer, and comes back to addresses that it remembers
// without asking again.
//
// What goes wrong is noted with its time, so that a test can say afterwards what
// it excuses.
type Traffic struct {
	Clients int // each with an address of its own
	Port    int // to connect to, over TCP
	// Limit is how long a connection may take. It is longer than the time after
	// which a SYN is repeated, so that one that was only late is told apart.
	Limit time.Duration
	// Names is how many names are asked for, in turn: first they are fresh, then
	// they are not.
	Names    int
	Question func(i int) (name string, qtype uint16)
	// Set4 and Set6 are the sets of table inet filter that addresses are promised
	// in.
	Set4, Set6 string
	// Retry is how long a client waits for an answer before it asks once more.
	Retry time.Duration
}

// TrafficRun is Traffic that is under way.
type TrafficRun struct {
	Traffic

	lab     *Lab
	next    atomic.Int64
	stop    chan struct{}
	clients sync.WaitGroup
	stopped TrafficLog // by Stop

	mu       sync.Mutex // guards what follows
	log      TrafficLog
	open     map[sent]time.Time // questions without an answer
	promised []netip.Addr       // each once, in the order of the answers
	known    map[netip.Addr]bool
}

// sent is one question that a client sent.
type sent struct {
	client int
	id     uint16
}

// Start lets the clients begin, who remember some addresses from earlier. They go
// on until Stop, or until the test ends.
func (v Traffic) Start(l *Lab, remembered ...netip.Addr) *TrafficRun {
	l.t.Helper()
	r := &TrafficRun{
		Traffic: v, lab: l, stop: make(chan struct{}),
		open: make(map[sent]time.Time), known: make(map[netip.Addr]bool),
	}
	r.remember(remembered)
	for client := range v.Clients {
		r.clients.Go(func() {
			if err := l.Client.Do(func() error { return r.visit(client) }); err != nil {
				r.note(func(log *TrafficLog) { log.Errors = append(log.Errors, fmt.Errorf("client %d: %w", client, err)) })
			}
		})
	}
	l.t.Cleanup(func() { r.Stop() })
	return r
}

// Stop lets the clients finish what they are doing, and returns what they met
// with.
func (r *TrafficRun) Stop() TrafficLog {
	select {
	case <-r.stop:
	default:
		close(r.stop)
		r.clients.Wait()
		for _, at := range r.open {
			r.log.Silent = append(r.log.Silent, at)
		}
		r.stopped = r.log
	}
	return r.stopped
}

// Promised is every address that has been in an answer so far.
func (r *TrafficRun) Promised() []netip.Addr {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.promised)
}

// remember adds addresses to those that clients come back to.
func (r *TrafficRun) remember(addrs []netip.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, addr := range addrs {
		if !r.known[addr] {
			r.known[addr] = true
			r.promised = append(r.promised, addr)
		}
	}
}

// More waits until clients have connected n times more.
func (r *TrafficRun) More(n int) {
	r.lab.t.Helper()
	want := r.connections() + n
	Until(r.lab.t, askLimit, "clients connect", func() error {
		if got := r.connections(); got < want {
			return fmt.Errorf("%d times of %d", got-want+n, n)
		}
		return nil
	})
}

func (r *TrafficRun) connections() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log.Connections
}

// Answered waits until no question that was sent between these times is without
// an answer, and tells how many still are when that takes too long.
func (r *TrafficRun) Answered(from, to time.Time) error {
	deadline := time.Now().Add(askLimit)
	for {
		r.mu.Lock()
		left := 0
		for _, at := range r.open {
			if !at.Before(from) && !at.After(to) {
				left++
			}
		}
		r.mu.Unlock()
		if left == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%d questions without an answer after %v", left, askLimit)
		}
		<-time.After(pollInterval)
	}
}

// note changes the log.
func (r *TrafficRun) note(change func(*TrafficLog)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.log)
}
