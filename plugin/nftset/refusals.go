package nftset

import (
	"sync"
	"time"

	"github.com/namewall/namewall/internal/gate"
)

// refusalPause is how long the log says nothing more of a rule's refusals for
// one cause. Each answer would flood it; a first line with a name, and now and
// then how many more there were, is what somebody who looks for a reason needs.
const refusalPause = 10 * time.Minute

// refusals logs which addresses were not promised, and for which names.
type refusals struct {
	mu   sync.Mutex // guards last
	last map[refusal]*refused
}

// refusal is what is logged apart from one another. Rules and causes are few.
type refusal struct {
	rule string
	fate gate.Fate
	feed bool
}

// refused is when a refusal was logged, and how often it has come up since.
type refused struct {
	at    time.Time
	since int
}

// note takes the causes for which addresses of an answer were not promised.
func (r *refusals) note(q *work, now time.Time) {
	for _, c := range q.Causes {
		if n, due := r.due(refusal{c.Rule.Name, c.Fate, !q.Enforced}, now); due {
			would := ""
			if !q.Enforced {
				would = ", enforcing would have left it out"
			}
			log.Warningf("%s: %s%s (%d answers since the last such line)", q.Name, c, would, n)
		}
	}
}

// due tells whether a refusal is to be logged now, and how many were not.
func (r *refusals) due(what refusal, now time.Time) (since int, due bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last == nil {
		r.last = make(map[refusal]*refused)
	}
	last := r.last[what]
	if last == nil {
		r.last[what] = &refused{at: now}
		return 0, true
	}
	if now.Sub(last.at) < refusalPause {
		last.since++
		return 0, false
	}
	since = last.since
	*last = refused{at: now}
	return since, true
}
