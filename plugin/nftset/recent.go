package nftset

import (
	"net/netip"
	"sync"
	"time"

	"github.com/namewall/namewall/internal/gate"
)

// recentMax is how many refusals are remembered: enough to find one of an
// afternoon, unless something is wrong with everything.
const recentMax = 4096

// refusedAddress is one address that was not promised.
type refusedAddress struct {
	at     time.Time
	addr   netip.Addr
	name   string
	client netip.Addr
	fate   gate.Fate
	rule   string
	text   string
	feed   bool // the client got it all the same
}

// recent remembers the addresses that were refused last, for who asks why. Answers
// come here only when one of their addresses was refused.
type recent struct {
	mu   sync.Mutex // guards what follows
	ring []refusedAddress
	next int // the oldest, once the ring is full
}

// note takes an answer of which not all addresses were promised.
func (r *recent) note(q *work, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, fate := range q.Fates {
		if fate.Given() {
			continue
		}
		// Words, for a rule may hold a long list of names.
		e := refusedAddress{at: now, addr: q.Walk.Addrs[i].Addr, name: q.Name, client: q.Client, fate: fate, feed: !q.Enforced}
		for _, c := range q.Causes {
			if c.Fate == fate {
				c.Addr = e.addr
				e.rule, e.text = c.Rule.Name, c.String()
			}
		}
		if len(r.ring) < recentMax {
			r.ring = append(r.ring, e)
			continue
		}
		r.ring[r.next] = e
		r.next = (r.next + 1) % recentMax
	}
}

// find returns the refusals of an address, or of a name if addr is invalid, the
// latest first, at most so many.
func (r *recent) find(addr netip.Addr, name string, most int) (found []refusedAddress) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.ring {
		e := r.ring[(r.next+len(r.ring)-1-i)%len(r.ring)]
		if len(found) < most && (addr.IsValid() && e.addr == addr || !addr.IsValid() && e.name == name) {
			found = append(found, e)
		}
	}
	return found
}
