package gate

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/namewall/namewall/internal/nft"
	"github.com/namewall/namewall/internal/set"
)

const (
	// tick is how often the keeper looks for what is due, and haste how often it
	// does while commits are many, for elements that are over take room in the
	// kernel until they are deleted then: of lives of four seconds, the shortest
	// that there are, a twentieth.
	tick  = time.Second
	haste = tick / 8
	// retryMin and retryMax bound the pause before a session that could not be
	// opened, or a set that could not be read, is tried again. A set that
	// appears is announced by an event, so the pause only matters when there
	// is no right to hear events.
	retryMin = 100 * time.Millisecond
	retryMax = 5 * time.Second
	// lasting is how long a session must have worked for its end to be news.
	lasting = 10 * time.Second
	// sweepEvery is how often names and targets are looked through for those
	// whose time is over. Nothing depends on it but memory.
	sweepEvery = 4 * time.Second
)

// link is one session with the kernel.
type link struct {
	Session
	failure atomic.Pointer[error] // why it is to be closed
	// unproven is why the last session ended, nil once this one has worked.
	unproven atomic.Pointer[error]
}

// keep is the keeper: one goroutine that opens the session, reads and adopts
// sets, puts back what was lost and forgets what has expired.
func (g *Gate) keep() {
	k := keeper{Gate: g, pause: retryMin, auditAt: auditEvery, ticker: time.NewTicker(tick)}
	defer k.ticker.Stop()
	defer func() {
		if k.link != nil {
			_ = k.link.Close() // nothing is left to be told
		}
	}()
	for {
		retry := k.turn()
		select {
		case <-g.closing:
			return
		case done := <-g.asks:
			k.unsettled = append(k.unsettled, done)
		case <-g.kick:
		case <-k.ticker.C:
			k.ticked = true
		case <-retry:
		}
	}
}

// keeper is the keeper's own state.
type keeper struct {
	*Gate
	link     *link         // the session that was opened last, nil once it is closed
	failure  *error        // of the one before it, nil if there was none
	openedAt moment        // or tried to
	openAt   moment        // not before
	pause    time.Duration // before the next try to open
	ticker   *time.Ticker
	ticked   bool // since the last tidying
	busy     bool // commits are many
	counted  int64
	countAt  moment // when commits are counted again
	sweepAt  moment
	auditAt  moment
	suspects map[*kernelSet]bool   // of which something was missing at the last audit
	told     string                // why there was no session, as logged; "" if that is over
	problems map[problemKey]string // as logged

	unsettled []chan struct{} // callers of Settle
}

// turn does what is due. The channel it returns fires when a try that failed is
// to be repeated; it is nil if nothing failed.
func (k *keeper) turn() <-chan time.Time {
	now := k.now()
	k.retire(now)
	k.tidy(now)
	if k.session.Load() == nil {
		if l := k.link; l != nil {
			k.link, k.failure = nil, l.failure.Load()
			_ = l.Close() // it failed already
			k.backOff(now)
			k.trouble(*k.failure)
		}
		if now < k.openAt || !k.connect(now) {
			k.settled()
			return time.After(k.openAt - now)
		}
	}
	if k.told != "" && now-k.openedAt >= lasting {
		k.told = ""
		k.link.unproven.Store(nil)
		k.log.Infof("nftables can be reached again")
	}
	for _, ks := range k.known() {
		st := ks.state.Load()
		if k.rangesDue(ks, now) {
			ks.stale.Store(true)
		}
		if st.err == nil && now >= ks.owingAt && ks.owing.Swap(false) {
			ks.owingAt = now + retryMax
			k.refill(ks, st.epoch, k.now())
		}
		if !ks.stale.Swap(false) && (st.err == nil || now < ks.retryAt) {
			continue
		}
		k.read(ks)
		if k.session.Load() == nil {
			return time.After(0)
		}
	}
	for _, ks := range k.known() {
		k.provide(ks, now)
	}
	k.kill()
	k.audit(now)
	k.report()
	k.settled()
	return nil
}

// settled answers the callers of Settle.
func (k *keeper) settled() {
	if len(k.unsettled) == 0 {
		return
	}
	for _, ks := range k.known() {
		if errors.Is(ks.state.Load().err, errUnread) {
			return
		}
	}
	last := k.queue.last()
	for _, done := range k.unsettled {
		if last == nil {
			close(done)
			continue
		}
		k.done.Go(func() {
			<-last.done
			close(done)
		})
	}
	k.unsettled = nil
}

// tidy forgets what has expired.
func (k *keeper) tidy(now moment) {
	if !k.ticked {
		return
	}
	k.ticked = false
	if now >= k.countAt {
		k.countAt = now + tick - haste/2 // ticks come a little early, or late
		k.count()
	}
	k.expire(now, k.busy)
	if now >= k.sweepAt {
		k.sweepAt = now + sweepEvery
		k.names.expire(now)
		k.targets.expire(now)
		k.hands.expire(now)
	}
	if k.released.Swap(false) {
		k.forget()
	}
}

