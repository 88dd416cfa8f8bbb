package gate

import (
	"hash/maphash"
	"math/bits"
	"net/netip"
	"sync"
	"time"

	"github.com/namewall/namewall/internal/rule"
)

// reason is why a binding exists: what asks for it, who asked last, and until
// when that alone would keep it. Its binding's shard guards it.
type reason struct {
	tag     tag // of a subject by name, else 0
	subject *subject
	client  netip.Addr // invalid if no client asked: the name is kept resolved, or there is none
	last    moment     // when an answer last said so
	until   moment
	ttl     time.Duration // of that answer; 0: not known
	first   moment        // when one first said so
	chain   *string       // "www.example.com. > cdn.example.net.", nil if there was none
}

// tag stands for a rule and a name under it, so that a covered answer finds its
// reason without a look at either: two steps through memory of four, where bindings
// are many. Of half a million names, the most that there are, any two have one tag
// with a probability of 1 in 10^8; nobody who doesn't know the seed can bring that
// about. The one's answers would then count as the other's, whose addresses they
// share.
type tag uint64

var tagSeed = maphash.MakeSeed()

// tagRule is a rule's part of the tags of its names.
func tagRule(ruleName string) tag {
	return tag(bits.RotateLeft64(maphash.String(tagSeed, ruleName), 32))
}

// of is the tag of a name under the rule. It is never 0.
func (t tag) of(name string) tag { return t ^ tag(maphash.String(tagSeed, name)) | 1 }

// tag is that of the subject, 0 if it is none by name.
func (s *subject) tag() tag {
	if s.origin != rule.ByName {
		return 0
	}
	return tagRule(s.rule).of(s.name)
}

// chained is the chain of a reason.
func (r *reason) chained() string {
	if r.chain == nil {
		return ""
	}
	return *r.chain
}

