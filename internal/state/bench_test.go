package state

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/namewall/namewall/internal/set"
)

// large is a snapshot of a busy gateway: n bindings with a reason each, under
// names with four addresses, each name with a chain of its own.
func large(n int) Snapshot {
	layout := set.Layout{Proto: true, Port: true}
	s := Snapshot{Sets: []Set{{ID: set.ID{Family: set.Inet, Table: "filter", Name: "web4"}, Layout: layout}}}
	service := set.Service{Proto: 6, Port: 443}
	for i := range n {
		name := fmt.Sprintf("host%d.example.com.", i/4)
		addr := netip.AddrFrom4([4]byte{198, 18 + byte(i>>16), byte(i >> 8), byte(i)})
		left := time.Hour + time.Duration(i%3600)*time.Second + 123*time.Millisecond
		s.Bindings = append(s.Bindings, Binding{
			Key:  layout.Key(netip.Addr{}, addr, service),
			Left: left,
			Reasons: []Reason{{
				Rule: "web", Name: name, Chain: fmt.Sprintf("%s > edge%d.example.net.", name, i/4),
				Client: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}),
				First:  2 * left, Last: left, Left: left,
			}},
		})
	}
	return s
}

func BenchmarkEncode(b *testing.B) {
	s := large(100_000)
	b.ReportAllocs()
	for b.Loop() {
		payload, err := encode(&s)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(payload))/100_000, "bytes/binding")
	}
}

func BenchmarkDecode(b *testing.B) {
	s := large(100_000)
	payload, err := encode(&s)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decode(payload); err != nil {
			b.Fatal(err)
		}
	}
}
