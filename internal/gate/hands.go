package gate

import "sync"

// maxByHand bounds the elements that are held by hand: more than anybody types.
const maxByHand = 4_096

// handTable knows what is held by hand, so that it is bounded and can be counted.
type handTable struct {
	mu    sync.Mutex // guards until; taken after a shard's
	until map[handKey]moment
}

type handKey struct {
	at   slot
	rule string
}

func (t *handTable) init() { t.until = make(map[handKey]moment) }

// take makes room for all of these, and notes in each what was held before; it
// reports false, and does nothing, if there are too many.
func (t *handTable) take(all []holding, now moment) bool {
	t.expire(now)
	t.mu.Lock()
	defer t.mu.Unlock()
	fresh := 0
	for n := range all {
		if all[n].before = t.until[handKey{all[n].at, all[n].Rule}]; all[n].before == 0 {
			fresh++
		}
	}
	if len(t.until)+fresh > maxByHand {
		return false
	}
	for n := range all {
		t.until[handKey{all[n].at, all[n].Rule}] = max(all[n].before, all[n].until)
	}
	return true
}

// put notes one that was there before the process.
func (t *handTable) put(at slot, ruleName string, until moment) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.until[handKey{at, ruleName}] = until
}

// give says that something is held until before only, 0: no longer.
func (t *handTable) give(at slot, ruleName string, before moment) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if before == 0 {
		delete(t.until, handKey{at, ruleName})
	} else {
		t.until[handKey{at, ruleName}] = before
	}
}

// expire forgets what is over.
func (t *handTable) expire(now moment) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for key, until := range t.until {
		if until <= now {
			delete(t.until, key)
		}
	}
}

// len is how many are held, or were a few seconds ago.
func (t *handTable) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.until)
}

// HeldByHand counts the elements that are held by hand, by rule.
func (g *Gate) HeldByHand() map[string]int {
	now := g.now()
	g.hands.mu.Lock()
	defer g.hands.mu.Unlock()
	count := make(map[string]int)
	for key, until := range g.hands.until {
		if until > now {
			count[key.rule]++
		}
	}
	return count
}
