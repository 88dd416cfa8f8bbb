package nftset

import (
	"fmt"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
)

// startupWarnings are what the log says once about a configuration that has
// been accepted, and yet may not do what its author thinks: of f, or why that could
// not be read.
func startupWarnings(f *Corefile, err error) []string {
	out := placementWarnings(dnsserver.Directives)
	switch {
	case err != nil:
		return append(out, fmt.Sprintf("the Corefile can't be read again to look for names that bypass their rules: %v", err))
	case f == nil:
		return out
	}
	for _, b := range f.Bypasses() {
		out = append(out, b.String())
	}
	for _, s := range f.Servers {
		if len(s.Rules) == 0 {
			out = append(out, fmt.Sprintf("server block %s (%s) has no rules", s, s.Place))
		}
	}
	return out
}

// whole reads the Corefile of cfg again, with the server blocks that have no
// nftset. Call it on start-up, when cfg's instance has read all of it. It is nil
// where cfg belongs to no running instance.
func (cfg *Config) whole() (*Corefile, error) {
	input := corefileOf(cfg)
	if input == nil {
		return nil, nil
	}
	f, err := loadWith(input, cfg.lists)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// corefileOf finds what the instance of cfg was started with: its Controllers
// don't tell. It is nil where cfg belongs to no running instance.
func corefileOf(cfg *Config) caddy.Input {
	if inst := cfg.running(); inst != nil {
		return inst.Caddyfile()
	}
	return nil
}

// inCharge tells whether cfg belongs to a running instance.
func (cfg *Config) inCharge() bool { return cfg.running() != nil }

// running is the instance of cfg, nil if it has none or that has been stopped.
func (cfg *Config) running() *caddy.Instance {
	for _, inst := range caddy.Instances() {
		inst.StorageMu.RLock()
		own := inst.Storage[configKey{}] == cfg
		inst.StorageMu.RUnlock()
		if own {
			return inst
		}
	}
	return nil
}
