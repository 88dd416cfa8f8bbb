//go:build linux

package gate

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/namewall/namewall/internal/answer"
	"github.com/namewall/namewall/internal/rule"
)

const (
	// churnRate is how many elements are new every second, if the machine is fast
	// enough.
	churnRate = 20_000
	// churnAddrs is how many addresses an answer has.
	churnAddrs = 4
	// churnAskers is how many answers are under way at the same time.
	churnAskers = 16
)

// churnLife is the shortest that a Corefile may ask for, and makes lives of four
// seconds: the faster elements come and go, the more of them are dead.
var churnLife = rule.Lifetime{Min: time.Second, Max: time.Second, Grace: time.Second}

// churn is fresh names that are answered with fresh addresses.
type churn struct {
	promised, refused atomic.Int64 // addresses

	bench  *realBench
	stop   chan struct{}
	once   sync.Once
	askers sync.WaitGroup
}

// startChurn begins; end ends it.
func (r *realBench) startChurn() *churn {
	c := &churn{bench: r, stop: make(chan struct{})}
	questions := make(chan int)
	for range churnAskers {
		c.askers.Go(func() {
			q := new(Question)
			for i := range questions {
				c.ask(q, i)
			}
		})
	}
	c.askers.Go(func() { c.pace(questions) })
	return c
}

// end returns when nothing is under way any more.
func (c *churn) end() {
	c.once.Do(func() { close(c.stop) })
	c.askers.Wait()
}

// pace hands out the numbers of questions, at the rate. Only a moment of what the
// machine was too slow for is made up for.
func (c *churn) pace(questions chan<- int) {
	defer close(questions)
	const (
		every  = time.Second * churnAddrs / churnRate
		moment = 100 * time.Millisecond
	)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	due := time.Now()
	for i := 0; ; {
		select {
		case <-c.stop:
			return
		case <-tick.C:
		}
		now := time.Now()
		if now.Sub(due) > moment {
			due = now.Add(-moment)
		}
		for ; due.Before(now); due = due.Add(every) {
			questions <- i
			i++
		}
	}
}

func (c *churn) ask(q *Question, i int) {
	q.Reset()
	q.Name, q.Client = fmt.Sprintf("h%d.example.com.", i), client
	c.bench.block.Concerns(q)
	q.Walk.Names, q.Walk.Addrs = append(q.Walk.Names[:0], q.Name), q.Walk.Addrs[:0]
	for j := range churnAddrs {
		q.Walk.Addrs = append(q.Walk.Addrs, answer.Addr{Addr: churnAddr(i*churnAddrs + j), TTL: time.Second})
	}
	c.bench.block.Admit(context.Background(), q)
	for _, fate := range q.Fates {
		if fate == Promised {
			c.promised.Add(1)
		} else {
			c.refused.Add(1)
		}
	}
}

// churnAddr is an address of its own for every n.
func churnAddr(n int) netip.Addr {
	a := netip.MustParseAddr("2001:db8::").As16()
	binary.BigEndian.PutUint64(a[8:], uint64(n))
	return netip.AddrFrom16(a)
}
