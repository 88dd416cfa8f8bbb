//go:build linux

package lab

import (
	"cmp"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// Volume is a client that asks for a name and connects at once to every address
// of the answer, many times over.
type Volume struct {
	Transport Transport
	Cert      *Cert // of the gateway, for TLS and HTTPS
	Workers   int   // that work at the same time
	Port      int   // to connect to, over TCP
	// Question is question i, counted from 0.
	Question func(i int) (name string, qtype uint16)
	// Limit is how long a connection may take. 0 is long; KnockLimit is for
	// where nobody is expected to answer.
	Limit time.Duration
	// Until ends the run early, if it is not nil, when it is closed.
	Until <-chan struct{}
	// Crowd is how many clients, each from an address of its own, ask question
	// i at the same moment. 0 is one client.
	Crowd int
}

// Outcome is what became of a Volume.
type Outcome struct {
	Tried, Connected int
	Took             time.Duration
	Failures         []error // the first ones
}

const (
	// failuresMax is how many failures are worth reading.
	failuresMax = 5
	// failuresEnough ends a run whose promise is broken beyond doubt.
	failuresEnough = 64
)

// String is the outcome in a log line.
func (o Outcome) String() string {
	perSecond := float64(o.Tried) / o.Took.Seconds()
	return fmt.Sprintf("%d connections tried, %d failed, in %v (%.0f/s)", o.Tried, o.Tried-o.Connected, o.Took.Round(time.Millisecond), perSecond)
}

// Err is nil if every connection came about.
func (o Outcome) Err() error {
	if o.Connected == o.Tried {
		return nil
	}
	return fmt.Errorf("%v; the first failures: %w", o, errors.Join(o.Failures...))
}

// Run asks the questions 0 to n-1, unless too many connections fail.
func (v Volume) Run(l *Lab, n int) Outcome {
	v.Limit = cmp.Or(v.Limit, connectLimit)
	start := time.Now()
	run := &volumeRun{Volume: v, lab: l, n: n}
	var workers sync.WaitGroup
	for range v.Workers {
		workers.Go(func() {
			if err := l.Client.Do(run.work); err != nil {
				run.count(0, 1, err)
			}
		})
	}
	workers.Wait()
	return Outcome{Tried: int(run.tried.Load()), Connected: int(run.connected.Load()), Took: time.Since(start), Failures: run.failures}
}

type volumeRun struct {
	Volume
	lab              *Lab
	n                int
	next             atomic.Int64
	tried, connected atomic.Int64

	mu       sync.Mutex // guards failures
	failures []error
}

func (r *volumeRun) count(connected, tried int, err error) {
	r.connected.Add(int64(connected))
	r.tried.Add(int64(tried))
	if err == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.failures) < failuresMax {
		r.failures = append(r.failures, err)
	}
}

// work is one worker: a crowd, or a single client.
func (r *volumeRun) work() error {
	if r.Crowd > 0 {
		return r.crowd()
	}
	a, err := newAsker(r.lab, r.Volume, 0)
	if err != nil {
		return err
	}
	defer a.close()
	for i, ok := r.index(); ok; i, ok = r.index() {
		r.once(a, i)
	}
	return nil
}

// index is the next question's, and false if there is none.
func (r *volumeRun) index() (int, bool) {
	select {
	case <-r.Until:
		return 0, false
	default:
		i := int(r.next.Add(1)) - 1
		return i, i < r.n && r.tried.Load()-r.connected.Load() < failuresEnough
	}
}

// crowd asks each question from many clients at the same moment.
func (r *volumeRun) crowd() error {
	askers := make([]*asker, r.Crowd)
	for c := range askers {
		a, err := newAsker(r.lab, r.Volume, c)
		if err != nil {
			return err
		}
		defer a.close()
		askers[c] = a
	}
	for i, ok := r.index(); ok; i, ok = r.index() {
		var all sync.WaitGroup
		gate := make(chan struct{})
		for _, a := range askers {
			all.Go(func() {
				<-gate
				if err := r.lab.Client.Do(func() error { r.once(a, i); return nil }); err != nil {
					r.count(0, 1, err)
				}
			})
		}
		close(gate)
		all.Wait()
	}
	return nil
}

// once asks question i and connects to the addresses of the answer.
func (r *volumeRun) once(a *asker, i int) {
	name, qtype := r.Question(i)
	m, err := a.ask(new(dns.Msg).SetQuestion(name, qtype))
	if err != nil {
		r.count(0, 1, fmt.Errorf("asking for %s: %w", name, err))
		return
	}
	addrs := Addrs(m)
	if len(addrs) == 0 {
		r.count(0, 1, fmt.Errorf("%s: no address: %v", name, m))
		return
	}
	for _, addr := range addrs {
		if err := connect(clientAddr(a.client, addr), addr, r.Port, r.Limit); err != nil {
			r.count(0, 1, fmt.Errorf("%s: %w", name, err))
		} else {
			r.count(1, 1, nil)
		}
	}
}
