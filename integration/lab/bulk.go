//go:build linux

package lab

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// The zones of Bulk. A name in BulkChain leads to its address over two CNAMEs.
const (
	BulkPlain = "plain.bulk.test."
	BulkChain = "chain.bulk.test."
	bulkVia   = "via.bulk.test."
)

// bulkTTLs are the TTLs that names of Bulk have, in turn. The link of a chain
// before the address has another one than the address.
var bulkTTLs = [...]uint32{0, 1, 5, 30, 60, 300, 600, 3600}

// BulkName is name i of a zone of Bulk. Every i below 65 536 has an IPv4 and an
// IPv6 address of its own, the same in both zones.
func BulkName(i int, zone string) string { return fmt.Sprintf("f%d.%s", i, zone) }

// Bulk makes the server answer for more names than one would write down.
func (s *Script) Bulk() {
	s.Handle("bulk.test.", func(q *dns.Msg) *dns.Msg {
		question := q.Question[0]
		label, zone, _ := strings.Cut(question.Name, ".")
		i, err := strconv.Atoi(strings.TrimPrefix(label, "f"))
		if err != nil || i < 0 || i > 1<<16-1 {
			return new(dns.Msg).SetRcode(q, dns.RcodeNameError)
		}
		m := Reply(q)
		name := question.Name
		if zone == BulkChain {
			via := BulkName(i, bulkVia)
			end := BulkName(i, BulkPlain)
			m.Answer = append(m.Answer,
				&dns.CNAME{Hdr: bulkHeader(name, dns.TypeCNAME, i+1), Target: via},
				&dns.CNAME{Hdr: bulkHeader(via, dns.TypeCNAME, i+2), Target: end})
			name = end
		}
		switch question.Qtype {
		case dns.TypeA:
			m.Answer = append(m.Answer, &dns.A{Hdr: bulkHeader(name, dns.TypeA, i), A: nth(wide4.Addr(), i).AsSlice()})
		case dns.TypeAAAA:
			m.Answer = append(m.Answer, &dns.AAAA{Hdr: bulkHeader(name, dns.TypeAAAA, i), AAAA: nth(wide6.Addr(), i).AsSlice()})
		}
		return m
	})
}

func bulkHeader(name string, rrtype uint16, i int) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: rrtype, Class: dns.ClassINET, Ttl: bulkTTLs[i%len(bulkTTLs)]}
}
