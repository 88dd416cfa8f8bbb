package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// Volume is a client that asks for a name and connects at once to every address
// of the answer, many times over.
type Volume struct {
	Transport Transport
	Cert      *Cert // of the gateway, for TLS and HTTPS
	Workers   int   // that work at the same time
	Port      int   // to connect to, over TCP
	// Question is question i, counted from 0.
	Question func(i int) (name string, qtype uint16)
	// Until ends the run early, if it is not nil, when it is closed.
	Until <-chan struct{}
	// Crowd is how many clients, each from an address of its own, ask question
	// i at the same moment. 0 is one client.
	Crowd int
}

// Outcome is what became of a Volume.
type Outcome struct {
	Tried, Connected int
	Took             time.Duration
	Failures         []error // the first ones
}

// failuresMax is how many failures are worth reading.
const failuresMax = 5

// String is the outcome in a log line.
func (o Outcome) String() string {
	perSecond := float64(o.Tried) / o.Took.Seconds()
	return fmt.Sprintf("%d connections tried, %d failed, in %v (%.0f/s)", o.Tried, o.Tried-o.Connected, o.Took.Round(time.Millisecond), perSecond)
}

// Err is nil if every connection came about.
func (o Outcome) Err() error {
	if o.Connected == o.Tried {
		return nil
	}
	return fmt.Errorf("%v; the first failures: %w", o, errors.Join(o.Failures...))
}

// Run asks the questions 0 to n-1.
func (v Volume) Run(l *Lab, n int) Outcome {
	start := time.Now()
	run := &volumeRun{Volume: v, lab: l, n: n}
	var workers sync.WaitGroup
	for range v.Workers {
		workers.Go(func() {
			if err := l.Client.Do(run.work); err != nil {
				run.count(0, 1, err)
			}
		})
	}
	workers.Wait()
	return Outcome{Tried: int(run.tried.Load()), Connected: int(run.connected.Load()), Took: time.Since(start), Failures: run.failures}
}

type volumeRun struct {
	Volume
	lab              *Lab
	n                int
	next             atomic.Int64
	tried, connected atomic.Int64

	mu       sync.Mutex // guards failures
	failures []error
}

func (r *volumeRun) count(connected, tried int, err error) {
	r.connected.Add(int64(connected))
	r.tried.Add(int64(tried))
	if err == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.failures) < failuresMax {
		r.failures = append(r.failures, err)
	}
}

// work is one worker: a crowd, or a single client.
func (r *volumeRun) work() error {
	if r.Crowd > 0 {
		return r.crowd()
	}
	a, err := newAsker(r.lab, r.Volume, 0)
	if err != nil {
		return err
	}
	defer a.close()
	for i, ok := r.index(); ok; i, ok = r.index() {
		r.once(a, i)
	}
	return nil
}

// index is the next question's, and false if there is none.
func (r *volumeRun) index() (int, bool) {
	select {
	case <-r.Until:
		return 0, false
	default:
		i := int(r.next.Add(1)) - 1
		return i, i < r.n
	}
}

// crowd asks each question from many clients at the same moment.
func (r *volumeRun) crowd() error {
	askers := make([]*asker, r.Crowd)
	for c := range askers {
		a, err := newAsker(r.lab, r.Volume, c)
		if err != nil {
			return err
		}
		defer a.close()
		askers[c] = a
	}
	for i, ok := r.index(); ok; i, ok = r.index() {
		var all sync.WaitGroup
		gate := make(chan struct{})
		for _, a := range askers {
			all.Go(func() {
				<-gate
				if err := r.lab.Client.Do(func() error { r.once(a, i); return nil }); err != nil {
					r.count(0, 1, err)
				}
			})
		}
		close(gate)
		all.Wait()
	}
	return nil
}

// once asks question i and connects to the addresses of the answer.
func (r *volumeRun) once(a *asker, i int) {
	name, qtype := r.Question(i)
	m, err := a.ask(new(dns.Msg).SetQuestion(name, qtype))
	if err != nil {
		r.count(0, 1, fmt.Errorf("asking for %s: %w", name, err))
		return
	}
	addrs := Addrs(m)
	if len(addrs) == 0 {
		r.count(0, 1, fmt.Errorf("%s: no address: %v", name, m))
		return
	}
	for _, addr := range addrs {
		if err := connect(a.source(addr), addr, r.Port); err != nil {
			r.count(0, 1, fmt.Errorf("%s: %w", name, err))
		} else {
			r.count(1, 1, nil)
		}
	}
}

// Addrs are the addresses in the answer section.
func Addrs(m *dns.Msg) []netip.Addr {
	var addrs []netip.Addr
	for _, rr := range m.Answer {
		var ip net.IP
		switch rr := rr.(type) {
		case *dns.A:
			ip = rr.A
		case *dns.AAAA:
			ip = rr.AAAA
		default:
			continue
		}
		addr, _ := netip.AddrFromSlice(ip)
		if rr.Header().Rrtype == dns.TypeA {
			addr = addr.Unmap()
		}
		addrs = append(addrs, addr)
	}
	return addrs
}

// Connect opens a TCP connection from client i of the lab, with no more than
// one SYN, and resets it.
func (l *Lab) Connect(i int, to netip.Addr, port int) error {
	return l.Client.Do(func() error {
		from := Client4(i)
		if to.Is6() {
			from = Client6(i)
		}
		return connect(from, to, port)
	})
}

func connect(from, to netip.Addr, port int) error {
	d := net.Dialer{Timeout: ConnectLimit, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), KeepAlive: -1}
	d.SetMultipathTCP(false)
	conn, err := d.Dial("tcp", net.JoinHostPort(to.String(), strconv.Itoa(port)))
	if err != nil {
		return err
	}
	// A reset leaves no TIME_WAIT, neither here nor there.
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0) //nolint:errcheck // costs a TIME_WAIT at worst
	}
	return conn.Close()
}
