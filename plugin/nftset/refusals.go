package nftset

import (
	"time"

	"github.com/namewall/namewall/internal/gate"
)

// refusals logs which addresses were not promised, and for which names.
type refusals struct{ pacer[refusal] }

// refusal is what is logged apart from one another. Rules and causes are few.
type refusal struct {
	rule string
	fate gate.Fate
	feed bool
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
