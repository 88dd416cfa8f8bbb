package nft

import (
	"errors"
	"time"

	"github.com/namewall/namewall/internal/set"
	"golang.org/x/sys/unix"
)

// judge draws the consequences of a refused batch for its tasks, so that the
// next try gets further: tasks that failed or need no doing are done, those that
// shared a refused message get messages of their own, to learn which of them it
// was, and others try once more. Every refusal changes one task at least, and a
// task changes three times at most, so that tries come to an end.
func (w *Writer) judge(ops []Op, tasks []task) error {
	for _, r := range w.refused {
		sp := w.spans[r.message]
		for i := range tasks[sp.first : sp.first+sp.n] {
			t := &tasks[sp.first+i]
			if t.done() {
				continue // by the refusal of an earlier step
			}
			op := &ops[t.op]
			switch verdictOn(t.kind, w.steps[t.kind][sp.step], r.errno, sp.n == 1) {
			case fail:
				w.fail(op, t, r.refusal)
			case drop:
				t.op = -1
			case separate:
				t.alone = true
			case lookUp:
				if t.again {
					w.fail(op, t, r.refusal)
				} else if err := w.lookUp(op, t); err != nil {
					return err
				}
			case retry:
				if t.again {
					w.fail(op, t, r.refusal)
				}
				t.again = true
			}
		}
	}
	return nil
}

func (w *Writer) fail(op *Op, t *task, r refusal) {
	op.Err = &Error{Kind: op.Kind, Set: op.Set, Errno: r.errno, Detail: r.detail}
	t.op = -1
}

// verdict is what a refusal means for a task.
type verdict uint8

const (
	fail     verdict = iota // it can't be done
	drop                    // there is nothing to do
	separate                // another element of the message may be the cause
	lookUp                  // the element is there: see how long it lives
	retry                   // the element went away meanwhile
)

// verdictOn judges the refusal of step s of a task of kind k. alone tells that
// the message was about this task only.
func verdictOn(k Kind, s step, errno unix.Errno, alone bool) verdict {
	switch errno {
	case unix.ENOENT:
		switch {
		case s.message == unix.NFT_MSG_NEWSETELEM:
			return fail // no set, for none of the message's elements
		case s.message == msgDestroySetElem:
			return drop // no set
		case !alone:
			return separate
		case k == Delete:
			return drop
		default:
			return retry
		}
	case unix.EPERM, unix.EBUSY:
		return fail // the set's table is owned by another; the set is constant
	case unix.EEXIST:
		if alone && k == Add {
			return lookUp
		}
	}
	if alone {
		return fail
	}
	return separate
}

// lookUp finds out about the element that an Add found in its place: one that
// lives long enough is left alone, a shorter one refreshed. If it has expired
// meanwhile, or the set is gone, the Add is tried again.
func (w *Writer) lookUp(op *Op, t *task) error {
	t.again = true
	key := [1]set.Key{op.Key}
	err := w.ask(op.Set, key[:], 0, func(e Element) {
		if e.Permanent() || e.Expires >= max(op.Timeout, time.Second) {
			op.Found = true
			t.op = -1
		} else {
			t.kind = Refresh
		}
	})
	if errors.Is(err, ErrNoSet) {
		return nil
	}
	return err
}
