package nftset

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/coredns/coredns/core/dnsserver"
)

// Each server has counters of its own, also if many meet their first answers at
// once, and an answer without one is counted too.
func TestCountersByServer(t *testing.T) {
	var c counters
	of := func(server *dnsserver.Server) *serverCounters {
		return c.of(context.WithValue(context.Background(), dnsserver.Key{}, server))
	}
	var all sync.WaitGroup
	servers := make([]*dnsserver.Server, 16)
	for i := range servers {
		servers[i] = &dnsserver.Server{Addr: fmt.Sprintf("dns://:%d", 5300+i)}
		all.Go(func() { of(servers[i]) })
	}
	all.Wait()
	if n := len(*c.byServer.Load()); n != len(servers) {
		t.Errorf("%d of %d servers are known", n, len(servers))
	}
	for _, server := range servers {
		if s := of(server); s.name != server.Addr || s != of(server) {
			t.Errorf("%s has the counters of %s", server.Addr, s.name)
		}
	}
	if s := c.of(context.Background()); s.name != "" {
		t.Errorf("an answer without a server is counted for %s", s.name)
	}
}
