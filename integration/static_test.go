//go:build linux

package integration

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/integration/lab"
)

// staticCorefile has a rule for names and one for what is written out, which lines
// say.
func staticCorefile(state, lines string) string {
	return ". {" + lab.Node + `
	nftset {
		state ` + state + `
		` + lab.AllowWide + `
	}
	nftset names {
		set    inet filter open4
		name   *.open.test
	}
	nftset fixed {
		set    inet filter open4 ipv4_addr
		set    inet filter nets4 ipv4_addr interval
		revoke kill
` + lines + `
	}
	cache
	forward . ` + lab.Scripted + "\n}"
}

// Connections to what is written out go on when other lines leave the configuration,
// and end when their own does, unless something else lets them through: a name, for
// an address out of a prefix.
func TestStaticLeavesTheConfiguration(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"reload", "restart"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			l, s := newOpenLab(t)
			l.NFT("add set inet filter nets4 { type ipv4_addr; flags interval; }")
			l.NFT("insert rule inet filter forward ip daddr @nets4 accept")
			s.Records("within.open.test. 3600 IN A 203.0.113.9")
			state := filepath.Join(t.TempDir(), "state")
			n := l.Namewall(staticCorefile(state, "\t\tstatic 198.51.100.1 198.51.100.2 203.0.113.0/24\n\t\tstatic 198.51.100.128/25"))
			lab.Until(t, healLimit, "the rules are ready", func() error {
				if ok, who := n.Ready(); !ok {
					return errors.New(who)
				}
				return nil
			})
			answers(t, l, "within.open.test.", dns.TypeA, "203.0.113.9")
			conns := make(map[string]net.Conn)
			for _, addr := range []string{"198.51.100.1", "198.51.100.2", "198.51.100.200", "203.0.113.8", "203.0.113.9"} {
				conns[addr] = open(t, l, addr)
			}
			next := staticCorefile(state, "\t\tstatic 198.51.100.2 198.51.100.128/25")
			if way == "reload" {
				if err := n.Reload(next); err != nil {
					t.Fatal(err)
				}
			} else {
				if err := n.Stop(); err != nil {
					t.Fatal(err)
				}
				n = l.Namewall(next)
			}
			lab.Until(t, healLimit, "addresses are revoked", func() error { return sameKeys(l, "open4", "198.51.100.2", "203.0.113.9") })
			lab.Until(t, healLimit, "prefixes are revoked", func() error {
				if list := l.NFT("list set inet filter nets4"); strings.Contains(list, "203.0.113.0/24") || !strings.Contains(list, "198.51.100.128/25") {
					return errors.New(list)
				}
				return nil
			})
			lab.Until(t, healLimit, "connections are ended", func() error {
				if got := n.Metric("coredns_nftset_killed_connections_total"); got != 2 {
					return fmt.Errorf("%v connections ended, want 2", got)
				}
				return nil
			})
			for addr, conn := range conns {
				left := addr == "198.51.100.1" || addr == "203.0.113.8"
				if err := goesOn(l, conn); (err != nil) != left {
					t.Errorf("the connection to %s: %v", addr, err)
				}
			}
		})
	}
}