// chain is what a reason has of a chain.
func chain(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// subject is what asks for an element under a rule: what reasons have in common.
// Those with a name are interned.
type subject struct {
	rule   string
	origin rule.Origin
	name   string // of ByHand the uid; of ByName, "": all those of the rule that are not kept

	// Guarded by the name table's shard:
	addrs addresses
	gone  bool // no longer in the table
}

// named tells whether it is one name, of which the bindings have so many at most.
func (s *subject) named() bool { return s.origin == rule.ByName && s.name != "" }

// nameTable interns subjects and counts the addresses of each, so that one name
// can't fill a set.
type nameTable struct{ shards [shardCount]nameShard }

type nameShard struct {
	mu       sync.Mutex     // guards subjects, and what of them is the table's
	subjects index[subject] // by their tags
}

func (t *nameTable) shard(of tag) *nameShard {
	return &t.shards[of/2%shardCount] // the lowest bit of all is the same
}

// namesPerShard is the budget of names, a shard's part of it.
const namesPerShard = maxNames / shardCount

// take notes that addr is one of the subject's until then, whose tag is of. If the
// name has its limit of addresses, or there are too many names, it tells that fate.
func (t *nameTable) take(of tag, ruleName, name string, addr netip.Addr, limit int, now, until moment) (*subject, Fate) {
	s := t.shard(of)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.take(of, ruleName, name, addr, limit, now, until)
}

// take is that of the table. The shard is locked.
func (s *nameShard) take(of tag, ruleName, name string, addr netip.Addr, limit int, now, until moment) (*subject, Fate) {
	sub := s.subjects.first(uint64(of))
	if sub == nil {
		if s.full() {
			return nil, Budget
		}
		sub = &subject{rule: ruleName, name: name}
		s.subjects.put(uint64(of), sub)
	}
	if !sub.addrs.has(addr) && sub.addrs.len() >= limit {
		sub.addrs.prune(now)
		if sub.addrs.len() >= limit {
			return nil, Limit
		}
	}
	sub.addrs.keep(addr, until)
	return sub, Unjudged
}

// full tells whether there is no room for another name. The shard is locked.
func (s *nameShard) full() bool { return s.subjects.used >= namesPerShard }

// keep notes that an address that was taken for the time of its write is one of
// the name's until then.
func (t *nameTable) keep(of tag, sub *subject, addr netip.Addr, until moment) {
	s := t.shard(of)
	s.mu.Lock()
	defer s.mu.Unlock()
	if sub.gone {
		if another := s.subjects.first(uint64(of)); another != nil {
			sub = another
		} else {
			s.subjects.put(uint64(of), sub)
			sub.gone = false
		}
	}
	sub.addrs.keep(addr, until)
}

// give takes back that addr is one of the name's: nothing is promised for it any
// more.
func (t *nameTable) give(of tag, sub *subject, addr netip.Addr) {
	s := t.shard(of)
	s.mu.Lock()
	defer s.mu.Unlock()
	sub.addrs.drop(addr)
}

// expire forgets the addresses whose time is over and the names that have none
// left. A shard is let go of after every few names.
func (t *nameTable) expire(now moment) {
	for i := range t.shards {
		s := &t.shards[i]
		for next, more := uint64(0), true; more; {
			s.mu.Lock()
			next, more = s.subjects.walk(next, breath, func(of uint64, sub *subject) {
				if sub.addrs.prune(now); sub.addrs.len() == 0 {
					s.subjects.remove(of, sub)
					sub.gone = true
				}
			})
			s.mu.Unlock()
		}
	}
}

// count is the number of names.
func (t *nameTable) count() int {
	n := 0
	for i := range t.shards {
		t.shards[i].mu.Lock()
		n += t.shards[i].subjects.used
		t.shards[i].mu.Unlock()
	}
	return n
}

// touch finds the reason of a name under a rule and notes that it was asked again.
// It reports false if the binding has no such reason. The shard is locked.
func (b *binding) touch(name tag, client netip.Addr, heard, until moment, ttl time.Duration) bool {
	for i := range b.reasons {
		if r := &b.reasons[i]; r.tag == name {
			r.client, r.last, r.until, r.ttl = client, max(r.last, heard), max(r.until, until), ttl
			return true
		}
	}
	return false
}

// because adds a reason. Of too many names, the one whose life ends first makes
// room and is one of the others from then on. The shard is locked.
func (b *binding) because(r reason) {
	names, first := 0, -1
	for i := range b.reasons {
		if !b.reasons[i].subject.named() {
			continue
		}
		if names++; first < 0 || b.reasons[i].until < b.reasons[first].until {
			first = i
		}
	}
	if names < maxReasons {
		b.reasons = append(b.reasons, r)
		return
	}
	old := b.reasons[first]
	b.reasons[first] = r
	b.others(old.subject.rule, old.client, old.last, old.until)
}

// others notes that a rule has more names for the binding than are kept: they
// share a reason without a name. The shard is locked.
func (b *binding) others(ruleName string, client netip.Addr, heard, until moment) {
	all := tagRule(ruleName).of("")
	if !b.touch(all, client, heard, until, 0) {
		b.reasons = append(b.reasons, reason{tag: all, subject: &subject{rule: ruleName}, client: client, first: heard, last: heard, until: until})
	}
}

// crowded tells whether the binding has reasons of as many names as are kept,
// so that another name adds nothing: on a CDN thousands share an address. The
// shard is locked.
func (b *binding) crowded(now moment) bool {
	names := 0
	for i := range b.reasons {
		if b.reasons[i].subject.named() && b.reasons[i].until > now {
			names++
		}
	}
	return names >= maxReasons
}

// pairTable counts each client's pairs.
type pairTable struct {
	mu    sync.Mutex // guards count
	count map[netip.Addr]int
}

func (t *pairTable) init() { t.count = make(map[netip.Addr]int) }

func (t *pairTable) take(client netip.Addr) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.full(client, 0) {
		return false
	}
	t.count[client]++
	return true
}

// full tells whether the client has no room for another pair after so many more.
// The mutex is held.
func (t *pairTable) full(client netip.Addr, more int) bool { return t.count[client]+more >= maxPairs }

func (t *pairTable) give(client netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.count[client]--; t.count[client] <= 0 {
		delete(t.count, client)
	}
}

// most is the largest number of pairs that one client has.
func (t *pairTable) most() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, c := range t.count {
		n = max(n, c)
	}
	return n
}
