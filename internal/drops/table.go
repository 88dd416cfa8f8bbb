package drops

import (
	"container/list"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Table has the drops. Its methods may be called from several goroutines.
type Table struct {
	mu      sync.Mutex // guards what follows
	named   kind
	unnamed kind
	changes uint64
}

// kind are drops that share a bound.
type kind struct {
	max   int
	known map[Key]*list.Element // of order
	order *list.List            // of *Drop, by the last packet, the latest first
	ports map[Key]int           // how many keys differ from this one in the port alone, which is 0
}

// NewTable returns an empty table.
func NewTable() *Table { return &Table{named: newKind(MaxNamed), unnamed: newKind(MaxUnnamed)} }

func newKind(most int) kind {
	return kind{max: most, known: make(map[Key]*list.Element), order: list.New(), ports: make(map[Key]int)}
}

func (t *Table) kind(k *Key) *kind {
	if k.Name == "" {
		return &t.unnamed
	}
	return &t.named
}

// Add takes a dropped packet, and returns the drop that it belongs to.
func (t *Table) Add(p Packet) Drop {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.changes++
	k := t.kind(&p.Key)
	d := k.drop(p.Key, p.At)
	d.Count++
	d.Last, d.Detail = p.At, p.Detail
	d.address(p.Remote)
	seen := *d
	seen.Addresses = slices.Clone(d.Addresses)
	return seen
}

// drop finds the drop of a key or makes one, the latest from now on.
func (k *kind) drop(key Key, now time.Time) *Drop {
	any := key
	any.Service.Port = 0
	e, ok := k.known[key]
	if !ok && k.ports[any] >= maxPorts {
		key = any
		e, ok = k.known[key]
	}
	if ok {
		k.order.MoveToFront(e)
		return e.Value.(*Drop)
	}
	if k.order.Len() >= k.max {
		k.remove(k.order.Back())
	}
	d := &Drop{Key: key, First: now}
	k.put(d, k.order.PushFront(d))
	return d
}

// put notes where a drop is.
func (k *kind) put(d *Drop, at *list.Element) {
	k.known[d.Key] = at
	if any := d.Key; any.Service.Port != 0 {
		any.Service.Port = 0
		k.ports[any]++
	}
}

func (k *kind) remove(e *list.Element) {
	key := k.order.Remove(e).(*Drop).Key
	delete(k.known, key)
	if key.Service.Port != 0 {
		key.Service.Port = 0
		if k.ports[key]--; k.ports[key] == 0 {
			delete(k.ports, key)
		}
	}
}

// address puts an address in front.
func (d *Drop) address(a netip.Addr) {
	at := slices.Index(d.Addresses, a)
	switch {
	case at == 0:
		return
	case at > 0:
		d.Addresses = slices.Delete(d.Addresses, at, at+1)
	case len(d.Addresses) >= maxAddresses:
		d.Addresses = d.Addresses[:maxAddresses-1]
	}
	d.Addresses = slices.Insert(d.Addresses, 0, a)
}

// Filter chooses drops. What is zero chooses all.
type Filter struct {
	Since   time.Time    // that were seen since then
	Client  netip.Prefix // of clients that overlap with it
	Name    string
	Address netip.Addr
	Cause   string
}

func (f *Filter) chooses(d *Drop) bool {
	return !d.Last.Before(f.Since) && (!f.Client.IsValid() || f.Client.Overlaps(d.Client)) &&
		(f.Name == "" || f.Name == d.Name) && (f.Cause == "" || f.Cause == d.Cause) &&
		(!f.Address.IsValid() || slices.Contains(d.Addresses, f.Address))
}

// List returns the drops that a filter chooses, the latest first, at most so many,
// and whether there are more.
func (t *Table) List(f Filter, most int) (found []Drop, more bool) {
	for _, d := range t.All() {
		if !f.chooses(&d) {
			continue
		}
		if len(found) == most {
			return found, true
		}
		found = append(found, d)
	}
	return found, false
}

// All returns all drops, the latest first.
func (t *Table) All() []Drop {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]Drop, 0, t.named.order.Len()+t.unnamed.order.Len())
	for _, k := range []*kind{&t.named, &t.unnamed} {
		for e := k.order.Front(); e != nil; e = e.Next() {
			d := *e.Value.(*Drop)
			d.Addresses = slices.Clone(d.Addresses)
			all = append(all, d)
		}
	}
	slices.SortStableFunc(all, func(a, b Drop) int { return b.Last.Compare(a.Last) })
	return all
}

// Expire forgets the drops whose week is over.
func (t *Table) Expire(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, k := range []*kind{&t.named, &t.unnamed} {
		for e := k.order.Back(); e != nil && now.Sub(e.Value.(*Drop).Last) > Kept; e = k.order.Back() {
			k.remove(e)
			t.changes++
		}
	}
}

// Restore takes drops that were kept over a restart, in any order. What has been
// seen since counts as later than they.
func (t *Table) Restore(all []Drop, now time.Time) {
	slices.SortStableFunc(all, func(a, b Drop) int { return b.Last.Compare(a.Last) })
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range all {
		d := all[i]
		if d.Last.After(now) { // the clock is behind what it was
			d.Last = now
		}
		k := t.kind(&d.Key)
		if e, ok := k.known[d.Key]; ok {
			earlier := e.Value.(*Drop)
			earlier.First = d.First
			earlier.Count += d.Count
		} else if k.order.Len() < k.max {
			k.put(&d, k.order.PushBack(&d))
		}
	}
}

// Changes is the number of changes so far.
func (t *Table) Changes() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.changes
}

// Used is how many drops there are, with a name and without.
func (t *Table) Used() (named, unnamed int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.named.order.Len(), t.unnamed.order.Len()
}
