package nftset

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/dns64"
	"github.com/coredns/coredns/plugin/siit"

	"github.com/namewall/namewall/internal/gate"
	"github.com/namewall/namewall/internal/rule"
)

// instance is one loaded Corefile. During a reload two of them are alive.
type instance struct {
	cfg      *Config
	handlers []*Handler
	servers  []*dnsserver.Config // of the handlers
	fronts   []*front            // of all server blocks; set by start

	shared func() *process
	names  *names // nil if no rule has files of names

	current atomic.Pointer[generation] // nil until start
	mu      sync.Mutex                 // held while another takes its place; guards over
	over    bool                       // no other will

	last    sync.Once  // registers resolve
	backend *resolving // nil until resolve
}

func newInstance(cfg *Config, shared func() *process) *instance {
	return &instance{cfg: cfg, shared: shared}
}

func (i *instance) add(h *Handler, server *dnsserver.Config) {
	i.handlers = append(i.handlers, h)
	i.servers = append(i.servers, server)
}

// start makes the configuration active, before its servers listen.
func (i *instance) start() error {
	if err := i.cfg.finish(); err != nil {
		return plugin.Error(directive, err)
	}
	f, err := i.cfg.whole()
	for _, warning := range startupWarnings(f, err) {
		log.Warning(warning)
	}
	i.fronts = i.frontsOf(f)
	i.hearOfFailure()
	p := i.shared()
	first := i.stage(i.cfg.Rules)
	first.active.Restore(p.saver.use(i.cfg.Node.State))
	p.drops.restore(p.saver.earlier(dropsFile))
	first.active.Start()
	i.use(first)
	if len(i.cfg.lists) > 0 {
		i.names = followNames(i.cfg.lists, i.renew)
	}
	p.serving.Store(i)
	p.control.use(i.cfg.Node.Control)
	p.page.use(i.cfg.Node.Web)
	p.grants.use(i.cfg.Node.Log)
	p.drops.use(i.cfg.Node.Drops)
	ctx, cancel := context.WithTimeout(context.Background(), settleMax)
	defer cancel()
	p.gate.Settle(ctx)
	for _, h := range i.handlers {
		h.ready.Store(p)
	}
	if len(i.handlers) == 0 {
		p.resolver.Use(nil, nil) // nothing calls resolve
	} else {
		ruled.Store(true)
	}
	i.tell(p.gate.Stats())
	return nil
}

// resolve has the names under `resolve` asked for by this configuration from now
// on, and by no other.
func (i *instance) resolve() error {
	p := i.shared()
	b, names, err := i.resolving()
	if err != nil {
		return plugin.Error(directive, err)
	}
	known(p.gate, names)
	i.backend = b
	p.notices.use(i.cfg.Rules)
	p.resolver.Use(b, names)
	return nil
}

// tell logs what has begun.
func (i *instance) tell(s gate.Stats) {
	feeding, ready, elements := 0, 0, 0
	for _, r := range i.cfg.Rules {
		if r.Mode == rule.Feed {
			feeding++
		}
	}
	for _, set := range s.Sets {
		elements += set.Used
		if set.Ready {
			ready++
		}
	}
	log.Infof("rules: %d, of which %d only feed; sets ready: %d of %d; elements found or put back: %d",
		len(i.cfg.Rules), feeding, ready, len(s.Sets), elements)
}

// settleMax is how long the servers wait, before they listen, for the sets to be
// read and to be filled from the state file. A hundred thousand elements take
// well under a second.
const settleMax = 3 * time.Second

// stop ends the configuration if another has taken its place. If the process is
// about to end nothing is stopped: questions still come, and no promise ends.
//
// caddy doesn't say which it is, but takes an instance out of its list before it
// stops one for another, and after it has ended one with the process. The list is
// to be looked at here and now, where caddy sees to it that nobody changes it.
func (i *instance) stop() error {
	last := i.finish()
	if last == nil {
		return nil
	}
	i.shared().resolver.Release(i.backend) // if there is no other: forward stops next
	if !i.cfg.inCharge() {
		last.active.Stop()
	}
	return nil
}

// keep goes on alone after a reload that failed. caddy also says so if the new
// configuration has taken over and only the old one's shutdown had an error.
func (i *instance) keep() error {
	if !i.cfg.inCharge() {
		return i.stop()
	}
	if i.resume() {
		p := i.shared()
		if failed := p.serving.Swap(i); failed != nil && failed != i {
			failed.names.close()
		}
		p.saver.use(i.cfg.Node.State)
		p.control.use(i.cfg.Node.Control)
		p.page.use(i.cfg.Node.Web)
		p.grants.use(i.cfg.Node.Log)
		p.drops.use(i.cfg.Node.Drops)
		return i.resolve()
	}
	return nil
}

// hearOfFailure has the instance stopped if the reload fails that it is loaded by.
// caddy tells that only the Corefile which goes on, and one without nftset has
// nobody who hears it. It is to be called where caddy sees to it that nobody changes
// its list.
func (i *instance) hearOfFailure() {
	for _, other := range caddy.Instances() {
		other.StorageMu.RLock()
		_, hears := other.Storage[instanceKey{}] // i does, too
		other.StorageMu.RUnlock()
		if hears {
			continue
		}
		before := other.OnRestartFailed
		other.OnRestartFailed = append(slices.Clip(before), func() error {
			other.OnRestartFailed = before
			if i.cfg.inCharge() { // as in keep
				return nil
			}
			return i.stop()
		})
	}
}

// prefixes64 are the prefixes under which this Corefile's own plugins embed IPv4
// addresses, so that these are judged as themselves.
func (i *instance) prefixes64() []netip.Prefix {
	var all []netip.Prefix
	add := func(n *net.IPNet) {
		if n == nil {
			return
		}
		if addr, ok := netip.AddrFromSlice(n.IP.To16()); ok {
			bits, _ := n.Mask.Size()
			all = append(all, netip.PrefixFrom(addr, bits))
		}
	}
	for _, server := range i.servers {
		if h, ok := server.Handler("dns64").(*dns64.DNS64); ok {
			add(h.Prefix)
		}
		if h, ok := server.Handler("siit").(*siit.SIIT); ok {
			add(h.IPv6Prefix)
		}
	}
	return all
}

// end writes the state file and what waits for the grant log, and removes the
// control socket, before the process ends.
func (i *instance) end() error {
	if i.current.Load() != nil {
		p := i.shared()
		if i.backend != nil && len(i.backend.names) > 0 {
			p.saver.touch() // with when they were last heard of
		}
		_ = p.saver.save() // logged
		p.drops.close()
		p.control.close()
		p.page.close()
		p.grants.close()
	}
	return nil
}
