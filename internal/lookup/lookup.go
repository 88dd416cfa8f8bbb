// Package lookup asks resolvers for addresses, once, for the operator's commands.
//
// It promises to ask for both families, to repeat over TCP what did not fit, to
// go on to the next server if one fails, to have no more than a few questions on
// their way, and to end. It keeps nothing, and has no say in what an address is
// good for.
package lookup

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/internal/answer"
)

const (
	// tries and tryLimit are what a stub resolver does (resolv.conf(5)): a
	// server that hasn't answered after 5 s has its turn again.
	tries    = 2
	tryLimit = 5 * time.Second

	// atOnce is few enough for any home router, and ends a thousand names in
	// some seconds.
	atOnce = 16

	// payload is what travels without fragments (DNS flag day 2020).
	payload = 1232
)

// resolvConf names the system's resolvers.
const resolvConf = "/etc/resolv.conf"

// Client asks its servers in order until one answers.
type Client struct {
	servers []string // host:port
	limit   time.Duration
}

// System is a client of the system's own resolvers.
func System() (*Client, error) { return system(resolvConf) }

func system(file string) (*Client, error) {
	conf, err := dns.ClientConfigFromFile(file)
	if err != nil {
		return nil, fmt.Errorf("%w: name a resolver with --server", err)
	}
	c := &Client{limit: tryLimit}
	for _, server := range conf.Servers {
		c.servers = append(c.servers, net.JoinHostPort(server, conf.Port))
	}
	if len(c.servers) == 0 {
		return nil, fmt.Errorf("%s has no nameserver: name one with --server", file)
	}
	return c, nil
}

// Server is a client of the server at ADDRESS or ADDRESS:PORT.
func Server(s string) (*Client, error) {
	at, err := netip.ParseAddrPort(s)
	if err != nil {
		addr, err := netip.ParseAddr(strings.Trim(s, "[]"))
		if err != nil {
			return nil, fmt.Errorf("'%s' is no address of a resolver: write it like 192.0.2.53 or 192.0.2.53:5335", s)
		}
		at = netip.AddrPortFrom(addr, 53)
	}
	return &Client{servers: []string{at.String()}, limit: tryLimit}, nil
}

// Result is what there is to know about one name.
type Result struct {
	Name  string   // fully qualified, in lower case
	Chain []string // the names that it led through, itself first
	Addrs []Addr   // of both families, each once
	Found bool     // the name exists, with or without addresses

	// Validated tells that the server has validated the answers for both
	// families (the AD bit, RFC 6840 §5.7, §5.8).
	Validated bool

	// Err tells that nothing is known: no server has answered for one of the
	// families, or it has failed.
	Err error
}

// Addr is an address, with the time for which a client may remember it.
type Addr struct {
	netip.Addr
	TTL time.Duration
}

// All looks up names, and returns a result for each in their order.
func (c *Client) All(ctx context.Context, names []string) []Result {
	out := make([]Result, len(names))
	turn := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			out[i] = c.one(ctx, name)
		})
	}
	all.Wait()
	return out
}

func (c *Client) one(ctx context.Context, name string) Result {
	r := Result{Name: dns.CanonicalName(name), Validated: true}
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		m, err := c.ask(ctx, r.Name, qtype)
		if err != nil {
			r.Validated = false
			r.Err = fmt.Errorf("%s %s: %w", strings.TrimSuffix(r.Name, "."), dns.TypeToString[qtype], err)
			return r
		}
		r.take(m, qtype)
	}
	return r
}

// take adds what an answer says.
func (r *Result) take(m *dns.Msg, qtype uint16) {
	var w answer.Walk
	w.Read(m, r.Name, qtype)
	r.Validated = r.Validated && m.AuthenticatedData
	r.Found = r.Found || m.Rcode == dns.RcodeSuccess
	if len(w.Names) > len(r.Chain) {
		r.Chain = slices.Clone(w.Names)
	}
	for _, a := range w.Addrs {
		if !slices.ContainsFunc(r.Addrs, func(b Addr) bool { return a.Addr == b.Addr }) {
			r.Addrs = append(r.Addrs, Addr{a.Addr, a.TTL})
		}
	}
}

// ask returns the first answer that is one.
func (c *Client) ask(ctx context.Context, name string, qtype uint16) (*dns.Msg, error) {
	var errs []error
	for range tries {
		for _, server := range c.servers {
			m, err := c.exchange(ctx, server, name, qtype)
			if err == nil {
				return m, nil
			}
			errs = append(errs, err)
		}
	}
	return nil, errs[len(errs)-1]
}

var errFailed = errors.New("no answer")

func (c *Client) exchange(ctx context.Context, server, name string, qtype uint16) (*dns.Msg, error) {
	q := new(dns.Msg).SetQuestion(name, qtype)
	q.SetEdns0(payload, false)
	q.AuthenticatedData = true
	for _, network := range []string{"udp", "tcp"} {
		client := dns.Client{Net: network, Timeout: c.limit, UDPSize: payload}
		m, _, err := client.ExchangeContext(ctx, q, server)
		switch {
		case err != nil:
			return nil, fmt.Errorf("%w: %w", errFailed, err)
		case m.Truncated && network == "udp":
			continue
		case m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError:
			return nil, fmt.Errorf("%w: %s says %s", errFailed, server, dns.RcodeToString[m.Rcode])
		}
		return m, nil
	}
	return nil, fmt.Errorf("%w: %s truncates over TCP", errFailed, server)
}
