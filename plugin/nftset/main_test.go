package nftset

import (
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/coredns/coredns/core/dnsserver"
	clog "github.com/coredns/coredns/plugin/pkg/log"
)

// TestMain puts the directive where it belongs, as the binary does.
func TestMain(m *testing.M) {
	clog.Discard()
	order := slices.Clone(dnsserver.Directives)
	if err := dnsserver.SetDirectives(slices.Insert(order, slices.Index(order, "local"), directive)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}
