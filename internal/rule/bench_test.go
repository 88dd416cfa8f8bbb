package rule

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"
)

// benchMatcher has n patterns of all kinds, below some common names and below
// names of their own, and a name for each pattern.
func benchMatcher(t interface{ Fatal(...any) }, n int) (m *Matcher, names []string) {
	var line Names
	for i := range n {
		zone := fmt.Sprintf("zone%d.example.com", i%100)
		var pattern, name string
		switch i % 4 {
		case 0:
			pattern = fmt.Sprintf("host%d.%s", i, zone)
			name = pattern
		case 1:
			pattern = fmt.Sprintf("*.host%d.%s", i, zone)
			name = fmt.Sprintf("www.host%d.%s", i, zone)
		case 2:
			pattern = fmt.Sprintf("fe%d-*.%s", i, zone)
			name = fmt.Sprintf("fe%d-eu.%s", i, zone)
		case 3:
			pattern = fmt.Sprintf("*.vendor%d.com", i)
			name = fmt.Sprintf("api.vendor%d.com", i)
		}
		line.Patterns = append(line.Patterns, mustParse(t, pattern))
		names = append(names, name+".")
	}
	except := []Pattern{mustParse(t, "test.example.com")}
	return NewMatcher([]*Rule{{Name: "bench", Names: []Names{line}, Except: except}}), names
}

func BenchmarkMatch(b *testing.B) {
	for _, n := range []int{10, 100_000} {
		m, names := benchMatcher(b, n)
		run := func(kind string, hits int, names ...string) {
			b.Run(fmt.Sprintf("patterns=%d/%s", n, kind), func(b *testing.B) {
				dst := make([]Match, 0, 8)
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					dst = m.Match(dst[:0], names[i%len(names)], netip.Addr{})
				}
				if len(dst) != hits {
					b.Fatalf("%d matches", len(dst))
				}
			})
		}
		run("exact", 1, "host4.zone4.example.com.")
		run("below", 1, "www.host5.zone5.example.com.")
		run("glob", 1, "fe6-eu.zone6.example.com.")
		run("all", 1, names...) // other memory each time
		run("miss", 0, "www.google.com.")
		run("miss-deep", 0, "www.host4.zone4.example.com.")
		run("miss-glob", 0, "cc.zone6.example.com.")
		run("miss-escaped", 0, `a\.b.google.com.`)
	}
}

func BenchmarkNewMatcher(b *testing.B) {
	const n = 100_000
	m, _ := benchMatcher(b, n)
	rules := []*Rule{m.lines[0].of.rule}
	for b.Loop() {
		m = NewMatcher(rules)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/pattern")

	var with, without runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&with)
	runtime.KeepAlive(m)
	m = nil
	runtime.GC()
	runtime.ReadMemStats(&without)
	b.ReportMetric(float64(with.HeapAlloc-without.HeapAlloc)/n, "B/pattern")
}

func BenchmarkJudge(b *testing.B) {
	var long Lines
	for i := range 5000 {
		long.Allow = append(long.Allow, netip.PrefixFrom(netip.AddrFrom4([4]byte{20, byte(i >> 8), byte(i), 0}), 24))
		long.Pass = append(long.Pass, netip.PrefixFrom(netip.AddrFrom16([16]byte{0x24, byte(i >> 8), byte(i)}), 48))
	}
	site := Site{DNS64: []netip.Prefix{netip.MustParsePrefix("2001:db8:64::/96")}}
	for _, lines := range []struct {
		name string
		Lines
	}{{name: "0"}, {"10000", long}} {
		p, err := NewPolicy(lines.Lines, Lines{})
		if err != nil {
			b.Fatal(err)
		}
		for _, address := range []struct{ kind, text string }{
			{"v4", "20.7.7.7"}, {"v4-special", "10.1.1.1"},
			{"v6", "2600:1::1"}, {"v6-special", "fe80::1"},
			{"nat64", "64:ff9b::808:808"}, {"dns64", "2001:db8:64::808:808"},
		} {
			a := netip.MustParseAddr(address.text)
			b.Run("lines="+lines.name+"/"+address.kind, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					p.Judge(a, site)
				}
			})
		}
	}
}

func BenchmarkParsePattern(b *testing.B) {
	for _, s := range []string{"api.example.com", "fe-*.example.com", "bücher.example"} {
		b.Run(s, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParsePattern(s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
