//go:build linux

package lab

import (
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// RRs reads records in zone file syntax.
func RRs(t T, records ...string) []dns.RR {
	t.Helper()
	rrs := make([]dns.RR, len(records))
	for i, record := range records {
		rr, err := dns.NewRR(record)
		if err != nil || rr == nil {
			t.Fatalf("record '%s': %v", record, err)
		}
		rrs[i] = rr
	}
	return rrs
}

// Reply is the answer to q with these records.
func Reply(q *dns.Msg, answer ...dns.RR) *dns.Msg {
	m := new(dns.Msg).SetReply(q)
	m.RecursionAvailable = true
	m.Answer = answer
	if opt := q.IsEdns0(); opt != nil {
		m.SetEdns0(dns.DefaultMsgSize, opt.Do())
	}
	return m
}

// records is what a scripted server knows without being told what to say.
type records struct {
	mu    sync.Mutex // guards names
	names map[string][]dns.RR
}

// set replaces what is held for the names that own rrs.
func (r *records) set(rrs []dns.RR) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rr := range rrs {
		delete(r.names, ownerOf(rr))
	}
	for _, rr := range rrs {
		r.names[ownerOf(rr)] = append(r.names[ownerOf(rr)], rr)
	}
}

func ownerOf(rr dns.RR) string { return strings.ToLower(rr.Header().Name) }

// chainMax ends a loop of CNAMEs.
const chainMax = 16

// answer gives the records of the name and type asked for, and behind a CNAME
// those of its target. A name that is not held is NXDOMAIN.
func (r *records) answer(q *dns.Msg) *dns.Msg {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := Reply(q)
	name := strings.ToLower(q.Question[0].Name)
	if r.names[name] == nil {
		m.Rcode = dns.RcodeNameError
	}
	for range chainMax {
		next := ""
		for _, rr := range r.names[name] {
			cname, isCNAME := rr.(*dns.CNAME)
			if isCNAME {
				next = strings.ToLower(cname.Target)
			}
			if isCNAME || rr.Header().Rrtype == q.Question[0].Qtype {
				m.Answer = append(m.Answer, dns.Copy(rr))
			}
		}
		name = next
	}
	return m
}
