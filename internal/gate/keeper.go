package gate

import (
	"errors"
	"time"

	"github.com/namewall/namewall/internal/nft"
	"github.com/namewall/namewall/internal/set"
)

const (
	// tick is how often the keeper looks for what is due.
	tick = time.Second
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
	// undisturbed is how often the elements of a set are read again because
	// others changed it meanwhile. After that what was read is taken, and the
	// set is read once more at the next tick.
	undisturbed = 5
)

// link is one session with the kernel.
type link struct{ Session }

// keep is the keeper: one goroutine that opens the session, reads and adopts
// sets, puts back what was lost and forgets what has expired.
func (g *Gate) keep() {
	defer func() {
		if s := g.session.Load(); s != nil {
			_ = s.Close() // nothing is left to be told
		}
	}()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	k := keeper{Gate: g, pause: retryMin}
	for {
		retry := k.turn()
		select {
		case <-g.closing:
			return
		case <-g.kick:
		case <-ticker.C:
		case <-retry:
		}
	}
}

// keeper is the keeper's own state.
type keeper struct {
	*Gate
	open     bool // there was a session at the last turn
	openedAt moment
	openAt   moment        // not before
	pause    time.Duration // before the next try to open
	tidyAt   moment
	sweepAt  moment
	counted  int64                 // commits at the last tidying
	told     string                // why there was no session, as logged; "" if that is over
	problems map[problemKey]string // as logged
}

// turn does what is due. The channel it returns fires when a try that failed is
// to be repeated; it is nil if nothing failed.
func (k *keeper) turn() <-chan time.Time {
	now := k.now()
	k.tidy(now)
	if k.session.Load() == nil {
		if k.open {
			k.open = false
			k.backOff(now)
			k.trouble(*k.failure.Load())
		}
		if now < k.openAt {
			return time.After(k.openAt - now)
		}
		if !k.connect(now) {
			return time.After(k.openAt - now)
		}
	}
	if k.told != "" && now-k.openedAt >= lasting {
		k.told = ""
		k.log.Infof("nftables can be reached again")
	}
	for _, ks := range k.known() {
		st := ks.state.Load()
		if !ks.stale.Swap(false) && (st.err == nil || now < ks.retryAt) {
			continue
		}
		k.read(ks)
		if k.session.Load() == nil {
			return time.After(0)
		}
	}
	k.report()
	return nil
}

