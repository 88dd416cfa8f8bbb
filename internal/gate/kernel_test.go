//go:build linux

package gate

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/namewall/namewall/internal/nft"
	"github.com/namewall/namewall/internal/nstest"
	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

// ruleset declares the sets of the tests on the real kernel. Loading it again
// replaces them in one transaction.
const ruleset = `
flush ruleset
table inet filter {
	set web4 { type ipv4_addr; flags timeout; }
	set web6 { type ipv6_addr; flags timeout; }
	set other4 { type ipv4_addr; flags timeout; }
}`

// other4 is fed by no rule.
var other4 = set.ID{Family: set.Inet, Table: "filter", Name: "other4"}

// realBench is a gate on the kernel, in a network namespace of the test's own.
type realBench struct {
	*bench
	*nstest.Namespace
	t      testing.TB
	kernel Kernel
	reader *nft.Reader
}

// startReal makes a gate whose sets have been read, after prepare, if there is
// any. It ends with the test.
func startReal(t testing.TB, prepare func(*realBench), rules ...*rule.Rule) *realBench {
	t.Helper()
	r := &realBench{t: t, Namespace: nstest.New(t), bench: &bench{seen: new(counter)}}
	r.Nft(ruleset)
	o := nft.Options{NetNS: r.FD()}
	r.kernel = &NFT{Options: o}
	var err error
	if r.reader, err = nft.OpenReader(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.reader.Close() })
	if prepare != nil {
		prepare(r)
	}
	r.run(rules...)
	t.Cleanup(func() { r.gate.Close() })
	return r
}

// run makes a gate whose sets have been read.
func (r *realBench) run(rules ...*rule.Rule) {
	r.t.Helper()
	r.gate = New(Options{Kernel: r.kernel, Observer: r.seen})
	r.activate(rules...)
	await(r.t, "the first reading of the sets", func() bool { return len(r.gate.Problems()) == 0 })
}

// life is what is left of an element; 0 if it isn't there.
func (r *realBench) life(id set.ID, key set.Key) time.Duration {
	r.t.Helper()
	s, err := r.reader.Set(id)
	if err != nil {
		r.t.Fatal(err)
	}
	found, err := r.reader.Get(s, key)
	if err != nil {
		r.t.Fatal(err)
	}
	if len(found) == 0 {
		return 0
	}
	return found[0].Expires
}

// Two rules that want one key for different times name it once in a commit, for
// the longer: named twice it would be refused.
func TestRulesShareAKey(t *testing.T) {
	wait := make(chan struct{})
	release := sync.OnceFunc(func() { close(wait) })
	defer release()
	slow := func(r *realBench) { r.kernel = hookedKernel{Kernel: r.kernel, commit: func() { <-wait }} }
	r := startReal(t, slow,
		newRule("short", []set.ID{web4}, func(r *rule.Rule) {
			r.Lifetime = rule.Lifetime{Min: 5 * time.Minute, Max: 10 * time.Minute, Grace: time.Minute}
		}),
		newRule("long", []set.ID{web4}))
	done := make(chan *Question, 2)
	for i, a := range []netip.Addr{addr2, addr1} { // the first keeps the writer busy
		go func() { done <- r.ask(fmt.Sprintf("h%d.example.com.", i), 2*time.Hour, a) }()
		await(t, "an answer that waits", func() bool { return r.gate.Stats().Held == i+1 })
	}
	release()
	for range 2 {
		if q := <-done; q.Fates[0] != Promised {
			t.Errorf("%v %v", q.Fates[0], q.Causes)
		}
	}
	if left := r.life(web4, key4(addr1)); left < 2*time.Hour {
		t.Errorf("%v in the kernel", left)
	}
}

// A set that a reload of the ruleset replaced is filled again, although it has
// the handle of the old one: the kernel counts them anew in each table.
func TestReloadedRulesetIsFilledAgain(t *testing.T) {
	r := startReal(t, nil, newRule("web", []set.ID{web4}))
	r.ask("www.example.com.", time.Minute, addr1)
	r.Nft(ruleset)
	await(t, "the element", func() bool { return r.life(web4, key4(addr1)) > time.Minute })
	if q := r.ask("www.example.com.", time.Minute, addr1); q.Fates[0] != Promised {
		t.Errorf("%v %v", q.Fates[0], q.Causes)
	}
}

// A set that takes the kernel many datagrams to list becomes ready although
// another program changes something else in the ruleset during every reading.
func TestBigSetInABusyRuleset(t *testing.T) {
	const elements = 5000
	prepare := func(r *realBench) {
		var s strings.Builder
		s.WriteString("add element inet filter web4 {")
		for i := range elements {
			fmt.Fprintf(&s, "198.18.%d.%d timeout 10h,", i>>8, i&255)
		}
		s.WriteString("}")
		r.Nft(s.String())
		w, err := nft.OpenWriter(nft.Options{NetNS: r.FD()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = w.Close() })
		r.kernel = hookedKernel{Kernel: r.kernel, element: func(n int) error {
			if n%1000 != 0 {
				return nil
			}
			return w.Commit([]nft.Op{{Kind: nft.Refresh, Set: other4, Key: key4(addr2), Timeout: time.Hour}})
		}}
	}
	r := startReal(t, prepare, newRule("web", []set.ID{web4}))
	if n := r.gate.Stats().Bindings; n != elements {
		t.Errorf("%d elements of %d are known", n, elements)
	}
	if q := r.ask("www.example.com.", time.Minute, addr1); q.Fates[0] != Promised {
		t.Errorf("%v %v", q.Fates[0], q.Causes)
	}
}

// hookedKernel has something done in the middle of what its sessions do.
type hookedKernel struct {
	Kernel
	commit  func()            // before each commit, if not nil
	element func(n int) error // after the n-th element of a reading, if not nil
}

func (k hookedKernel) Open(events func(nft.Event)) (Session, error) {
	s, err := k.Kernel.Open(events)
	return hookedSession{s, k}, err
}

type hookedSession struct {
	Session
	hooks hookedKernel
}

func (s hookedSession) Commit(ops []nft.Op) error {
	if s.hooks.commit != nil {
		s.hooks.commit()
	}
	return s.Session.Commit(ops)
}

func (s hookedSession) Elements(of nft.Set, yield func(nft.Element) error) error {
	n := 0
	return s.Session.Elements(of, func(e nft.Element) error {
		if err := yield(e); err != nil || s.hooks.element == nil {
			return err
		}
		n++
		return s.hooks.element(n)
	})
}
