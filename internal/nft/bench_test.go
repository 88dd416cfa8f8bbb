//go:build linux

package nft

import (
	"fmt"
	"testing"
	"time"

	"github.com/namewall/namewall/internal/set"
)

func BenchmarkEncode(b *testing.B) {
	for _, layout := range []string{"ipv4_addr", "ipv6_addr . ipv6_addr . inet_proto . inet_service"} {
		l, err := set.ParseLayout(layout)
		if err != nil {
			b.Fatal(err)
		}
		for _, n := range []int{1, 100} {
			b.Run(fmt.Sprintf("%s/%d", layout, n), func(b *testing.B) {
				w := (&fakeKernel{}).writer(Features{Update: true})
				key, _ := set.KeyOf(make([]byte, l.Len()))
				ops := make([]Op, n)
				for i := range ops {
					ops[i] = Op{Kind: Refresh, Set: web4, Key: key, Timeout: time.Hour}
				}
				b.ReportAllocs()
				for b.Loop() {
					w.encode(ops, w.plan(ops))
				}
			})
		}
	}
}

func BenchmarkCommit(b *testing.B) {
	for _, features := range []struct {
		name string
		Features
	}{
		{"probed", Features{Update: true, Destroy: true}},
		{"before 6.12", Features{}},
	} {
		for _, kind := range []Kind{Add, Refresh} {
			for _, n := range []int{1, 10, 100, 1000} {
				b.Run(fmt.Sprintf("%s/%s/%d", features.name, kind, n), func(b *testing.B) {
					k := newKernel(b)
					k.Nft(declared)
					w := k.writer(features.Features)
					ops := make([]Op, n)
					next := 0
					fill := func() {
						for i := range ops {
							ops[i] = Op{Kind: kind, Set: web6, Key: key6(next), Timeout: time.Hour}
							next++
						}
					}
					fill()
					k.commit(w, ops...)
					b.ReportAllocs()
					for b.Loop() {
						if kind == Add {
							fill() // addresses that are not there yet
						}
						if err := w.Commit(ops); err != nil || ops[0].Err != nil {
							b.Fatal(err, ops[0].Err)
						}
					}
				})
			}
		}
	}
}

// BenchmarkRefused is a commit with an operation that is refused: the price of
// an RCU grace period.
func BenchmarkRefused(b *testing.B) {
	k := newKernel(b)
	k.Nft(declared)
	w := k.writer()
	ops := []Op{refresh(1, time.Hour), refresh(2, time.Hour)}
	ops[0].Set.Name = "none"
	for b.Loop() {
		if err := w.Commit(ops); err != nil || ops[0].Err == nil || ops[1].Err != nil {
			b.Fatal(err, ops)
		}
	}
}

func BenchmarkElements(b *testing.B) {
	for _, n := range []int{1000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			k := newKernel(b)
			k.Nft(declared)
			k.fill(k.writer(), n)
			r := k.reader()
			s := k.settled(r, n)
			b.ReportAllocs()
			for b.Loop() {
				if err := r.Elements(s, func(Element) error { return nil }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkGet(b *testing.B) {
	k := newKernel(b)
	k.Nft(declared)
	k.fill(k.writer(), 1000)
	r := k.reader()
	for _, n := range []int{1, 20} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var keys []set.Key
			for i := range n {
				keys = append(keys, key4(i))
			}
			for b.Loop() {
				if found, err := r.Get(Set{ID: web4}, keys...); err != nil || len(found) != n {
					b.Fatal(found, err)
				}
			}
		})
	}
}

// BenchmarkCommitWatched is a commit while a Watcher ignores it.
func BenchmarkCommitWatched(b *testing.B) {
	k := newKernel(b)
	k.Nft(declared)
	w := k.writer()
	k.watch(w.Portid())
	ops := []Op{refresh(1, time.Hour)}
	b.ReportAllocs()
	for b.Loop() {
		if err := w.Commit(ops); err != nil {
			b.Fatal(err)
		}
	}
}
