//go:build linux

package gate

import (
	"fmt"
	"testing"
	"time"

	"github.com/namewall/namewall/internal/nft"
	"github.com/namewall/namewall/internal/set"
)

// bothWays runs a test with lives extended as the running kernel allows, and as
// kernels before 6.12 need it, by putting another element in the old one's place:
// but for short tests, which run on such a kernel, too (integration/kernels). The
// test begins with what it is given to prepare.
func bothWays(t *testing.T, test func(t *testing.T, prepare func(*realBench))) {
	t.Run("probed", func(t *testing.T) { test(t, func(*realBench) {}) })
	if testing.Short() {
		return
	}
	t.Run("before 6.12", func(t *testing.T) {
		test(t, func(r *realBench) {
			k := &NFT{Options: nft.Options{NetNS: r.FD()}}
			k.features.Store(new(nft.Features))
			r.kernel = k
		})
	})
}

// element is an element as the kernel has it, if it has it and its set.
func (r *realBench) element(id set.ID, key set.Key) (e nft.Element, ok bool) {
	found, err := r.reader.Get(nft.Set{ID: id}, key)
	if err != nil || len(found) == 0 {
		return e, false
	}
	return found[0], true
}

// Whatever others do to a set, it soon holds again what was promised, for as long
// as was promised. What they put in is theirs.
func TestHealOnTheKernel(t *testing.T) {
	const (
		addresses = 20
		declared  = "table inet filter {\n set web4 { type ipv4_addr; flags timeout; }\n set other4 { type ipv4_addr; flags timeout; }\n}"
		own       = "\nadd element inet filter web4 { 203.0.113.1 }\nadd element inet filter other4 { 203.0.113.1 timeout 10h }"
	)
	bothWays(t, func(t *testing.T, prepare func(*realBench)) {
		r := startReal(t, prepare, newRule("web", []set.ID{web4}))
		promised := make([]time.Time, addresses)
		for i := range promised {
			ttl := time.Duration(i) * time.Hour / 2
			promised[i] = time.Now().Add(max(ttl, time.Hour))
			if q := r.ask(fmt.Sprintf("h%d.example.com.", i), ttl, nthAddr(i)); q.Fates[0] != Promised {
				t.Fatalf("%v %v", q.Fates[0], q.Causes)
			}
		}
		for _, test := range []struct {
			name         string
			transactions []string
		}{
			{"elements deleted", []string{"delete element inet filter web4 { 198.51.100.3 }", "delete element inet filter web4 { 198.51.100.4, 198.51.100.5 }"}},
			{"element shortened", []string{"delete element inet filter web4 { 198.51.100.3 }\nadd element inet filter web4 { 198.51.100.3 timeout 20s }"}},
			{"set flushed", []string{"flush set inet filter web4"}},
			{"set deleted", []string{"delete set inet filter web4", declared}},
			{"set of another size", []string{"delete set inet filter web4\nadd set inet filter web4 { type ipv4_addr; flags timeout; size 1000; }"}},
			{"table deleted", []string{"delete table inet filter", declared}},
			{"ruleset replaced", []string{ruleset}},
			{"ruleset replaced in two steps", []string{"flush ruleset", declared}},
			{"rules replaced", []string{"table inet filter\nflush table inet filter\n" + declared}},
		} {
			t.Run(test.name, func(t *testing.T) {
				last := len(test.transactions) - 1
				for _, transaction := range test.transactions[:last] {
					r.Nft(transaction)
				}
				r.Nft(test.transactions[last] + own)
				for i := range promised {
					await(t, nthAddr(i).String(), func() bool {
						e, ok := r.element(web4, key4(nthAddr(i)))
						return ok && e.Expires >= time.Until(promised[i])
					})
					if q := r.ask(fmt.Sprintf("h%d.example.com.", i), time.Minute, nthAddr(i)); q.Fates[0] != Promised {
						t.Errorf("%v: %v %v", nthAddr(i), q.Fates[0], q.Causes)
					}
				}
				if e, ok := r.element(web4, key4(foreign)); !ok || !e.Permanent() {
					t.Errorf("the administrator's element: %+v, %v", e, ok)
				}
				if e, ok := r.element(other4, key4(foreign)); !ok || e.Timeout != 10*time.Hour {
					t.Errorf("the element of another set: %+v, %v", e, ok)
				}
			})
		}
	})
}
