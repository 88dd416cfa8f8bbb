package gate

import "time"

// wheel finds the bindings whose time has come without looking at the others:
// a timing wheel (Varghese and Lauck, 1987) of two levels, with a bucket for
// each of the next 64 seconds and one for every 64 seconds beyond. Every binding
// of the shard is in exactly one bucket, as late as it was due when it was put
// there; if it has become due later meanwhile, it is put back.
type wheel struct {
	at   int64 // the second that was turned to last
	near [64]*binding
	far  map[int64]*binding
}

// second is the first whole second that is not before m.
func second(m moment) int64 { return int64((m + time.Second - 1) / time.Second) }

// add puts a binding into the bucket of due, or of the next second.
func (w *wheel) add(b *binding, due moment) {
	at := max(second(due), w.at+1)
	if at-w.at < int64(len(w.near)) {
		bucket := &w.near[at%int64(len(w.near))]
		b.later, *bucket = *bucket, b
		return
	}
	span := at / int64(len(w.near))
	b.later, w.far[span] = w.far[span], b
}

// turn goes on by one second and returns what is in its bucket, or nil and
// false when the wheel has reached now.
func (w *wheel) turn(now moment) (due *binding, more bool) {
	if w.at >= int64(now/time.Second) {
		return nil, false
	}
	w.at++
	bucket := &w.near[w.at%int64(len(w.near))]
	due, *bucket = *bucket, nil
	if span := w.at / int64(len(w.near)); w.at%int64(len(w.near)) == 0 {
		for b := w.far[span]; b != nil; {
			next := b.later
			b.later, due = due, b
			b = next
		}
		delete(w.far, span)
	}
	return due, true
}
