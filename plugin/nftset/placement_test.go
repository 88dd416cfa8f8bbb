package nftset

import (
	"slices"
	"strings"
	"testing"

	"github.com/coredns/coredns/core/dnsserver"
)

// place returns CoreDNS's own order of plugins with nftset above another one.
func place(above string) []string {
	order := slices.DeleteFunc(slices.Clone(dnsserver.Directives), func(name string) bool { return name == directive })
	return slices.Insert(order, slices.Index(order, above), directive)
}

func TestPlacement(t *testing.T) {
	for _, above := range []string{"local", "dnstap", "metadata", "root"} {
		if err := checkPlacement(place(above)); err != nil {
			t.Errorf("above %s: %v", above, err)
		}
	}
	for _, above := range []string{"dns64", "siit", "loadbalance", "rewrite", "cache", "forward", "whoami", "nomad"} {
		err := checkPlacement(place(above))
		if err == nil {
			t.Errorf("above %s: accepted", above)
			continue
		}
		for _, part := range []string{"after 'local'", "nftset:github.com/namewall/namewall/plugin/nftset", "above 'local:local'"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("error %q lacks %q", err, part)
			}
		}
	}
	order := append(place("local"), "x")
	if err := checkPlacement(append(slices.DeleteFunc(order, func(s string) bool { return s == directive }), directive)); err == nil {
		t.Error("appended, as COREDNS_PLUGINS does, and accepted")
	}
	if err := checkPlacement([]string{"cache", "forward"}); err == nil {
		t.Error("missing and accepted")
	}
}

// Each plugin of the CoreDNS that we build with stands on the right side of
// nftset, and is known: a new one is a decision to make here.
func TestPlacementKnowsEveryPlugin(t *testing.T) {
	order := place("local")
	own := slices.Index(order, directive)
	for i, name := range order {
		switch {
		case name == directive:
		case i < own && !harmless(name):
			t.Errorf("plugin %s stands above nftset and is not known to be harmless", name)
		case i > own && !answers(name) && !harmless(name):
			t.Errorf("plugin %s stands below nftset and is not known", name)
		}
	}
	if got := placementWarnings(order); got != nil {
		t.Errorf("warnings %q about the right order", got)
	}
}

func TestPlacementWarnings(t *testing.T) {
	got := placementWarnings([]string{"metadata", "fanout", "errors", "nftset", "log", "local", "unbound"})
	if len(got) != 2 || !strings.Contains(got[0], "'fanout' comes before") || !strings.Contains(got[1], "'log' comes after") {
		t.Errorf("got %q", got)
	}
}
