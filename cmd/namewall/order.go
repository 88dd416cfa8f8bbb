package main

import (
	"errors"
	"slices"

	"github.com/coredns/coredns/core/dnsserver"
)

// neighbour is the plugin above which nftset stands: the first one that makes
// or changes answers.
const neighbour = "local"

// setOrder puts nftset into CoreDNS's own order of plugins. The rest is left as
// it is: a directive whose plugin is not in this binary is then refused as such
// and not as unknown, and whatever CoreDNS has reason to move, moves here too.
func setOrder() error {
	if slices.Contains(dnsserver.Directives, "nftset") {
		return nil
	}
	i := slices.Index(dnsserver.Directives, neighbour)
	if i < 0 {
		return errors.New("CoreDNS has no plugin '" + neighbour + "' any more: the place of nftset must be decided anew")
	}
	return dnsserver.SetDirectives(slices.Insert(slices.Clone(dnsserver.Directives), i, "nftset"))
}
