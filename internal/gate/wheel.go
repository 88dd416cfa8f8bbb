package gate

import "time"

// wheel finds the bindings whose time has come without looking at the others:
// a timing wheel (Varghese and Lauck, 1987) of two levels, with a bucket for
// each notch of the next 64 seconds and one for every 64 seconds beyond. Every
// binding of the shard is in exactly one bucket, at the latest when it was expected to
// be due; if it has become due later meanwhile, it is put back. One that is gone from
// the table stays until then.
type wheel struct {
	at   int64 // the notch that was turned to last
	near [int64(64 * time.Second / notch)]*binding
	far  map[int64]*binding
}

// notch is the wheel's smallest step. The keeper never looks more often.
const notch = haste

// add puts a binding into the bucket of due, or of the next notch.
func (w *wheel) add(b *binding, due moment) {
	at := max(int64((due+notch-1)/notch), w.at+1) // not before due
	if at-w.at < int64(len(w.near)) {
		bucket := &w.near[at%int64(len(w.near))]
		b.later, *bucket = *bucket, b
		return
	}
	span := at / int64(len(w.near))
	b.later, w.far[span] = w.far[span], b
}

// turn goes on by one notch and returns what is in its bucket, or nil and
// false when the wheel has reached now.
func (w *wheel) turn(now moment) (due *binding, more bool) {
	if w.at >= int64(now/notch) {
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
