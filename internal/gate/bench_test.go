package gate

import (
	"context"
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/namewall/namewall/internal/answer"
	"github.com/namewall/namewall/internal/nft"
	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

// forgetful is a fake kernel that takes every commit and keeps nothing of it, so
// that what is measured is the gate; an audit finds whatever it asks for.
type forgetful struct{ *fakeKernel }

func (k forgetful) Open(events func(nft.Event)) (Session, error) {
	s, err := k.fakeKernel.Open(events)
	return forgetfulSession{s}, err
}

type forgetfulSession struct{ Session }

func (forgetfulSession) Commit([]nft.Op) error { return nil }

func (forgetfulSession) Get(_ nft.Set, keys ...set.Key) ([]nft.Element, error) {
	found := make([]nft.Element, len(keys))
	for i, key := range keys {
		found[i] = nft.Element{Key: key, Timeout: 24 * time.Hour, Expires: 24 * time.Hour}
	}
	return found, nil
}

// benchGate is a gate on a forgetful kernel, outside of synctest, with its set read.
func benchGate(tb testing.TB, change ...func(*rule.Rule)) *Block {
	k := newFakeKernel()
	k.declare(web4, v4, 0)
	g := New(Options{Kernel: forgetful{k}})
	tb.Cleanup(g.Close)
	r := newRule("web", []set.ID{web4}, change...)
	i := g.Stage([]*rule.Rule{r}, rule.Site{})
	i.Start()
	for deadline := time.Now().Add(10 * time.Second); len(g.Problems()) > 0; {
		if time.Now().After(deadline) {
			tb.Fatal(g.Problems())
		}
		st := g.known()[0].state.Load()
		if st.err != nil {
			<-st.changed
		}
	}
	return i.Block([]*rule.Rule{r})
}

func (b *Block) askTwo(q *Question, name string, n int) {
	q.Name, q.Client = name, client
	if !b.Concerns(q) {
		return
	}
	first := netip.AddrFrom4([4]byte{198, 51, 100, byte(2 * n)})
	q.Walk.Addrs = append(q.Walk.Addrs[:0], answer.Addr{Addr: first, TTL: time.Minute}, answer.Addr{Addr: first.Next(), TTL: time.Minute})
	b.Admit(context.Background(), q)
}

func TestCoveredAllocatesNothing(t *testing.T) {
	b := benchGate(t)
	q := new(Question)
	b.askTwo(q, "www.example.com.", 0)
	if n := testing.AllocsPerRun(1000, func() {
		q.Reset()
		b.askTwo(q, "www.example.com.", 0)
	}); n != 0 {
		t.Errorf("%v allocations for a covered answer", n)
	}
	if n := testing.AllocsPerRun(1000, func() {
		q.Reset()
		b.askTwo(q, "www.example.org.", 0)
	}); n != 0 {
		t.Errorf("%v allocations for a name that no rule is about", n)
	}
}

// On a CDN more names share an address than a binding has reasons.
func TestCoveredAllocatesNothingOnACDN(t *testing.T) {
	b := benchGate(t)
	var names [maxReasons + 1]string
	q := new(Question)
	ask := func(name string) {
		q.Reset()
		q.Name, q.Client = name, client
		b.Concerns(q)
		q.Walk.Names = append(q.Walk.Names[:0], name, "edge.cdn.test.")
		q.Walk.Links = append(q.Walk.Links[:0], answer.Link{Owner: name, Target: "edge.cdn.test.", Next: "edge.cdn.test.", TTL: time.Hour})
		q.Walk.Addrs = append(q.Walk.Addrs[:0], answer.Addr{Addr: addr1, TTL: time.Minute})
		b.Admit(context.Background(), q)
	}
	for i := range names {
		names[i] = fmt.Sprintf("h%d.example.com.", i)
		ask(names[i])
	}
	if n := testing.AllocsPerRun(100, func() {
		for _, name := range names {
			ask(name)
		}
	}); n != 0 {
		t.Errorf("%v allocations for %d covered answers", n, len(names))
	}
	if q.Fates[0] != Promised {
		t.Errorf("%v", q.Fates[0])
	}
}

func BenchmarkCovered(b *testing.B) {
	block := benchGate(b)
	names := make([]string, 64)
	for i := range names {
		names[i] = fmt.Sprintf("h%d.example.com.", i)
		block.askTwo(new(Question), names[i], i)
	}
	for _, p := range []int{1, 2, 4, 8, 16, 32, 64} {
		b.Run(fmt.Sprintf("goroutines=%d", p), func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(p)
			b.RunParallel(func(pb *testing.PB) {
				q := new(Question)
				for i := 0; pb.Next(); i++ {
					q.Reset()
					block.askTwo(q, names[i%len(names)], i%len(names))
				}
			})
		})
	}
}

// BenchmarkFresh is an answer with two addresses that are new each time, by who
// asks at the same time; commits cost nothing. Names come back, addresses don't.
func BenchmarkFresh(b *testing.B) {
	names := make([]string, 100_000)
	for i := range names {
		names[i] = fmt.Sprintf("h%d.example.com.", i)
	}
	for _, p := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("goroutines=%d", p), func(b *testing.B) {
			block := benchGate(b, manyRule)
			var next atomic.Uint32
			b.ReportAllocs()
			b.SetParallelism(p)
			b.RunParallel(func(pb *testing.PB) {
				q := new(Question)
				for pb.Next() {
					n := next.Add(2)
					q.Reset()
					q.Name, q.Client = names[int(n/2)%len(names)], client
					block.Concerns(q)
					first := netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
					q.Walk.Addrs = append(q.Walk.Addrs[:0], answer.Addr{Addr: first, TTL: time.Minute}, answer.Addr{Addr: first.Next(), TTL: time.Minute})
					block.Admit(context.Background(), q)
				}
			})
		})
	}
}

func BenchmarkMiss(b *testing.B) {
	block := benchGate(b)
	q := new(Question)
	b.ReportAllocs()
	for b.Loop() {
		q.Reset()
		block.askTwo(q, "www.example.org.", 0)
	}
}
