//go:build linux

package nft

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/namewall/namewall/internal/nstest"
	"github.com/namewall/namewall/internal/set"
)

// kernel is nf_tables in a network namespace of the test's own.
type kernel struct {
	*nstest.Namespace
	t testing.TB
}

func newKernel(t testing.TB) *kernel {
	t.Helper()
	return &kernel{nstest.New(t), t}
}

func (k *kernel) options() Options { return Options{NetNS: k.FD()} }

func (k *kernel) writer(f ...Features) *Writer {
	k.t.Helper()
	o := k.options()
	if len(f) > 0 {
		o.Features = &f[0]
	}
	w, err := OpenWriter(o)
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() { _ = w.Close() })
	return w
}

func (k *kernel) reader() *Reader {
	k.t.Helper()
	r, err := OpenReader(k.options())
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() { _ = r.Close() })
	return r
}

// listed is an element as `nft -j list set` shows it, times in seconds.
type listed struct {
	Timeout, Expires int
	Comment          string
	Counter          struct{ Packets int }
}

// list asks nft(8) for a set's elements, by their values as it writes them.
func (k *kernel) list(id set.ID) map[string]listed {
	k.t.Helper()
	elements, ok := k.lists(id.Family, id.Table)[id.Name]
	if !ok {
		k.t.Fatalf("nft lists no %s", id)
	}
	return elements
}

// lists asks for the elements of all sets of a table, by the sets' names: nft(8)
// takes its time to start.
func (k *kernel) lists(family set.Family, table string) map[string]map[string]listed {
	k.t.Helper()
	out := k.Command("", "nft", "-j", "list", "table", family.String(), table)
	var doc struct {
		Nftables []struct {
			Set *struct {
				Name string
				Elem []json.RawMessage
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		k.t.Fatalf("%v in %s", err, out)
	}
	all := make(map[string]map[string]listed)
	for _, object := range doc.Nftables {
		if object.Set == nil {
			continue
		}
		elements := make(map[string]listed)
		all[object.Set.Name] = elements
		for _, raw := range object.Set.Elem {
			var e struct {
				Elem struct {
					Val json.RawMessage
					listed
				}
			}
			if json.Unmarshal(raw, &e) == nil && e.Elem.Val != nil {
				elements[value(e.Elem.Val)] = e.Elem.listed
			} else {
				elements[value(raw)] = listed{}
			}
		}
	}
	return all
}

// value is a key of nft's JSON: an address, or the parts of a concatenation.
func value(raw json.RawMessage) string {
	var word string
	if json.Unmarshal(raw, &word) == nil {
		return word
	}
	var concat struct{ Concat []any }
	_ = json.Unmarshal(raw, &concat)
	var s string
	for i, part := range concat.Concat {
		if i > 0 {
			s += " . "
		}
		s += fmt.Sprint(part)
	}
	return s
}

var (
	web4 = set.ID{Family: set.Inet, Table: "filter", Name: "web4"}
	web6 = set.ID{Family: set.Inet, Table: "filter", Name: "web6"}
)

// declared is the ruleset that most tests start from.
const declared = `table inet filter {
	set web4 { type ipv4_addr; flags timeout; }
	set web6 { type ipv6_addr; flags timeout; }
}`

// key4 is the nth address of 198.18.0.0/15.
func key4(n int) set.Key {
	a := netip.AddrFrom4([4]byte{198, 18 + byte(n>>16&1), byte(n >> 8), byte(n)})
	return set.Layout{}.Key(netip.Addr{}, a, set.Service{})
}

func key6(n int) set.Key {
	b := netip.MustParseAddr("2001:db8::").As16()
	b[13], b[14], b[15] = byte(n>>16), byte(n>>8), byte(n)
	return set.Layout{V6: true}.Key(netip.Addr{}, netip.AddrFrom16(b), set.Service{})
}

func add(n int, d time.Duration) Op { return Op{Kind: Add, Set: web4, Key: key4(n), Timeout: d} }
func refresh(n int, d time.Duration) Op {
	return Op{Kind: Refresh, Set: web4, Key: key4(n), Timeout: d}
}
func del(n int) Op { return Op{Kind: Delete, Set: web4, Key: key4(n)} }

// commit carries out ops, none of which may fail.
func (k *kernel) commit(w *Writer, ops ...Op) []Op {
	k.t.Helper()
	if err := w.Commit(ops); err != nil {
		k.t.Fatal(err)
	}
	for _, op := range ops {
		if op.Err != nil {
			k.t.Fatal(op.Err)
		}
	}
	return ops
}

// lives tells whether nft shows an element with this timeout, of which hardly any
// has passed.
func (e listed) lives(timeout time.Duration) bool {
	return e.Timeout == int(timeout/time.Second) && near(e.Expires, timeout)
}

// near tells whether seconds is d, with room for rounding and a slow machine.
func near(seconds int, d time.Duration) bool {
	off := d - time.Duration(seconds)*time.Second
	return off > -2*time.Second && off < time.Minute
}
