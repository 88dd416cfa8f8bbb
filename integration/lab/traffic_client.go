//go:build linux

package lab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/miekg/dns"
)

// visitor is one client of Traffic, in the client namespace.
type visitor struct {
	*TrafficRun
	client int
	conn   *dns.Conn
	sets   *Holder
	id     uint16
}

// visit is what a client does: it looks a name up, connects, and goes back to
// somewhere that it, or another one, has been before.
func (r *TrafficRun) visit(client int) error {
	sets, err := r.lab.Holder(r.Set4, r.Set6)
	if err != nil {
		return err
	}
	defer sets.Close()
	d := net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(netip.AddrPortFrom(Client4(client), 0))}
	conn, err := d.Dial("udp", net.JoinHostPort(Gateway4, "53"))
	if err != nil {
		return err
	}
	defer conn.Close()
	v := &visitor{TrafficRun: r, client: client, conn: &dns.Conn{Conn: conn, UDPSize: udpPayload}, sets: sets}
	for {
		select {
		case <-r.stop:
			return nil
		default:
		}
		i := int(r.next.Add(1)) - 1
		if err := v.lookUp(i); err != nil {
			return err
		}
		if addr, ok := v.remembered(); ok {
			v.connect(addr)
		}
	}
}

// remembered is some address of an earlier answer.
func (v *visitor) remembered() (netip.Addr, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.promised) == 0 {
		return netip.Addr{}, false
	}
	return v.promised[rand.IntN(len(v.promised))], true
}

// lookUp asks question i until it is answered, and uses the answer.
func (v *visitor) lookUp(i int) error {
	name, qtype := v.Question(i % v.Names)
	first := time.Now()
	answer, err := v.ask(name, qtype)
	for err != nil {
		// The next try is a stub resolver's, or where nobody listens its
		// user's.
		if !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, syscall.ECONNREFUSED) || time.Since(first) > askLimit {
			return fmt.Errorf("asking for %s for %v: %w", name, time.Since(first), err)
		}
		answer, err = v.ask(name, qtype)
	}
	answered := time.Now()
	addrs := Addrs(answer)
	v.note(func(log *TrafficLog) {
		log.Answers++
		if len(addrs) == 0 {
			log.Refusals = append(log.Refusals, Refusal{From: first, To: answered, Answer: answer})
		}
	})
	v.remember(addrs)
	for _, addr := range addrs {
		// Half of the answers are checked before the connection, in which time the
		// gateway might mend what it did wrong; half of the connections are
		// made at once.
		if i%2 == 0 {
			v.check(addr, first, answered)
		}
		v.connect(addr)
	}
	return nil
}

// pause is how long a client waits that was told that nobody listens.
const pause = 10 * time.Millisecond

// ask sends a question and waits for the answer: os.ErrDeadlineExceeded if there
// is none within Retry, ECONNREFUSED if nobody listens.
func (v *visitor) ask(name string, qtype uint16) (*dns.Msg, error) {
	v.id++
	q := new(dns.Msg).SetQuestion(name, qtype).SetEdns0(udpPayload, false)
	q.Id = v.id
	key := sent{v.client, v.id}
	v.mu.Lock()
	v.log.Questions++
	v.open[key] = time.Now()
	v.mu.Unlock()

	answer, err := v.exchange(q)
	if errors.Is(err, syscall.ECONNREFUSED) {
		v.settle(key)
		v.note(func(log *TrafficLog) { log.Unheard++ })
		<-time.After(pause)
	}
	return answer, err
}

// settle notes that a question no longer waits for an answer.
func (v *visitor) settle(key sent) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.open, key)
}

// exchange sends q and reads its answer, or the late one to the same question
// that was sent before.
func (v *visitor) exchange(q *dns.Msg) (*dns.Msg, error) {
	if err := v.conn.SetDeadline(time.Now().Add(v.Retry)); err != nil {
		return nil, err
	}
	if err := v.conn.WriteMsg(q); err != nil {
		return nil, err
	}
	for {
		answer, err := v.conn.ReadMsg()
		if err != nil {
			return nil, err
		}
		v.settle(sent{v.client, answer.Id})
		if len(answer.Question) == 1 && answer.Question[0] == q.Question[0] {
			return answer, nil
		}
	}
}

// check looks whether an answer is true: whether the sets hold its address.
func (v *visitor) check(addr netip.Addr, asked, answered time.Time) {
	lied := len(v.sets.Missing(addr)) > 0
	checked := time.Now()
	v.note(func(log *TrafficLog) {
		log.Checked++
		if lied {
			log.Lies = append(log.Lies, Incident{From: asked, To: checked, Addr: addr,
				Err: fmt.Errorf("answered %v ago, and not in the set", checked.Sub(answered))})
		}
	})
}

// underway is how long a first packet takes to the firewall on a busy machine,
// at the most.
const underway = 50 * time.Millisecond

func (v *visitor) connect(addr netip.Addr) {
	began := time.Now()
	err := connect(clientAddr(v.client, addr), addr, v.Port, v.Limit)
	v.note(func(log *TrafficLog) {
		log.Connections++
		if err != nil {
			log.Drops = append(log.Drops, Incident{From: began, To: began.Add(underway), Addr: addr, Err: err})
		}
	})
}
