package state

import (
	"math"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/namewall/namewall/internal/set"
)

// instant is a moment of a boot in which the wall clock is right.
func instant(boot byte, up time.Duration) Instant {
	return Instant{
		Wall: time.Date(2026, time.March, int(boot), 0, 0, 0, 0, time.UTC).Add(up),
		Boot: BootID{15: boot},
		Up:   up,
	}
}

// fakeClock stands still until it is set.
type fakeClock struct{ now Instant }

func (c *fakeClock) Now() Instant { return c.now }

func (c *fakeClock) advance(d time.Duration) {
	c.now.Wall = c.now.Wall.Add(d)
	c.now.Up += d
}

var web4 = Set{ID: set.ID{Family: set.Inet, Table: "filter", Name: "web4"}}

// small is a snapshot of two bindings for which rule is the reason. They end
// after an hour and after two.
func small(rule string) Snapshot {
	s := Snapshot{Sets: []Set{web4}, Rules: []Rule{{rule, "keep"}}}
	for i := range byte(2) {
		life := time.Duration(i+1) * time.Hour
		s.Bindings = append(s.Bindings, Binding{
			Key:  web4.Layout.Key(netip.Addr{}, netip.AddrFrom4([4]byte{198, 51, 100, i}), set.Service{}),
			Left: life,
			Reasons: []Reason{{
				Rule: rule, Name: "www.example.com.", Client: netip.MustParseAddr("192.0.2.9"),
				First: time.Minute, Last: time.Second, Left: life,
			}},
		})
	}
	return s
}

// ruleOf is the rule of a small snapshot.
func ruleOf(t testing.TB, s Snapshot) string {
	t.Helper()
	if len(s.Bindings) == 0 || len(s.Bindings[0].Reasons) == 0 {
		t.Fatalf("nothing is left of the snapshot: %v", s)
	}
	return s.Bindings[0].Reasons[0].Rule
}

// expect is what has to be there of s after a save and a load with passed in
// between: an independent account of encode, decode and age.
func expect(s Snapshot, passed time.Duration) Snapshot {
	e := Snapshot{Sets: s.Sets, Rules: s.Rules, Intervals: s.Intervals}
	ms := func(d time.Duration) time.Duration { return max(0, d).Truncate(time.Millisecond) }
	ago := func(d time.Duration) time.Duration {
		if d = ms(d); d > math.MaxInt64-passed {
			return math.MaxInt64
		}
		return d + passed
	}
	for _, b := range s.Bindings {
		reasons := b.Reasons
		b.Reasons = nil
		for _, r := range reasons {
			r.First, r.Last = ago(r.First), ago(r.Last)
			if r.Left = ms(r.Left) - passed; r.Left > 0 {
				b.Reasons = append(b.Reasons, r)
			}
		}
		if b.Left = ms(b.Left) - passed; b.Left > 0 {
			e.Bindings = append(e.Bindings, b)
		}
	}
	return e
}

// diff tells what differs in the content of two snapshots.
func diff(want, got Snapshot) string {
	return cmp.Diff(want, got,
		cmpopts.IgnoreFields(Snapshot{}, "Taken"),
		cmpopts.EquateEmpty(),
		cmpopts.EquateComparable(set.Key{}, netip.Addr{}))
}

// mustEncode is encode of a snapshot that can be.
func mustEncode(t testing.TB, s Snapshot) []byte {
	t.Helper()
	payload, err := encode(&s)
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// sealed is a payload with the header that it would have in a file.
func sealed(payload []byte, taken Instant, serial uint64) []byte {
	h := newHeader(payload, taken, serial)
	return slices.Concat(h.bytes(), payload)
}
