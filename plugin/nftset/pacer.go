package nftset

import (
	"sync"
	"time"
)

// logPause is how long the log says nothing more of what it has said enough of.
// Each answer would flood it; a first line with a name, and now and then how many
// more there were, is what somebody who looks for a reason needs.
const logPause = 10 * time.Minute

// pacer decides what is logged of things that happen over and over, for each kind
// K of which there are few.
type pacer[K comparable] struct {
	burst int // how many are logged in a pause; 0 is 1

	mu   sync.Mutex // guards last
	last map[K]*paced
}

// paced is one kind: when its pause began, what was logged since, and what
// wasn't.
type paced struct {
	at            time.Time
	logged, since int
}

// due tells whether something is to be logged now, and how many were not.
func (p *pacer[K]) due(what K, now time.Time) (since int, due bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := p.last[what]
	if last == nil || now.Sub(last.at) >= logPause {
		if last != nil {
			since = last.since
		}
		if p.last == nil {
			p.last = make(map[K]*paced)
		}
		p.last[what] = &paced{at: now, logged: 1}
		return since, true
	}
	if last.logged < p.burst {
		last.logged++
		return 0, true
	}
	last.since++
	return 0, false
}
