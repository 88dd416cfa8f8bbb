package answer

import (
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// many makes n records from a format.
func many(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format+"\n", i/250, i%250)
	}
	return b.String()
}

// longName differs from others of its kind only in its end, and in case.
func longName(i int) string {
	return strings.Repeat(strings.Repeat("x", 63)+".", 3) + fmt.Sprintf("%s%02d.", strings.Repeat("x", 50), i)
}

// hostile is a chain of the longest names, with as many other aliases as there
// may be, that each step has to compare from the first byte to the last; and
// thousands of addresses alike.
func hostile() string {
	var b strings.Builder
	for i := range maxLinks {
		fmt.Fprintf(&b, "%s 60 CNAME %s\n", longName(i), longName(i+1))
	}
	for range maxAliases - maxLinks {
		fmt.Fprintf(&b, "%s 60 CNAME a.\n", strings.ToUpper(longName(99)))
	}
	for range 3500 {
		fmt.Fprintf(&b, "%s 60 A 192.0.2.1\n", strings.ToUpper(longName(maxLinks)))
	}
	return b.String()
}

var benchmarks = []struct{ name, question, answer string }{
	{"two addresses", "www.example.com. A",
		"www.example.com. 60 A 192.0.2.1\nwww.example.com. 60 A 192.0.2.2"},
	{"chain of three", "www.example.com. A",
		"www.example.com. 60 CNAME www.example.com.edge.example.net.\n" +
			"www.example.com.edge.example.net. 60 CNAME e1234.example.net.\n" +
			"e1234.example.net. 60 CNAME e1234.dsc.example.org.\n" +
			"e1234.dsc.example.org. 20 A 192.0.2.1\ne1234.dsc.example.org. 20 A 192.0.2.2"},
	{"https with hints", "www.example.com. HTTPS",
		"www.example.com. 60 HTTPS 1 . alpn=h3,h2 ipv4hint=192.0.2.1,192.0.2.2 ipv6hint=2001:db8::1,2001:db8::2"},
	{"signed", "www.example.com. A",
		"www.example.com. 60 A 192.0.2.1\nwww.example.com. 60 A 192.0.2.2\nwww.example.com. 60 RRSIG A " + sigTail},
	{"5000 addresses", "a. A", many(5000, "a. 60 A 198.18.%d.%d")},
	{"5000 strays", "a. A", many(5000, "b. 60 A 198.18.%d.%d")},
	{"5000 aliases", "a. A", many(5000, "n%d-%d. 60 CNAME b.")},
	{"hostile", longName(0) + " A", hostile()},
}

func BenchmarkRead(b *testing.B) {
	for _, bench := range benchmarks {
		b.Run(bench.name, func(b *testing.B) {
			m := &dns.Msg{Answer: records(b, bench.answer)}
			name, qtype := question(b, bench.question)
			var w Walk
			w.Read(m, name, qtype)
			b.ReportAllocs()
			for b.Loop() {
				w.Read(m, name, qtype)
			}
		})
	}
}

// BenchmarkUnpack is what the same answers cost before anybody reads them.
func BenchmarkUnpack(b *testing.B) {
	for _, bench := range benchmarks {
		b.Run(bench.name, func(b *testing.B) {
			m := &dns.Msg{Answer: records(b, bench.answer)}
			m.Compress = true
			packed, err := m.Pack()
			if err != nil {
				b.Skip("larger than a message: ", err)
			}
			for b.Loop() {
				if err := new(dns.Msg).Unpack(packed); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkShape(b *testing.B) {
	for _, bench := range benchmarks {
		for _, cut := range []struct {
			name string
			keep func(i int) bool
		}{
			{"as it is", func(int) bool { return true }},
			{"half", func(i int) bool { return i%2 == 0 }},
		} {
			b.Run(bench.name+"/"+cut.name, func(b *testing.B) {
				m := &dns.Msg{Answer: records(b, bench.answer)}
				name, qtype := question(b, bench.question)
				var w Walk
				w.Read(m, name, qtype)
				keep := make([]bool, len(w.Addrs))
				for i := range keep {
					keep[i] = cut.keep(i)
				}
				b.ReportAllocs()
				for b.Loop() {
					w.Shape(m, Cut{Keep: keep})
				}
			})
		}
	}
}

// An answer that is like others before it is read without allocation.
func TestReadAllocatesNothing(t *testing.T) {
	for _, bench := range benchmarks {
		m := &dns.Msg{Answer: records(t, bench.answer)}
		name, qtype := question(t, bench.question)
		var w Walk
		if n := testing.AllocsPerRun(10, func() { w.Read(m, name, qtype) }); n != 0 {
			t.Errorf("%s: %v allocations", bench.name, n)
		}
	}
}
