package told

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/namewall/namewall/internal/gate"
)

// Ledger has what clients were told. Its methods may be called from several
// goroutines.
type Ledger struct {
	began time.Time

	mu      sync.Mutex // guards what follows
	pairs   map[pairKey]*pair
	addrs   map[netip.Addr]*chain // of one address, the latest first
	clients map[netip.Addr]int    // how many pairs each has
	all     chain                 // the latest first
	since   time.Time             // nothing is forgotten that was told later
}

type pairKey struct{ client, addr netip.Addr }

// pair is what one client was told about one address.
type pair struct {
	pairKey
	last    entry
	earlier []entry // under other names, the latest first; rarely any
	links   [2]link // by the chain's kind
}

type entry struct {
	name, rule string
	at         time.Duration // since the ledger began
	ttl        uint32        // seconds
	fate       gate.Fate
}

// NewLedger returns an empty ledger.
func NewLedger(now time.Time) *Ledger {
	return &Ledger{
		began: now, since: now, all: chain{kind: ofAll},
		pairs: make(map[pairKey]*pair), addrs: make(map[netip.Addr]*chain), clients: make(map[netip.Addr]int),
	}
}

// Note takes what a client was told at that moment. What is older than what is
// known of the pair changes nothing.
func (l *Ledger) Note(a *Answer, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, addr := range a.addrs[:a.n] {
		l.note(pairKey{a.Client, addr.addr}, entry{
			name: a.Name, rule: a.Rule, at: at.Sub(l.began), ttl: addr.ttl, fate: addr.fate,
		})
	}
}

func (l *Ledger) note(key pairKey, e entry) {
	p := l.pairs[key]
	switch {
	case p == nil:
		if len(l.pairs) >= MaxPairs {
			l.forget(l.all.last)
		}
		p = &pair{pairKey: key, last: e}
		l.pairs[key] = p
		l.clients[key.client]++
		if l.addrs[key.addr] == nil {
			l.addrs[key.addr] = &chain{kind: ofAddr}
		}
	case e.at < p.last.at:
		return
	default:
		p.tell(e)
		l.all.remove(p)
		l.addrs[key.addr].remove(p)
	}
	l.all.push(p)
	l.addrs[key.addr].push(p)
}

// tell makes e what was told last.
func (p *pair) tell(e entry) {
	if p.last.name != e.name {
		p.earlier = slices.DeleteFunc(p.earlier, func(o entry) bool { return o.name == e.name })
		if len(p.earlier) >= maxNames-1 {
			p.earlier = p.earlier[:maxNames-2]
		}
		p.earlier = slices.Insert(p.earlier, 0, p.last)
	}
	p.last = e
}

func (l *Ledger) forget(p *pair) {
	if told := l.began.Add(p.last.at); told.After(l.since) { // it may be older than the ledger
		l.since = told
	}
	l.all.remove(p)
	delete(l.pairs, p.pairKey)
	of := l.addrs[p.addr]
	if of.remove(p); of.first == nil {
		delete(l.addrs, p.addr)
	}
	if l.clients[p.client]--; l.clients[p.client] == 0 {
		delete(l.clients, p.client)
	}
}

// told is an entry for who asks.
func (l *Ledger) told(p *pair, e *entry) Told {
	return Told{
		Client: p.client, Addr: p.addr, Name: e.name, Rule: e.rule, Fate: e.fate,
		At: l.began.Add(e.at), TTL: time.Duration(e.ttl) * time.Second,
	}
}

// Of is what a client was last told about an address.
func (l *Ledger) Of(client, addr netip.Addr) (Told, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p := l.pairs[pairKey{client, addr}]; p != nil {
		return l.told(p, &p.last), true
	}
	return Told{}, false
}

// Last is what anybody was last told about an address.
func (l *Ledger) Last(addr netip.Addr) (Told, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if of := l.addrs[addr]; of != nil {
		return l.told(of.first, &of.first.last), true
	}
	return Told{}, false
}

// walkMax is how many clients of one address Names looks at: what they were told
// is mostly the same.
const walkMax = 1024

// Names are what was last told about an address for different names, the latest
// first, at most so many.
func (l *Ledger) Names(addr netip.Addr, most int) (found []Told) {
	l.mu.Lock()
	defer l.mu.Unlock()
	of := l.addrs[addr]
	if of == nil {
		return nil
	}
	at := make(map[string]int)
	take := func(p *pair, e *entry) {
		if n, ok := at[e.name]; !ok {
			at[e.name] = len(found)
			found = append(found, l.told(p, e))
		} else if t := l.told(p, e); t.At.After(found[n].At) {
			found[n] = t
		}
	}
	walked := 0
	for p := of.first; p != nil && walked < walkMax; p = p.links[ofAddr].next {
		take(p, &p.last)
		for i := range p.earlier {
			take(p, &p.earlier[i])
		}
		walked++
	}
	slices.SortStableFunc(found, func(a, b Told) int { return b.At.Compare(a.At) })
	return found[:min(most, len(found))]
}

// Asks tells whether an address is one of somebody who asks here.
func (l *Ledger) Asks(client netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.clients[client] > 0
}

// Since is from when on nothing is forgotten.
func (l *Ledger) Since() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.since
}

// Used is how many pairs there are.
func (l *Ledger) Used() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.pairs)
}
