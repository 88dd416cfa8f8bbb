package nftset

import (
	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	clog "github.com/coredns/coredns/plugin/pkg/log"
)

var log = clog.NewWithPlugin(directive)

func init() { plugin.Register(directive, setup) }

// setup reads one server block's directives. It changes nothing outside its
// instance: caddy also sets plugins up to validate a Corefile, and throws the
// result of a failing reload away without a word.
func setup(c *caddy.Controller) error {
	if err := checkPlacement(dnsserver.Directives); err != nil {
		return plugin.Error(directive, err)
	}
	cfg := configOf(c)
	first := len(cfg.Blocks) == 0
	server := dnsserver.GetConfig(c)
	block, err := parse(c, cfg, server.Root)
	if err != nil {
		return plugin.Error(directive, err)
	}
	if first {
		inst := newInstance(cfg, shared)
		c.Set(instanceKey{}, inst)
		c.OnStartup(inst.start)
		c.OnShutdown(inst.stop)
		c.OnFinalShutdown(inst.end)
		c.OnRestartFailed(inst.keep)
	}
	if len(block.Rules) == 0 && cfg.Node.Drops == nil { // with it, what clients are told matters
		return nil
	}
	h := &Handler{keys: block.Keys, zones: zonesOf(block.Keys), rules: block.Rules}
	inst := c.Get(instanceKey{}).(*instance)
	inst.add(h, server)
	server.AddPlugin(func(next plugin.Handler) plugin.Handler {
		h.next = next
		// By now all plugins have been set up, so that what is registered starts
		// after them: forward and hosts can't be asked before they have started.
		inst.last.Do(func() { c.OnStartup(inst.resolve) })
		return h
	})
	return nil
}

// instanceKey is where a caddy instance keeps what belongs to it.
type instanceKey struct{}
