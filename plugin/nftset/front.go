package nftset

import (
	"cmp"
	"context"
	"maps"
	"net/netip"
	"slices"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	clog "github.com/coredns/coredns/plugin/pkg/log"
	"github.com/coredns/coredns/plugin/pkg/transport"
	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"
)

// front is a server block, with or without rules, for who asks which one answers.
type front struct {
	*Server
	handler *Handler               // nil: it has no rules
	filters []dnsserver.FilterFunc // of its view, if it has one and rules
}

// frontsOf are the server blocks of f, which the instance's handlers belong to. If
// it could not be read, they are what is known: those with rules.
func (i *instance) frontsOf(f *Corefile) []*front {
	var all []*front
	if f == nil {
		for _, h := range i.handlers {
			s := new(Server)
			for _, zone := range h.zones {
				s.Keys = append(s.Keys, Key{Transport: transport.DNS, Zone: zone, Port: transport.Port})
			}
			all = append(all, &front{Server: s, handler: h})
		}
		return all
	}
	n := 0
	for _, s := range f.Servers {
		one := &front{Server: &Server{Place: s.Place, Keys: s.Keys, Bind: s.Bind, View: s.View}}
		if len(s.Rules) > 0 && n < len(i.handlers) { // handlers come in the order of the text
			one.handler, one.filters = i.handlers[n], i.servers[n].FilterFuncs
			n++
		}
		all = append(all, one)
	}
	return all
}

// answering are the server blocks that a client's question goes to, as CoreDNS
// itself chooses them: one for each listener, fewer if they agree. Whether a view
// takes the client is not known if the client isn't, or if the view has no rules:
// then it is one of them, and so is what answers if it doesn't.
func (i *instance) answering(name string, qtype uint16, client netip.Addr) []*front {
	var found []*front
	for _, doors := range i.listeners() {
		var configs []*dnsserver.Config
		for _, d := range doors {
			configs = append(configs, d.front.probe(d.zone, client, func() {
				if !slices.Contains(found, d.front) {
					found = append(found, d.front)
				}
			}))
		}
		// What goes to none is dropped here, so that nobody counts it.
		configs = append(configs, new(front).probe(".", client, func() {}))
		s, err := dnsserver.NewServer(ownServer, configs)
		if err != nil {
			continue // it has no reason to fail
		}
		s.ServeDNS(context.Background(), newOwnWriter("udp", qtype, client), ownQuestion(name, qtype))
	}
	return found
}

// door is a zone for which a front answers at a listener.
type door struct {
	front *front
	zone  string
}

// listeners are the fronts by what a listener is opened for.
func (i *instance) listeners() [][]door {
	by := make(map[socket][]door)
	for _, f := range i.fronts {
		for at, k := range f.sockets() {
			by[at] = append(by[at], door{f, k.Zone})
		}
	}
	var all [][]door
	for _, at := range slices.SortedFunc(maps.Keys(by), func(a, b socket) int {
		return cmp.Or(cmp.Compare(a.transport, b.transport), cmp.Compare(a.port, b.port), cmp.Compare(a.bind, b.bind))
	}) {
		all = append(all, by[at])
	}
	return all
}

// probe is the front to CoreDNS, for one of its zones, with nothing in it but that
// it calls found for a question that comes there.
func (f *front) probe(zone string, client netip.Addr, found func()) *dnsserver.Config {
	c := &dnsserver.Config{
		Zone:  zone,
		Debug: clog.D.Value(), // a server without it switches *debug* off
		Plugin: []plugin.Plugin{func(plugin.Handler) plugin.Handler {
			return plugin.HandlerFunc(func(context.Context, dns.ResponseWriter, *dns.Msg) (int, error) {
				found()
				return dns.RcodeSuccess, nil
			})
		}},
	}
	switch {
	case f.Server == nil || f.View == "":
	case client.IsValid() && f.handler != nil:
		c.FilterFuncs = f.filters
	default:
		c.FilterFuncs = []dnsserver.FilterFunc{func(context.Context, *request.Request) bool {
			found()
			return false
		}}
	}
	return c
}
