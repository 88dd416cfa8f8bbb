package resolve

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/namewall/namewall/internal/answer"
	"github.com/namewall/namewall/internal/rule"
)

// entry is one name. It belongs to the goroutine of Resolver.run.
type entry struct {
	Name
	ask, admit item
	records    [families]record
	failures   int // rounds in a row that were no good
	state      State
	admitting  bool // a job is
	tried      bool // it has been through a whole round
}

// record is what is known of a name's addresses of one family.
type record struct {
	wanted bool // they were asked for in the last round

	walk  *answer.Walk // of the last good answer; nil if there was none, or it had none
	addrs []netip.Addr // those of its addresses that Changes tell of, in order
	at    time.Time    // when it came
	heard bool         // DNS has said which addresses there are, or that there are none

	// trouble is why the last question brought no good answer, "" if it did;
	// doubt is since when that is that there are none.
	trouble string
	doubt   time.Time
	absent  string // why there are none, if that is believed

	admitAt  time.Time // when the addresses are due to be admitted; zero: not at all
	again    bool      // they have been since they came
	refusals int       // admissions in a row that failed
}

// newEntry is a name that the Resolver knows nothing of yet.
func newEntry(n Name, now time.Time) *entry {
	e := &entry{Name: n}
	e.ask, e.admit = newItem(e), newItem(e)
	for f := range e.records {
		e.records[f].recall(n, Family(f), now)
	}
	e.Known = nil
	return e
}

// sameAnswer is how far apart addresses may have been heard of that were in one
// answer. Questions are further apart, by askMin.
const sameAnswer = time.Second

// recall takes over what somebody else knows: the addresses that were in the last
// answer, and not those whose time is running out.
func (rec *record) recall(n Name, f Family, now time.Time) {
	rec.heard = len(n.Known) > 0
	known := slices.DeleteFunc(slices.Clone(n.Known), func(k Known) bool { return familyOf(k.Addr) != f })
	if len(known) == 0 {
		return
	}
	youngest := slices.MinFunc(known, func(a, b Known) int { return cmp.Compare(a.Age, b.Age) }).Age
	known = slices.DeleteFunc(known, func(k Known) bool { return k.Age > youngest+sameAnswer })
	left := known[0].Left
	rec.walk = &answer.Walk{Names: []string{n.Name}}
	for _, k := range known {
		rec.walk.Addrs = append(rec.walk.Addrs, answer.Addr{Addr: k.Addr})
		rec.addrs = append(rec.addrs, k.Addr)
		left = min(left, k.Left)
	}
	rec.addrs = sorted(rec.addrs)
	rec.at = now.Add(-youngest)
	rec.again = true
	rec.admitAt = now.Add(max(0, left-time.Second))
}

// kept tells whether the addresses are admitted again if no answer comes.
func (rec *record) kept(now time.Time, stale time.Duration) bool {
	return rec.walk != nil && now.Sub(rec.at) < stale
}

// take takes an answer, and tells what has changed of what DNS had announced.
func (rec *record) take(a Answer, n *Name, now time.Time) (added, removed []netip.Addr) {
	heard, before := rec.heard, rec.addrs
	switch {
	case a.Walk != nil:
		for i := range a.Walk.Addrs { // until it is asked for again
			a.Walk.Addrs[i].TTL = max(a.Walk.Addrs[i].TTL, askMin)
		}
		*rec = record{wanted: true, heard: true, walk: a.Walk, addrs: sorted(a.Addrs), at: now, admitAt: now}
	case a.None && (rec.walk == nil || !rec.doubt.IsZero() && now.Sub(rec.doubt) >= n.Lifetime.Min):
		*rec = record{wanted: true, heard: true, absent: a.Why}
	case a.None:
		rec.trouble = a.Why
		if rec.doubt.IsZero() {
			rec.doubt = now
		}
	default:
		rec.trouble = a.Why
	}
	if !heard {
		return nil, nil
	}
	return minus(rec.addrs, before), minus(before, rec.addrs)
}

// judge finds the name's state.
func (e *entry) judge(now time.Time) Transition {
	t := Transition{Key: e.Key, From: e.state, To: Absent}
	for f := range e.records {
		rec := &e.records[f]
		switch {
		case !rec.wanted:
		case rec.trouble != "" && rec.kept(now, e.Stale):
			t.To, t.Why, t.Left = Kept, rec.trouble, e.Stale-now.Sub(rec.at)
			if !rec.doubt.IsZero() {
				t.Left = min(t.Left, e.Lifetime.Min-now.Sub(rec.doubt))
			}
			return t
		case rec.trouble != "":
			t.To, t.Why = Failing, rec.trouble
		case t.To == Failing:
		case rec.walk != nil:
			t.To, t.Why = Resolved, ""
		case t.To == Absent:
			t.Why = rec.absent
		}
	}
	return t
}

// pause is how long it is until the name is to be asked for again, after a round.
func (e *entry) pause() time.Duration {
	var ttl time.Duration
	resolved, failed := false, false
	for f := range e.records {
		rec := &e.records[f]
		switch {
		case !rec.wanted:
		case rec.trouble != "":
			failed = true
		case rec.walk != nil && (!resolved || rec.walk.Least < ttl):
			ttl, resolved = rec.walk.Least, true
		}
	}
	if resolved && !failed {
		e.failures = 0
		return afterAnswer(ttl, e.Lifetime)
	}
	e.failures++
	d := backoff(e.failures)
	if resolved {
		d = min(d, afterAnswer(ttl, e.Lifetime))
	}
	return d
}

// admitAt is when the first record is due.
func (e *entry) admitAt() time.Time {
	var first time.Time
	for f := range e.records {
		if at := e.records[f].admitAt; first.IsZero() || !at.IsZero() && at.Before(first) {
			first = at
		}
	}
	return first
}

// addrs are all its addresses, in order.
func (e *entry) addrs() []netip.Addr {
	var all []netip.Addr
	for f := range e.records {
		all = append(all, e.records[f].addrs...)
	}
	return sorted(all)
}

// walkNow is the answer as it is to be admitted now: as it came, or, if that has
// been done, its addresses alone for another life.
func (rec *record) walkNow(l rule.Lifetime) *answer.Walk {
	if !rec.again {
		return rec.walk
	}
	w := &answer.Walk{Names: rec.walk.Names}
	for _, a := range rec.walk.Addrs {
		w.Addrs = append(w.Addrs, answer.Addr{Addr: a.Addr, TTL: l.Min})
	}
	return w
}

// leastTTL is the least TTL of a walk's addresses.
func leastTTL(w *answer.Walk) time.Duration {
	least := w.Addrs[0].TTL
	for _, a := range w.Addrs {
		least = min(least, a.TTL)
	}
	return least
}

func sorted(addrs []netip.Addr) []netip.Addr {
	addrs = slices.Clone(addrs)
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.Compact(addrs)
}

// minus are those of a that are not in b, both in order.
func minus(a, b []netip.Addr) []netip.Addr {
	var out []netip.Addr
	for _, addr := range a {
		if _, in := slices.BinarySearchFunc(b, addr, netip.Addr.Compare); !in {
			out = append(out, addr)
		}
	}
	return out
}
