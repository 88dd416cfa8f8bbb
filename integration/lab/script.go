//go:build linux

package lab

import (
	"context"
	"errors"
	"net"
	"sync"

	"github.com/miekg/dns"
)

// Addresses of upstream resolvers in the wide area. The gateway reaches them
// over its own link, not through the forward chain.
const (
	Scripted = "192.0.2.53" // the scripted server
	Real     = "192.0.2.54" // Unbound
)

// listenConfig avoids Multipath TCP, which would be one more thing under test.
var listenConfig = func() net.ListenConfig {
	var c net.ListenConfig
	c.SetMultipathTCP(false)
	return c
}()

// Script is a DNS server that says what a test wants it to say.
type Script struct {
	t       T
	mux     *dns.ServeMux
	records records

	mu    sync.Mutex // guards asked and down
	asked map[dns.Question]int
	down  bool
}

// Answerer makes the answer to a question, or nil for silence.
type Answerer func(q *dns.Msg) *dns.Msg

// Script starts the scripted server, over UDP and TCP.
func (l *Lab) Script() *Script {
	l.t.Helper()
	s := &Script{t: l.t, mux: dns.NewServeMux(), asked: map[dns.Question]int{}}
	s.records.names = map[string][]dns.RR{}
	s.Handle(".", s.records.answer)
	var packets net.PacketConn
	var listener net.Listener
	err := l.Wide.Do(func() (err error) {
		if packets, err = net.ListenPacket("udp", net.JoinHostPort(Scripted, "53")); err != nil {
			return err
		}
		listener, err = listenConfig.Listen(context.Background(), "tcp", net.JoinHostPort(Scripted, "53"))
		return err
	})
	if err != nil {
		l.t.Fatalf("scripted server: %v", err)
	}
	for _, server := range []*dns.Server{{PacketConn: packets, Handler: s}, {Listener: listener, Handler: s}} {
		up := make(chan struct{})
		server.NotifyStartedFunc = func() { close(up) }
		go func() {
			if err := server.ActivateAndServe(); err != nil && !errors.Is(err, net.ErrClosed) {
				l.t.Logf("scripted server: %v", err)
			}
		}()
		<-up
		l.t.Cleanup(func() { _ = server.Shutdown() }) // the namespace ends, too
	}
	return s
}

// Handle gives the names at and below zone to answer. Of several zones the
// closest parent of a name has it; what has none is answered from Records.
func (s *Script) Handle(zone string, answer Answerer) {
	s.mux.HandleFunc(zone, func(w dns.ResponseWriter, q *dns.Msg) {
		m := answer(q)
		if m == nil {
			return
		}
		if size := udpSize(q, w); size > 0 && m.Len() > size {
			m.Truncate(size)
		}
		_ = w.WriteMsg(m) // whoever asked will notice
	})
}

// udpSize is how long the answer may be (RFC 6891 section 6.2.3), 0 for any length.
func udpSize(q *dns.Msg, w dns.ResponseWriter) int {
	if w.RemoteAddr().Network() != "udp" {
		return 0
	}
	if opt := q.IsEdns0(); opt != nil {
		return max(dns.MinMsgSize, int(opt.UDPSize()))
	}
	return dns.MinMsgSize
}

// Records makes the server hold these records, in zone file syntax, instead of
// what it has held for their names. A question gets the records of its name
// and type, and behind a CNAME those of its target. A name that is not held is
// NXDOMAIN.
func (s *Script) Records(records ...string) {
	s.t.Helper()
	s.records.set(RRs(s.t, records...))
}

// SetDown makes the server silent, or lets it answer again.
func (s *Script) SetDown(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
}

// Asked is how often the name was asked for with this type.
func (s *Script) Asked(name string, qtype uint16) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[dns.Question{Name: name, Qtype: qtype, Qclass: dns.ClassINET}]
}

// ServeDNS implements dns.Handler.
func (s *Script) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	s.mu.Lock()
	down := s.down
	if len(q.Question) == 1 {
		s.asked[q.Question[0]]++
	}
	s.mu.Unlock()
	if !down {
		s.mux.ServeDNS(w, q)
	}
}
