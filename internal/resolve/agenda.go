package resolve

import (
	"container/heap"
	"time"
)

// atOnce bounds the jobs of a kind that are under way. A resolver takes as many
// questions without noticing, and a thousand fresh names, of which each takes it
// some 50 ms, are through in three seconds. Admissions wait for the kernel only,
// for microseconds if all is well.
const atOnce = 32

// agenda is when each name is next due for a kind of job, and how many of these
// jobs are running.
type agenda struct {
	queue   queue
	running int
}

// item is an entry's place in an agenda. While its job is running it has none.
type item struct {
	entry *entry
	at    time.Time
	place int // in the queue, -1: in none
}

func newItem(e *entry) item { return item{entry: e, place: -1} }

// waits tells whether the item is in its agenda.
func (i *item) waits() bool { return i.place >= 0 }

// put makes an item due, or due at another time.
func (a *agenda) put(i *item, at time.Time) {
	i.at = at
	if i.waits() {
		heap.Fix(&a.queue, i.place)
		return
	}
	heap.Push(&a.queue, i)
}

// remove takes an item out, if it is in.
func (a *agenda) remove(i *item) {
	if i.waits() {
		heap.Remove(&a.queue, i.place)
	}
}

// next takes the first entry out that is due, and counts its job as running. It
// returns nil if there is none, or if enough are running.
func (a *agenda) next(now time.Time) *entry {
	if a.running >= atOnce || len(a.queue) == 0 || a.queue[0].at.After(now) {
		return nil
	}
	a.running++
	return heap.Pop(&a.queue).(*item).entry
}

// rest is how long it is until an entry can be next. The end of a job is not
// foreseen.
func (a *agenda) rest(now time.Time) time.Duration {
	if a.running >= atOnce || len(a.queue) == 0 {
		return time.Hour
	}
	return a.queue[0].at.Sub(now)
}

// queue implements heap.Interface.
type queue []*item

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].at.Before(q[j].at) }

func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

func (q *queue) Push(x any) {
	i := x.(*item)
	i.place = len(*q)
	*q = append(*q, i)
}

func (q *queue) Pop() any {
	last := len(*q) - 1
	i := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	i.place = -1
	return i
}
