package nftset

import (
	"fmt"
	"slices"
)

// pluginLine is what plugin.cfg of someone's own CoreDNS needs, and neighbour
// the line above which it belongs.
const (
	pluginLine = "nftset:github.com/namewall/namewall/plugin/nftset"
	neighbour  = "local:local"
)

// checkPlacement fails if a plugin that makes or changes answers comes before
// nftset in the order of directives: its answers would leave without the
// firewall having heard of them.
func checkPlacement(directives []string) error {
	own := slices.Index(directives, directive)
	if own < 0 {
		return fmt.Errorf("nftset is not in the list of directives: add the line '%s' to plugin.cfg, directly above '%s', and rebuild", pluginLine, neighbour)
	}
	for _, name := range directives[:own] {
		if answers(name) {
			return fmt.Errorf("nftset comes after '%s' in the order of plugins, whose answers it would not see: move the line '%s' in plugin.cfg directly above '%s' and rebuild (COREDNS_PLUGINS can't do it, as it appends)",
				name, pluginLine, neighbour)
		}
	}
	return nil
}

// placementWarnings names what checkPlacement lets pass, but a person should
// look at: plugins before nftset that nobody here knows, and observers after
// it, which see answers that the client won't get.
func placementWarnings(directives []string) []string {
	var out []string
	own := slices.Index(directives, directive)
	for i, name := range directives {
		switch {
		case i < own && !answers(name) && !harmless(name):
			out = append(out, fmt.Sprintf("plugin '%s' comes before nftset and is not known here: if it makes or changes answers, they pass the firewall unseen", name))
		case i > own && observes(name):
			out = append(out, fmt.Sprintf("plugin '%s' comes after nftset and sees answers before they are shaped", name))
		}
	}
	return out
}

// answers tells whether the plugin can make an answer or change one, as of
// CoreDNS v1.15.0: all of plugin.cfg after dnstap but those that only set up
// (tls, on, sign, view).
func answers(name string) bool {
	switch name {
	case "local", "dns64", "siit", "any", "chaos", "loadbalance", "tsig", "rewrite", "autopath", "acl",
		"cache", "header", "dnssec", "minimal", "template", "transfer", "dynupdate", "hosts",
		"route53", "azure", "clouddns", "k8s_external", "kubernetes", "file", "auto", "secondary",
		"etcd", "loop", "forward", "grpc", "erratic", "whoami", "nomad":
		return true
	}
	return false
}

// observes tells whether the plugin reports answers.
func observes(name string) bool {
	switch name {
	case "prometheus", "errors", "log", "dnstap", "trace":
		return true
	}
	return false
}

// harmless tells whether the plugin is known to leave answers alone.
func harmless(name string) bool {
	switch name {
	case "root", "metadata", "geoip", "cancel", "proxyproto", "quic", "grpc_server", "https", "https3",
		"timeouts", "multisocket", "reload", "nsid", "bufsize", "bind", "debug", "ready", "health",
		"pprof", "shed", "tls", "on", "sign", "view":
		return true
	}
	return observes(name)
}
