package main

import (
	"net"
	"testing"

	"github.com/miekg/dns"
)

// serveRecords starts a DNS server that holds these records and no others, and
// returns its address. Behind a CNAME it gives the records of its target.
func serveRecords(t *testing.T, records ...string) string {
	t.Helper()
	zone := make(map[string][]dns.RR)
	for _, record := range records {
		rr, err := dns.NewRR(record)
		if err != nil {
			t.Fatal(err)
		}
		name := rr.Header().Name
		zone[name] = append(zone[name], rr)
	}
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	up := make(chan struct{})
	server := &dns.Server{PacketConn: packets, NotifyStartedFunc: func() { close(up) }}
	server.Handler = dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		name := q.Question[0].Name
		if zone[name] == nil {
			m.Rcode = dns.RcodeNameError
		}
		for range len(zone) {
			next := ""
			for _, rr := range zone[name] {
				if cname, ok := rr.(*dns.CNAME); ok {
					next = cname.Target
				} else if rr.Header().Rrtype != q.Question[0].Qtype {
					continue
				}
				m.Answer = append(m.Answer, rr)
			}
			if name = next; name == "" {
				break
			}
		}
		_ = w.WriteMsg(m)
	})
	go func() { _ = server.ActivateAndServe() }()
	<-up
	t.Cleanup(func() { _ = server.Shutdown() })
	return packets.LocalAddr().String()
}
