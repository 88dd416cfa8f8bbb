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
// was, and others try once more. Every refusal changes a task, and a task
// changes three times at most, so that tries come to an end.
func (w *Writer) judge(ops []Op, tasks []task) error {
	for _, r := range w.refused {
		sp := w.spans[r.message]
		if err := w.judgeMessage(ops, tasks[sp.first:sp.first+sp.n], sp.step, r.refusal); err != nil {
			return err
		}
	}
	return nil
}

func (w *Writer) judgeMessage(ops []Op, tasks []task, step int, r refusal) error {
	if r.errno == unix.EEXIST && tasks[0].kind == Add {
		found, err := w.lookUp(ops, tasks)
		if found || err != nil {
			return err
		}
	}
	for i := range tasks {
		t := &tasks[i]
		if t.done() {
			continue // by the refusal of an earlier step
		}
		v := verdictOn(t.kind, w.steps[t.kind][step].message, r.errno, len(tasks) == 1)
		fickle := v == retry && t.again
		if fickle {
			v = fail
		}
		switch v {
		case fail:
			op := &ops[t.op]
			op.Err = &Error{Kind: op.Kind, Set: op.Set, Errno: r.errno, Detail: r.detail, fickle: fickle}
			t.op = -1
		case drop:
			t.op = -1
		case separate:
			t.alone = true
		case retry:
			t.again = true
		}
	}
	return nil
}

// verdict is what a refusal means for a task.
type verdict uint8

const (
	fail     verdict = iota // it can't be done
	drop                    // there is nothing to do
	separate                // another element of the message may be the cause
	retry                   // the element came or went meanwhile
)

// verdictOn judges the refusal of a message (NFT_MSG_*) of a task of kind k.
// alone tells that the message was about this task only.
func verdictOn(k Kind, message uint16, errno unix.Errno, alone bool) verdict {
	switch {
	case errno == unix.ENOENT && message != unix.NFT_MSG_DELSETELEM:
		// No set, for none of the message's elements.
		if k == Delete {
			return drop
		}
		return fail
	case errno == unix.EPERM, errno == unix.EBUSY:
		return fail // the table has another owner; the set is constant
	case !alone:
		return separate
	case errno == unix.ENOENT && k == Delete:
		return drop
	case errno == unix.ENOENT, errno == unix.EEXIST:
		return retry
	case errno == unix.ENFILE && k == Delete:
		return drop // an element that there is would need no room
	}
	return fail
}

// lookUp finds out about the elements that Adds found in their places: those
// that live long enough are left alone, shorter ones refreshed. It tells whether
// there was any; if not, they have expired meanwhile, or the set is gone.
func (w *Writer) lookUp(ops []Op, tasks []task) (found bool, err error) {
	byKey := make(map[set.Key]*task, len(tasks))
	keys := make([]set.Key, 0, len(tasks))
	for i := range tasks {
		key := ops[tasks[i].op].Key
		byKey[key] = &tasks[i]
		keys = append(keys, key)
	}
	err = w.ask(ops[tasks[0].op].Set, keys, 0, func(e Element) {
		t := byKey[e.Key]
		if t == nil || t.done() {
			return
		}
		found = true
		if op := &ops[t.op]; e.Permanent() || e.Expires >= max(op.Timeout, time.Second) {
			op.Found = true
			t.op = -1
		} else {
			t.kind = Refresh
		}
	})
	if errors.Is(err, ErrNoSet) {
		err = nil
	}
	return found, err
}
