package gate

import (
	"errors"
	"syscall"
	"time"

	"github.com/namewall/namewall/internal/nft"
)

// fullPause is how long newcomers are refused without a try after the kernel
// said that a set is full. Its collector runs every second when no commit
// disturbs it, and a set that is full is tried by every fresh answer.
const fullPause = time.Second

// trouble is what the kernel last refused of a set, although it can be read.
type trouble struct {
	err    error
	at     moment
	commit int64 // which it was
}

// troubleFor is how long a refusal counts as the set's state when nothing has
// been written since.
const troubleFor = 30 * time.Second

// denial is the refusal of an element, told without the element: that of the
// next one for the same reason is no news.
type denial struct{ refusal *nft.Error }

func (d denial) Error() string { return d.refusal.Reason() }
func (d denial) Unwrap() error { return d.refusal }

// ends tells whether an error ends the session: what the kernel has done is not
// known any more, or nobody may do anything. After any other that concerns a
// whole batch, or a reading, nothing has been done, and the next try may fare
// better.
func ends(err error) bool {
	return errors.Is(err, nft.ErrBroken) || errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EOPNOTSUPP)
}

// outcome draws the consequences of what the kernel said of one element beyond
// its own answer.
func (g *Gate) outcome(w *write, now moment) {
	var refusal *nft.Error
	switch {
	case w.err == nil:
		g.accepted(w)
	case errors.As(w.err, &refusal):
		g.refused(w, refusal, now)
	case !errors.Is(w.err, errOvertaken) && !ends(w.err):
		g.troubled(w.binding.set, w.err, now)
	}
}

// refused notes what a refused element says of its set.
func (g *Gate) refused(w *write, refusal *nft.Error, now moment) {
	g.watch.Refused(nft.ErrnoName(refusal))
	ks := w.binding.set
	switch {
	case errors.Is(refusal, nft.ErrNoSet):
		// Its deletion has overtaken the event that tells of it, and that wakes
		// the keeper. If there is none, the keeper looks at its next tick.
		if st := ks.state.Load(); st.err == nil && st.epoch == w.epoch && ks.become(st, st.lost(now, nft.ErrNoSet)) != nil {
			ks.stale.Store(true)
		}
	case errors.Is(refusal, nft.ErrFull):
		ks.fullUntil.Store(int64(now + fullPause))
		g.troubled(ks, nft.ErrFull, now) // who tells of it names the set
	default:
		ks.stale.Store(true) // its declaration may say why
		g.troubled(ks, denial{refusal}, now)
	}
}

func (g *Gate) troubled(ks *kernelSet, err error, now moment) {
	ks.trouble.Store(&trouble{err: err, at: now, commit: g.commits.Load()})
}

// accepted ends a set's trouble, if it had any before this batch: that it is full
// with a newcomer, as there is room for others always, and any other with any
// write.
func (g *Gate) accepted(w *write) {
	ks := w.binding.set
	if w.kind == healing {
		ks.mendedAt.Store(int64(g.now()))
	}
	t := ks.trouble.Load()
	if t != nil && t.commit != g.commits.Load() && w.done() && (w.kind == newcomer || !errors.Is(t.err, nft.ErrFull)) {
		ks.trouble.CompareAndSwap(t, nil)
	}
}
