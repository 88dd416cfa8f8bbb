package state

import (
	"math"
	"time"

	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

// decode reads a payload: the snapshot as it was encoded, but for Taken. It fails
// with ErrDamaged.
func decode(b []byte) (Snapshot, error) {
	d := decoder{}
	if err := decoding.Unmarshal(b, &d.in); err != nil {
		return Snapshot{}, damaged("%w", err)
	}
	if err := d.sets(); err != nil {
		return Snapshot{}, err
	}
	if err := d.columns(); err != nil {
		return Snapshot{}, err
	}
	if err := d.bindings(); err != nil {
		return Snapshot{}, err
	}
	return d.out, nil
}

// decoder turns columns into a snapshot.
type decoder struct {
	in    payload
	out   Snapshot
	words []string
}

func (d *decoder) sets() error {
	d.out.Sets = make([]Set, len(d.in.Sets))
	for i := range d.in.Sets {
		s, err := d.in.Sets[i].parse()
		if err != nil {
			return damaged("%w", err)
		}
		d.out.Sets[i] = s
	}
	for i := range d.in.Ranges {
		s, err := d.in.Ranges[i].Set.parse()
		if err != nil {
			return damaged("%w", err)
		}
		d.out.Intervals = append(d.out.Intervals, Interval{Set: s, Rule: string(d.in.Ranges[i].Rule)})
	}
	for _, r := range d.in.Rules {
		d.out.Rules = append(d.out.Rules, Rule{Name: string(r.Name), Revoke: string(r.Revoke)})
	}
	return nil
}

// columns checks that the columns fit together, before there is made room for
// what is in them: the same number of rows in each, and as many keys and reasons
// as the bindings have.
func (d *decoder) columns() error {
	in := &d.in
	bindings, reasons := len(in.Set), len(in.Rule)
	switch {
	case bindings > MaxBindings:
		return damaged("it has %d bindings, more than any state", bindings)
	case len(in.Left) != bindings || len(in.Reasons) != bindings || len(in.Revoked) != bindings:
		return damaged("the columns of its bindings differ in length")
	}
	for _, n := range []int{
		len(in.Name), len(in.Chain), len(in.Client), len(in.Origin), len(in.First), len(in.Last), len(in.Until),
	} {
		if n != reasons {
			return damaged("the columns of its reasons differ in length")
		}
	}
	keys := len(in.Keys)
	for i := range bindings {
		if int64(in.Set[i]) >= int64(len(d.out.Sets)) || in.Reasons[i] > MaxReasons || in.Revoked[i] >= byte(revocations) {
			return damaged("binding %d is out of bounds", i)
		}
		keys -= d.out.Sets[in.Set[i]].Layout.Len()
		reasons -= int(in.Reasons[i])
	}
	if keys != 0 || reasons != 0 {
		return damaged("it has more or fewer keys or reasons than its bindings")
	}
	return nil
}

func (d *decoder) bindings() error {
	d.words = make([]string, len(d.in.Words))
	for i, w := range d.in.Words {
		d.words[i] = string(w)
	}
	reasons := make([]Reason, len(d.in.Rule))
	for i := range reasons {
		if !d.reason(i, &reasons[i]) {
			return damaged("reason %d is out of bounds", i)
		}
	}
	d.out.Bindings = make([]Binding, len(d.in.Set))
	keys := d.in.Keys
	for i := range d.out.Bindings {
		b := &d.out.Bindings[i]
		b.Set, b.Revoked = int(d.in.Set[i]), Revoked(d.in.Revoked[i])
		var ok bool
		if b.Left, ok = duration(d.in.Left[i]); !ok || b.Left == 0 {
			return damaged("binding %d is out of bounds", i)
		}
		n := d.out.Sets[b.Set].Layout.Len()
		b.Key, _ = set.KeyOf(keys[:n]) // the key of a layout is never too long
		keys = keys[n:]
		n = int(d.in.Reasons[i])
		b.Reasons, reasons = reasons[:n:n], reasons[n:]
	}
	return nil
}

func (d *decoder) reason(i int, r *Reason) bool {
	in := &d.in
	for _, field := range []struct {
		at   *string
		word uint32
	}{
		{&r.Rule, in.Rule[i]}, {&r.Name, in.Name[i]}, {&r.Chain, in.Chain[i]},
	} {
		if int64(field.word) >= int64(len(d.words)) {
			return false
		}
		*field.at = d.words[field.word]
	}
	if int64(in.Client[i]) >= int64(len(in.Clients)) || in.Origin[i] >= byte(rule.Origins) {
		return false
	}
	r.Client, r.Origin = in.Clients[in.Client[i]], rule.Origin(in.Origin[i])
	for _, field := range []struct {
		at *time.Duration
		ms uint64
	}{
		{&r.First, in.First[i]}, {&r.Last, in.Last[i]}, {&r.Left, in.Until[i]},
	} {
		var ok bool
		if *field.at, ok = duration(field.ms); !ok {
			return false
		}
	}
	return r.Left > 0
}

// duration is the reverse of millis. It reports false for what is none.
func duration(ms uint64) (time.Duration, bool) {
	if ms > math.MaxInt64/uint64(time.Millisecond) {
		return 0, false
	}
	return time.Duration(ms) * time.Millisecond, true
}
