//go:build linux

package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/integration/lab"
)

// smartdnsLives is SmartDNS with elements that end.
var smartdnsLives = &contender{"SmartDNS, nftset-timeout yes", true, false, func(l *lab.Lab) *lab.Process {
	return l.Peer(smartdnsConf+"nftset-timeout yes\n", smartdnsCommand, "-f", "-p", "-", "-c")
}}

// care is what a feeder does beside writing sets.
type care struct {
	Name         string
	Drops, Tried map[lab.Transport]int // first packets
	Refills      bool                  // from its cache, after a flush
	Lives        bool                  // elements end
	Acknowledges bool                  // it gives out no address that the kernel refused
	Fresh        float64               // seconds until a fresh answer, one at a time
}

// port is what clients connect to.
const port = 443

// undone finds out what each feeder leaves undone.
func undone(t lab.T, p plan, out *page) {
	for _, c := range []*contender{namewall, dnsmasq, smartdns, smartdnsLives} {
		is := care{Name: c.name, Drops: map[lab.Transport]int{}, Tried: map[lab.Transport]int{}}
		l := arena(t)
		l.AcceptTCP(port)
		c.run(t, l, func(*lab.Process) {
			next := 0
			for _, transport := range []lab.Transport{lab.UDP, lab.TCP} {
				first := next
				next += p.knocks
				before := l.Drops()
				v := lab.Volume{Transport: transport, Workers: 8, Port: port, Question: func(i int) (string, uint16) {
					return dns.Fqdn(benchName(first+i, 600)), dns.TypeA
				}}
				// It ends early once many have been dropped.
				if is.Tried[transport] = v.Run(l, p.knocks).Tried; is.Tried[transport] == 0 {
					t.Fatalf("%s: nobody has connected over %s", c.name, transport)
				}
				is.Drops[transport] = l.Drops().Sub(before).SYNs
			}
			is.Lives = !slices.ContainsFunc(l.Elements(set4), func(e lab.Element) bool { return e.Timeout == 0 })
			is.Refills = refills(t, l, next)
			is.Fresh = fresh(l, next+1)
		})
		is.Acknowledges = acknowledges(t, c)
		t.Logf("undone: %+v", is)
		out.Care = append(out.Care, is)
	}
}

// refills tells whether an answer from the cache puts its addresses into a set
// that has been flushed.
func refills(t lab.T, l *lab.Lab, n int) bool {
	holder, err := l.Holder(set4, set6)
	if err != nil {
		t.Fatalf("%v", err)
	}
	defer holder.Close()
	asks(l, n)
	l.NFT("flush set inet filter " + set4)
	return len(holder.Missing(asks(l, n)...)) == 0
}

// fresh is the median time until a fresh answer.
func fresh(l *lab.Lab, n int) float64 {
	const tries = 21
	var took []float64
	for i := range tries {
		start := time.Now()
		asks(l, n+i)
		took = append(took, time.Since(start).Seconds())
	}
	return estimateOf(took).Median
}

// acknowledges tells whether a client is kept from an address that the kernel
// refused, because the set is full.
func acknowledges(t lab.T, c *contender) bool {
	l := arena(t)
	l.Load("table inet filter\ndelete table inet filter\n" + lab.Ruleset(strings.ReplaceAll(sets, "262144", "2"), ""))
	given := 0
	c.run(t, l, func(*lab.Process) {
		for n := range 2 {
			given += len(asks(l, n))
		}
	})
	return given == 2
}

// asks asks for a name as a client, and returns the addresses that it got.
func asks(l *lab.Lab, n int) []netip.Addr {
	return lab.Addrs(l.Ask(lab.Client4(0), "udp", dns.Fqdn(benchName(n, 600)), dns.TypeA))
}

// Dropped is how many first packets the firewall dropped over a transport.
func (c care) Dropped(transport string) string {
	return fmt.Sprintf("%d of %d", c.Drops[lab.Transport(transport)], c.Tried[lab.Transport(transport)])
}

// Took is Fresh as the page has it.
func (c care) Took() string { return fmt.Sprintf("%.1f ms", 1e3*c.Fresh) }