// tidy forgets what has expired.
func (k *keeper) tidy(now moment) {
	if now < k.tidyAt {
		return
	}
	commits := k.commits.Load()
	busy := commits-k.counted >= busyCommits
	k.tidyAt, k.counted = now+tick, commits
	k.expire(now, busy)
	if now >= k.sweepAt {
		k.sweepAt = now + sweepEvery
		k.names.expire(now)
		k.targets.expire(now)
	}
	if k.released.Swap(false) {
		k.forget()
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
	l := new(link)
	session, err := k.kernel.Open(func(e nft.Event) { k.hear(l, e) })
	if err != nil {
		k.backOff(now)
		for _, ks := range k.known() {
			ks.lose(now, err)
		}
		k.trouble(err)
		return false
	}
	l.Session = session
	k.open, k.openedAt = true, now
	for _, ks := range k.known() {
		ks.stale.Store(true)
	}
	k.session.Store(l)
	k.queue.resume()
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
	if !g.session.CompareAndSwap(l, nil) {
		return
	}
	g.queue.pause()
	now := g.now()
	for _, ks := range g.known() {
		ks.lose(now, err)
	}
	g.failure.Store(&err)
	_ = l.Close() // it failed already
	g.wake()
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

// read brings what is known of a set up to date: whether it can be fed, and,
// when its life is a new one, what it holds.
func (k *keeper) read(ks *kernelSet) {
	l := k.session.Load()
	if l == nil {
		return
	}
	info, err := l.Set(ks.id)
	if err == nil {
		err = info.Usable()
	}
	if vanished(err) {
		err = nft.ErrNoSet // who tells of it names the set
	}
	if err != nil {
		ks.lose(k.now(), err)
		ks.retryAt = k.now() + retryMax
		if !vanished(err) && !errors.Is(err, nft.ErrUnusable) {
			k.fail(l, err)
		}
		return
	}
	if st := ks.state.Load(); st.err == nil && st.handle == info.Handle && st.layout == info.Layout && !ks.lost.Swap(false) {
		if st.size != info.Size {
			next := *st
			next.size = info.Size
			ks.become(next)
			ks.fullUntil.Store(0)
		}
		return
	}
	k.adopt(l, ks, info)
}

// adopt takes over what a set holds and makes it ready, then puts back what was
// promised and is not there.
func (k *keeper) adopt(l *link, ks *kernelSet, info nft.Set) {
	ks.lost.Store(false)
	ks.lose(k.now(), errUnread)
	epoch := ks.state.Load().epoch
	if old := ks.state.Load(); old.known && old.layout != info.Layout {
		k.each(func(b *binding) bool { return b.set != ks })
	}
	for range undisturbed {
		epoch++
		news := ks.news.Load()
		err := l.Elements(info, func(e nft.Element) error {
			k.take(ks, info.Layout, epoch, e)
			return nil
		})
		if vanished(err) {
			ks.lose(k.now(), err)
			ks.stale.Store(true)
			return
		}
		if err != nil {
			k.fail(l, err)
			return
		}
		if ks.news.Load() == news {
			break
		}
	}
	ks.fullUntil.Store(0)
	ks.become(setState{layout: info.Layout, known: true, epoch: epoch, handle: info.Handle, size: info.Size})
	k.refill(ks, epoch)
}

// take notes one element that the kernel holds.
func (k *keeper) take(ks *kernelSet, layout set.Layout, epoch uint32, e nft.Element) {
	until := forever
	now := k.now()
	if !e.Permanent() {
		until = now + e.Expires
	}
	at := ks.slot(e.Key)
	s, h := k.locate(at)
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.find(h, at)
	if b == nil {
		if b, _ = k.create(s, h, at, ks, layout); b == nil {
			return // over a budget: the element stays, and is written again when it is needed
		}
	}
	b.epoch, b.held, b.own = epoch, until, false
}

// refill puts back what was promised and the kernel doesn't hold, a batch at a
// time, so that answers get in between.
func (k *keeper) refill(ks *kernelSet, epoch uint32) {
	var last *batch
	now := k.now()
	k.each(func(b *binding) bool {
		if b.set == ks && b.until > now && b.holds(epoch) < b.until && b.batch == nil {
			last = k.restore(b, epoch)
			ks.healed.Add(1)
		}
		return true
	})
	if last != nil {
		<-last.done
	}
}

// restore queues the write that gives a binding back what it was promised. Its
// shard is locked.
func (g *Gate) restore(b *binding, epoch uint32) *batch {
	b.writing = b.until
	b.batch, b.index = g.queue.add(write{binding: b, epoch: epoch, until: b.until, heal: true})
	return b.batch
}

// report logs every problem that has come up, and every one that is over, once;
// and what was put back since it was last called.
func (k *keeper) report() {
	for _, ks := range k.known() {
		if n := ks.healed.Swap(0); n > 0 {
			k.watch.Healed(int(n))
			k.log.Warningf("set %s: put %d elements back, %s", ks.id, n, ks.changedBy())
		}
	}
	now := make(map[problemKey]string)
	for _, p := range k.Problems() {
		if errors.Is(p.Err, errUnread) {
			continue // a moment's matter
		}
		at, text := problemKey{p.Rule.Name, p.Set}, p.Err.Error()
		if now[at] = text; k.problems[at] != text {
			k.log.Errorf("%v", p)
		}
	}
	for at := range k.problems {
		if _, still := now[at]; !still {
			k.log.Infof("rule %s: set %s can be fed again", at.rule, at.set)
		}
	}
	k.problems = now
}

type problemKey struct {
	rule string
	set  set.ID
}
