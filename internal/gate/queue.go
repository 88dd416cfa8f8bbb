package gate

import "sync"

// batchMax is the most elements that one commit carries. Each takes the kernel
// about a microsecond during which no other nftables user gets in, so a full
// batch delays others, and the answers behind it, by a millisecond.
const batchMax = 1000

const _ = uint16(batchMax) // a write's place in its batch is a uint16

// batch is what one commit writes. Everything that is waiting when the writer
// is free goes into one: a batch of one element when the gate is idle, large
// ones under load.
type batch struct {
	writes []write
	// done is closed when the outcome of each write is known.
	done chan struct{}
	// taken: the writer has it, and nothing can be changed any more. The
	// queue's mutex guards it.
	taken bool
}

// write is one element on its way to the kernel.
type write struct {
	kind    writeKind
	binding *binding
	epoch   uint32 // the set's life that it is meant for
	until   moment // the life that it gives

	skip bool // the writer found that nothing was to be done
	// background: no answer waits for it.
	background bool

	gentle bool  // an element that is there, and lives longer, is to be left alone
	found  bool  // there was such an element
	err    error // valid when the batch is done
}

// writeKind is what a write is for.
type writeKind uint8

const (
	newcomer   writeKind = iota // for an answer; nothing is known of such an element
	extension                   // for an answer, of an element that may be there
	healing                     // puts back what was promised; no answer waits for it
	shortening                  // ends the element with what is promised, if it has a longer life
	deletion                    // takes out what nobody needs
	revocation                  // takes out what is no longer to be there
)

// deletes tells whether the element is taken out.
func (k writeKind) deletes() bool { return k == deletion || k == revocation }

// queue holds what the writer is to commit. What answers wait for goes before
// what is put back in the background.
type queue struct {
	mu     sync.Mutex // guards what follows
	work   sync.Cond  // something to do, or closed
	urgent []*batch
	later  []*batch
	taken  *batch  // what the writer took last
	size   int     // how many writes that had
	dead   []write // deletions, which go along with anything else
	closed bool
}

func (q *queue) init() {
	q.work.L = &q.mu
}

// add appends a write to the last batch that has room, and tells which one and
// where in it.
func (q *queue) add(w write) (*batch, uint16) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		w.err = errClosed
		b := &batch{writes: []write{w}, done: make(chan struct{})}
		close(b.done)
		return b, 0
	}
	line := &q.urgent
	if w.background || w.kind == healing || w.kind == revocation {
		line = &q.later
	}
	var b *batch
	if n := len(*line); n > 0 && len((*line)[n-1].writes) < batchMax {
		b = (*line)[n-1]
	} else {
		// As large as the last one was: under load many elements come.
		b = &batch{done: make(chan struct{}), writes: make([]write, 0, q.size)}
		*line = append(*line, b)
	}
	b.writes = append(b.writes, w)
	q.work.Signal()
	return b, uint16(len(b.writes) - 1)
}

// raise makes a write longer that is still queued. It reports false if it is too
// late for that: a commit names an element once, so another one has to follow. So
// it has to after a revocation, of which the writer finds that it is off.
func (q *queue) raise(b *batch, index uint16, until moment) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	w := &b.writes[index]
	if b.taken || w.kind == revocation {
		return false
	}
	w.until = max(w.until, until)
	return true
}

// last is the batch after which everything that is to be put back now has been
// written, nil if there never was any.
func (q *queue) last() *batch {
	q.mu.Lock()
	defer q.mu.Unlock()
	if n := len(q.later); n > 0 {
		return q.later[n-1]
	}
	return q.taken
}

// waiting tells whether a batch has not been taken yet, so that what it writes
// comes after everything that has happened so far.
func (q *queue) waiting(b *batch) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return !b.taken
}

// await waits until there is something to take, or the queue is closed.
func (q *queue) await() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for !q.closed && len(q.urgent)+len(q.later)+len(q.dead) == 0 {
		q.work.Wait()
	}
}

// take waits for the next batch; nil when the queue is closed.
func (q *queue) take() *batch {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		switch {
		case q.closed:
			return nil
		case len(q.urgent) > 0:
			return q.bury(shift(&q.urgent))
		case len(q.later) > 0:
			return q.bury(shift(&q.later))
		case len(q.dead) > 0:
			return q.bury(&batch{done: make(chan struct{})})
		}
		q.work.Wait()
	}
}

// bury fills a batch that is taken up with deletions. The queue is locked.
func (q *queue) bury(b *batch) *batch {
	b.taken, q.taken, q.size = true, b, len(b.writes)
	n := min(len(q.dead), batchMax-len(b.writes))
	b.writes = append(b.writes, q.dead[:n]...)
	if q.dead = q.dead[n:]; len(q.dead) == 0 {
		q.dead = nil
	}
	return b
}

// deadMax bounds the deletions that wait, at a tenth of the bindings' memory.
// Beyond it elements are left for the kernel to expire.
const deadMax = 200_000

// delete has an element taken out that nobody needs any more.
func (q *queue) delete(w write) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.dead) < deadMax {
		w.kind = deletion
		q.dead = append(q.dead, w)
		q.work.Signal()
	}
}

func shift(line *[]*batch) *batch {
	b := (*line)[0]
	(*line)[0] = nil
	*line = (*line)[1:]
	if len(*line) == 0 {
		*line = nil
	}
	return b
}

// close ends the writer. What is still queued is done, with errClosed.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for _, b := range append(q.urgent, q.later...) {
		for i := range b.writes {
			b.writes[i].err = errClosed
		}
		close(b.done)
	}
	q.urgent, q.later = nil, nil
	q.work.Broadcast()
}

// length is the number of writes that wait.
func (q *queue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := len(q.dead)
	for _, line := range [][]*batch{q.urgent, q.later} {
		for _, b := range line {
			n += len(b.writes)
		}
	}
	return n
}
