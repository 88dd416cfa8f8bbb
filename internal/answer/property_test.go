package answer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"pgregory.net/rapid"
)

// Few names, so that records meet.
var someNames = rapid.SampledFrom([]string{
	"a.", "b.", "B.", "x.a.", "X.a.", "x.b.", "y.x.a.", "y.x.b.", "c.", "x.c.", ".",
})

var someTTL = rapid.OneOf(
	rapid.SampledFrom([]uint32{0, 1, 60, 300, 1<<31 - 1, 1 << 31, 1<<32 - 1}), rapid.Uint32Range(55, 65),
)

var (
	some4 = rapid.Map(rapid.IntRange(1, 4), func(n int) string { return fmt.Sprintf("192.0.2.%d", n) })
	some6 = rapid.Map(rapid.IntRange(1, 4), func(n int) string { return fmt.Sprintf("2001:db8::%d", n) })
)

// someRecord draws a record of the kinds that matter here.
var someRecord = rapid.Custom(func(t *rapid.T) dns.RR {
	class := rapid.SampledFrom([]string{"IN", "IN", "IN", "IN", "IN", "CH"}).Draw(t, "class")
	rdata := rapid.Custom(func(t *rapid.T) string {
		switch rapid.IntRange(0, 13).Draw(t, "kind") {
		case 0, 1, 2:
			return "CNAME " + someNames.Draw(t, "target")
		case 3:
			return "DNAME " + someNames.Draw(t, "target")
		case 4, 5:
			return "A " + some4.Draw(t, "address")
		case 6:
			return "AAAA " + some6.Draw(t, "address")
		case 7, 8, 9:
			return someService(t)
		case 10, 11:
			covered := rapid.SampledFrom([]string{"A", "AAAA", "SVCB", "HTTPS", "CNAME", "DNAME", "TXT"}).Draw(t, "covered")
			return "RRSIG " + covered + " " + sigTail
		case 12:
			return "NS " + someNames.Draw(t, "target")
		default:
			return "TXT x"
		}
	}).Draw(t, "data")
	line := fmt.Sprintf("%s %d %s %s", someNames.Draw(t, "owner"), someTTL.Draw(t, "ttl"), class, rdata)
	rr, err := dns.NewRR(line)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return rr
})

func someService(t *rapid.T) string {
	line := rapid.SampledFrom([]string{"HTTPS", "SVCB"}).Draw(t, "type") +
		rapid.SampledFrom([]string{" 0 ", " 1 ", " 2 "}).Draw(t, "priority") + someNames.Draw(t, "target")
	line += rapid.SampledFrom([]string{"", " mandatory=ipv4hint", " mandatory=alpn,ipv6hint", " mandatory=alpn"}).Draw(t, "mandatory")
	line += rapid.SampledFrom([]string{"", " alpn=h2"}).Draw(t, "alpn")
	if rapid.Bool().Draw(t, "four") {
		line += " ipv4hint=" + some4.Draw(t, "hint") + "," + some4.Draw(t, "hint")
	}
	if rapid.Bool().Draw(t, "six") {
		line += " ipv6hint=" + some6.Draw(t, "hint")
	}
	return line
}

// someMessage draws an answer.
var someMessage = rapid.Custom(func(t *rapid.T) *dns.Msg {
	m := new(dns.Msg)
	qtype := rapid.SampledFrom([]uint16{
		dns.TypeA, dns.TypeA, dns.TypeAAAA, dns.TypeHTTPS, dns.TypeSVCB, dns.TypeANY,
		dns.TypeTXT, dns.TypeCNAME, dns.TypeDNAME, dns.TypeRRSIG,
	}).Draw(t, "qtype")
	m.SetQuestion(someNames.Draw(t, "qname"), qtype)
	m.Response = true
	m.Rcode = rapid.SampledFrom([]int{0, 0, 0, 2, 3}).Draw(t, "rcode")
	m.AuthenticatedData = rapid.Bool().Draw(t, "ad")
	m.Truncated = rapid.Bool().Draw(t, "tc")
	m.Compress = rapid.Bool().Draw(t, "compress")
	m.Answer = rapid.SliceOfN(someRecord, 0, 8).Draw(t, "answer")
	m.Ns = rapid.SliceOfN(someRecord, 0, 2).Draw(t, "authority")
	m.Extra = rapid.SliceOfN(someRecord, 0, 2).Draw(t, "additional")
	if rapid.Bool().Draw(t, "opt") {
		opt := &dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT}}
		opt.SetDo(rapid.Bool().Draw(t, "do"))
		opt.Option = append(opt.Option, &dns.EDNS0_EDE{InfoCode: dns.ExtendedErrorCodeStaleAnswer})
		m.Extra = append(m.Extra, opt)
		if rapid.Bool().Draw(t, "extended rcode") {
			m.Rcode = dns.RcodeBadCookie
		}
	}
	if rapid.Bool().Draw(t, "tsig") {
		m.SetTsig("key.", dns.HmacSHA256, 300, 1)
	}
	return m
})

var someCut = rapid.Custom(func(t *rapid.T) Cut {
	cut := Cut{
		Keep: rapid.SliceOfN(rapid.Bool(), 0, 8).Draw(t, "keep"),
		Max:  rapid.SampledFrom([]time.Duration{0, 0, time.Second, time.Minute, 24 * time.Hour}).Draw(t, "max"),
	}
	cut.Client.OPT = rapid.Bool().Draw(t, "client's opt")
	cut.Client.DO = cut.Client.OPT && rapid.Bool().Draw(t, "client's do")
	if rapid.Bool().Draw(t, "ede") {
		cut.EDE = Filtered("rule web: no")
	}
	return cut
})

func TestReadAgreesWithOracle(t *testing.T) {
	var w Walk
	rapid.Check(t, func(t *rapid.T) {
		m := someMessage.Draw(t, "message")
		checkRead(t, &w, m, m.Question[0].Name, m.Question[0].Qtype)
	})
}

func TestShapeAgreesWithOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := someMessage.Draw(t, "message")
		checkShape(t, m, m.Question[0].Name, m.Question[0].Qtype, someCut.Draw(t, "cut"))
	})
}

// The order of the records changes nothing but the order of what is found.
func TestOrderDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := someMessage.Draw(t, "message")
		q := m.Question[0]
		var first, second Walk
		first.Read(m, q.Name, q.Qtype)
		other := m.Copy()
		other.Answer = rapid.Permutation(other.Answer).Draw(t, "order")
		second.Read(other, q.Name, q.Qtype)
		for _, w := range []*Walk{&first, &second} {
			sortWalk(w)
		}
		if got, want := describe(&second), describe(&first); got != want {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
	})
}

func sortWalk(w *Walk) {
	slices.SortFunc(w.Addrs, func(a, b Addr) int {
		return cmp.Or(a.Addr.Compare(b.Addr), cmp.Compare(a.TTL, b.TTL), strings.Compare(fmt.Sprint(a.Hint), fmt.Sprint(b.Hint)))
	})
	slices.SortFunc(w.Links, func(a, b Link) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Owner, b.Owner),
			cmp.Compare(a.Target, b.Target), cmp.Compare(a.TTL, b.TTL))
	})
}