// count finds out whether commits are many.
func (k *keeper) count() {
	commits := k.commits.Load()
	busy := commits-k.counted >= busyCommits
	k.counted = commits
	if busy != k.busy {
		k.busy = busy
		if busy {
			k.ticker.Reset(haste)
		} else {
			k.ticker.Reset(tick)
		}
	}
}

// backOff sets when the next session is tried: at once after one that lasted,
// ever later after those that failed soon.
func (k *keeper) backOff(now moment) {
	if now-k.openedAt >= lasting {
		k.pause = retryMin
	}
	k.openAt = now + k.pause
	k.pause = min(2*k.pause, retryMax)
}

// connect opens a session; every set is then to be read.
func (k *keeper) connect(now moment) bool {
	k.openedAt = now
	l := new(link)
	l.unproven.Store(k.failure)
	session, err := k.kernel.Open(func(e nft.Event) { k.hear(l, e) })
	if err != nil {
		k.watch.Refused(nft.ErrnoName(err))
		k.backOff(now)
		for _, ks := range k.known() {
			ks.lose(now, err)
		}
		k.trouble(err)
		return false
	}
	l.Session = session
	k.link = l
	for _, ks := range k.known() {
		ks.stale.Store(true)
	}
	k.session.Store(l)
	if err := l.failure.Load(); err != nil {
		k.fail(l, *err) // it ended before it was in use
	}
	return true
}

// trouble logs why there is no session, once.
func (k *keeper) trouble(err error) {
	if k.told != err.Error() {
		k.told = err.Error()
		k.log.Errorf("no access to nftables, rules are not ready: %v", err)
	}
}

// fail ends a session whose commit or read failed as a whole. What is believed
// of the kernel is then no longer known, so the sets are not ready until they
// have been read again.
func (g *Gate) fail(l *link, err error) {
	l.failure.CompareAndSwap(nil, &err)
	if !g.session.CompareAndSwap(l, nil) {
		return
	}
	now := g.now()
	for _, ks := range g.known() {
		ks.lose(now, err)
	}
	g.wake() // the keeper closes it
}

// known is every set that some rule feeds.
func (g *Gate) known() []*kernelSet {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := make([]*kernelSet, 0, len(g.sets))
	for _, ks := range g.sets {
		all = append(all, ks)
	}
	return all
}

// mended is for how long elements were missing that have been written again, or are
// about to be.
func (ks *kernelSet) mended(now moment) time.Duration {
	hurt, mended := ks.hurtAt.Swap(0), ks.mendedAt.Load()
	if mended < hurt {
		mended = int64(now)
	}
	return time.Duration(mended - hurt)
}

// report logs every problem that has come up, and every one that is over, once;
// and what was put back since it was last called.
func (k *keeper) report() {
	for _, ks := range k.known() {
		if n := ks.healed.Swap(0); n > 0 {
			k.watch.Healed(int(n))
			h := &Heal{At: time.Now(), Elements: int(n), Took: ks.mended(k.now()), by: ks.foreign.Load()}
			k.tellOfHeal(ks, h)
			ks.lastHeal.Store(h)
			k.log.Warningf("set %s: put %d elements back, %s", ks.id, n, ks.changedBy())
		}
		if n := ks.revoked.Swap(0); n > 0 {
			k.watch.Revoked(int(n))
			k.log.Infof("set %s: deleted %d elements that no rule gives any more", ks.id, n)
		}
	}
	problems := k.Problems()
	if k.session.Load() == nil {
		return // it has just failed, of which the next turn tells, once for all sets
	}
	now := make(map[problemKey]string)
	for _, p := range problems {
		at, text := problemKey{p.Rule.Name, p.Set}, p.Err.Error()
		known, had := k.problems[at]
		switch {
		case !errors.Is(p.Err, errUnread) && !errors.Is(p.Err, errUnproven):
			if now[at] = text; known != text {
				k.log.Errorf("%v", p)
			}
		case had: // that is a moment's matter
			now[at] = known
		}
	}
	for at := range k.problems {
		if _, still := now[at]; !still {
			k.log.Infof("rule %s: set %s %s", at.rule, at.set, k.relieved(at.set))
		}
	}
	k.problems = now
}

// relieved says why a set is no problem any more. A refusal may just be long ago.
func (k *keeper) relieved(id set.ID) string {
	k.mu.Lock()
	ks := k.sets[setKey{id, false}]
	k.mu.Unlock()
	if ks != nil && ks.trouble.Swap(nil) != nil {
		return fmt.Sprintf("has refused nothing for %v", troubleFor)
	}
	return "can be fed again"
}

type problemKey struct {
	rule string
	set  set.ID
}
