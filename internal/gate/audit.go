package gate

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/namewall/namewall/internal/nft"
	"github.com/namewall/namewall/internal/set"
)

const (
	// auditEvery is how often what is believed of the kernel is compared with
	// what it says. Events tell of every change, so an audit finds only what
	// can't be explained: it may be slow.
	auditEvery = 30 * time.Second
	// auditSample is how many elements of a set are looked up, drawn anew each
	// time. Where the kernel counts, one that is missing is found at once;
	// elsewhere the loss of a twentieth with a probability of 96 %.
	auditSample = 64
	// auditMargin is how long an element must have to live for being asked
	// about, and how much less than believed of its life may be left.
	auditMargin = 5 * time.Second
)

// sample is what an audit compares of a set.
type sample struct {
	state    *setState // as it was when the sample was drawn
	count    int       // elements that are believed to be there, at least
	elements [auditSample]sampled
}

type sampled struct {
	key  set.Key
	held moment
}

// audit looks whether the kernel holds what is believed of it. A set of which
// something is missing twice, with a second in between for events that are on
// their way, is read again, which puts back what was promised.
func (k *keeper) audit(now moment) {
	l := k.session.Load()
	if now < k.auditAt || l == nil {
		return
	}
	k.auditAt = now + auditEvery
	suspects := make(map[*kernelSet]bool)
	for ks, s := range k.samples(now) {
		switch missing, err := k.missing(l, ks, s); {
		case err != nil && ends(err):
			k.fail(l, err)
			return
		case err != nil: // the next audit may fare better
		case !missing:
		case k.suspects[ks]:
			k.watch.Lost()
			k.log.Errorf("set %s: elements are missing of which no event has told; it is read again", ks.id)
			ks.foreign.Store(nil)
			ks.disturb(k.now())
			k.wake()
		default:
			suspects[ks] = true
			k.auditAt = now + tick
		}
	}
	k.suspects = suspects
}

// samples draws elements of all sets that can be fed.
func (k *keeper) samples(now moment) map[*kernelSet]*sample {
	all := make(map[*kernelSet]*sample)
	k.each(func(b *binding) bool {
		st := b.set.state.Load()
		held := b.holds(st.epoch)
		if st.err != nil || b.busy() || held <= now+auditMargin {
			return true
		}
		s := all[b.set]
		if s == nil {
			s = &sample{state: st}
			all[b.set] = s
		}
		at := s.count // reservoir sampling: each element is as likely as any other
		if at >= auditSample {
			at = rand.IntN(at + 1)
		}
		if at < auditSample {
			s.elements[at] = sampled{b.at.key, held}
		}
		s.count++
		return true
	})
	return all
}

// missing tells whether the kernel holds less of a set than it should.
func (k *keeper) missing(l *link, ks *kernelSet, s *sample) (bool, error) {
	info, err := l.Set(ks.id)
	switch {
	case errors.Is(err, nft.ErrNoSet):
		return true, nil
	case err != nil:
		return false, err
	case info.Handle != s.state.handle || info.Layout != s.state.layout:
		return false, nil // it was declared anew, of which an event tells
	case info.Count >= 0 && info.Count < s.count:
		return true, nil
	}
	drawn := s.elements[:min(s.count, auditSample)]
	keys := make([]set.Key, len(drawn))
	for i := range drawn {
		keys[i] = drawn[i].key
	}
	found, err := l.Get(info, keys...)
	if errors.Is(err, nft.ErrNoSet) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	left := make(map[set.Key]moment, len(found))
	now := k.now()
	for _, e := range found {
		left[e.Key] = forever
		if !e.Permanent() {
			left[e.Key] = now + e.Expires
		}
	}
	for i := range drawn {
		if until, ok := left[drawn[i].key]; !ok || until < drawn[i].held-auditMargin && until < forever {
			return true, nil
		}
	}
	return false, nil
}
