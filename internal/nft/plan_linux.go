package nft

import (
	"cmp"
	"slices"

	"github.com/namewall/namewall/internal/set"
)

// task is an operation that is not done yet.
type task struct {
	op    int32 // its place among the operations; -1 if done
	group int32 // which set
	kind  Kind  // as the operation's, or Refresh for an Add that found a shorter life
	alone bool  // has messages of its own, because one that it shared was refused
	again bool  // was refused for a reason that may pass
}

func (t task) done() bool { return t.op < 0 }

// compare orders tasks by set, and within a set deletions first, for the room
// they make.
func (t task) compare(u task) int {
	return cmp.Or(cmp.Compare(t.group, u.group), cmp.Compare(u.kind, t.kind))
}

// plan orders the operations so that those of one set and kind can share a
// message.
func (w *Writer) plan(ops []Op) []task {
	clear(w.groups)
	w.tasks = w.tasks[:0]
	var group int32
	for i := range ops {
		op := &ops[i]
		op.Err, op.Found = nil, false
		if i == 0 || op.Set != ops[i-1].Set { // neighbours are mostly of one set
			var ok bool
			if group, ok = w.groups[op.Set]; !ok {
				group = int32(len(w.groups))
				w.groups[op.Set] = group
			}
		}
		w.tasks = append(w.tasks, task{op: int32(i), group: group, kind: op.Kind})
	}
	slices.SortStableFunc(w.tasks, task.compare)
	return w.tasks
}

// span is which tasks a message is about, and with which of their steps.
type span struct {
	first, n int
	step     int
}

// encode makes a batch of the first tasks, as many as it takes, and tells how
// many.
func (w *Writer) encode(ops []Op, tasks []task) (n int) {
	w.begin()
	w.spans = w.spans[:0]
	for n < len(tasks) {
		fits := w.fit(ops, tasks[n:])
		if n == 0 {
			fits = max(fits, 1) // what is too long alone, the kernel shall say
		}
		fits = min(fits, batchMax-n)
		if fits <= 0 {
			break
		}
		w.encodeRun(ops, tasks, n, fits)
		n += fits
	}
	return n
}

// fit tells how many of the first tasks can share messages and have room.
func (w *Writer) fit(ops []Op, tasks []task) int {
	head := tasks[0]
	steps := len(w.steps[head.kind])
	if w.count+steps > w.replyMax {
		return 0
	}
	id := ops[head.op].Set
	room := (w.sendMax-len(w.enc.buf)-headerLen-genmsgLen)/steps - setElemsLen(id)
	most := min(room/elemLen(set.KeyMax), messageMax, len(tasks))
	if head.alone {
		return min(most, 1)
	}
	n := 0
	for n < most && !tasks[n].alone && tasks[n].group == head.group && tasks[n].kind == head.kind {
		n++
	}
	return n
}

func (w *Writer) encodeRun(ops []Op, tasks []task, first, n int) {
	run := tasks[first : first+n]
	for i, s := range w.steps[run[0].kind] {
		list := w.enc.setElems(s.message, s.flags, w.message(), ops[run[0].op].Set)
		for _, t := range run {
			op := &ops[t.op]
			if s.life {
				w.enc.elemFor(&op.Key, op.Timeout, s.fresh)
			} else {
				w.enc.elem(&op.Key)
			}
		}
		w.enc.close(list)
		w.enc.end()
		w.spans = append(w.spans, span{first: first, n: n, step: i})
	}
}
