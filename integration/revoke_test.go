//go:build linux

package integration

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/integration/lab"
	"github.com/namewall/namewall/internal/control"
)

// revokeCorefile has a rule for each of these names, which is `NAME revoke CHOICE`.
func revokeCorefile(state string, rules ...[2]string) string {
	text := ". {" + lab.Node + `
	nftset {
		state ` + state + `
		` + lab.AllowWide + `
	}`
	for _, r := range rules {
		text += fmt.Sprintf(`
	nftset rule-%[1]s {
		set    inet filter open4
		name   %[1]s.open.test
		revoke %[2]s
	}`, r[0], r[1])
	}
	return text + "\n	cache\n	forward . " + lab.Scripted + "\n}"
}

// What leaves the configuration loses its elements, and with `revoke kill` its
// connections, whether namewall is told by a reload or finds out at its start.
func TestRevoke(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"reload", "restart"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			l, s := newOpenLab(t)
			s.Records(
				"deleted.open.test. 3600 IN A 198.51.100.1", "killed.open.test. 3600 IN A 198.51.100.2",
				"kept.open.test. 3600 IN A 198.51.100.3", "stays.open.test. 3600 IN A 198.51.100.4",
				"killed.open.test. 3600 IN A 198.51.100.5", "stays.open.test. 3600 IN A 198.51.100.5",
			)
			state := filepath.Join(t.TempDir(), "state")
			stays := [2]string{"stays", "kill"}
			n := l.Namewall(revokeCorefile(state, stays, [2]string{"deleted", "delete"}, [2]string{"killed", "kill"}, [2]string{"kept", "keep"}))
			conns := make(map[string]net.Conn)
			for name, addrs := range map[string][]string{
				"deleted": {"198.51.100.1"}, "killed": {"198.51.100.2", "198.51.100.5"},
				"kept": {"198.51.100.3"}, "stays": {"198.51.100.4", "198.51.100.5"},
			} {
				answers(t, l, name+".open.test.", dns.TypeA, addrs...)
				for _, addr := range addrs {
					conns[addr] = open(t, l, addr)
				}
			}
			l.NFT("add element inet filter open4 { 198.51.100.9 timeout 1h }")

			if err := n.Reload(revokeCorefile(state, stays, [2]string{"bad..name", "delete"})); err == nil {
				t.Fatal("a wrong Corefile was taken over")
			}
			next := revokeCorefile(state, stays)
			if way == "reload" {
				if got := len(l.Keys("open4")); got != 6 {
					t.Errorf("%d elements after a reload that failed, want 6", got)
				}
				if err := n.Reload(next); err != nil {
					t.Fatal(err)
				}
			} else {
				if err := n.Stop(); err != nil {
					t.Fatal(err)
				}
				n = l.Namewall(next)
			}
			want := []string{"198.51.100.3", "198.51.100.4", "198.51.100.5", "198.51.100.9"}
			lab.Until(t, healLimit, "the elements are revoked", func() error { return sameKeys(l, "open4", want...) })
			lab.Until(t, healLimit, "connections are ended", func() error {
				if got := n.Metric("coredns_nftset_killed_connections_total"); got != 1 {
					return fmt.Errorf("%v connections ended, want 1", got)
				}
				return nil
			})
			if got := n.Metric("coredns_nftset_revoked_elements_total"); got != 2 {
				t.Errorf("%v elements revoked, want 2", got)
			}
			for addr, conn := range conns {
				if err := goesOn(l, conn); (err == nil) != (addr != "198.51.100.2") {
					t.Errorf("the connection to %s: %v", addr, err)
				}
			}
			barred(t, l, 0, "198.51.100.1", port)
			barred(t, l, 0, "198.51.100.2", port)
			reaches(t, l, 0, "198.51.100.3", port)
			reaches(t, l, 0, "198.51.100.4", port)
		})
	}
}

// open is a connection from the first client that stays.
func open(t *testing.T, l *lab.Lab, addr string) net.Conn {
	t.Helper()
	conn, err := l.Client.DialContext(context.Background(), "tcp", net.JoinHostPort(addr, fmt.Sprint(port)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// goesOn sends something and tells whether the firewall drops it.
func goesOn(l *lab.Lab, conn net.Conn) error {
	before := l.Drops()
	if _, err := conn.Write([]byte("still here")); err != nil {
		return err
	}
	for deadline := time.Now().Add(lab.KnockLimit); time.Now().Before(deadline); {
		if drops := l.Drops(); drops != before {
			return fmt.Errorf("dropped %+v", drops.Sub(before))
		}
		acked, err := lab.Acknowledged(conn)
		if acked || err != nil {
			return err
		}
	}
	return fmt.Errorf("no acknowledgement")
}

// A Corefile whose rules could not be put into use leaves nothing behind, also if
// the one that goes on has none: what it resolves itself is revoked, and not asked
// for again.
func TestFirstRulesFail(t *testing.T) {
	t.Parallel()
	l, s := newOpenLab(t)
	s.Records("a.open.test. 5 IN A 198.51.100.1")
	without := ". {" + lab.Node + "\nforward . " + lab.Scripted + "\n}"
	with := ". {" + lab.Node + strings.Replace(openRule, "name ", "resolve a.open.test\n#", 1) + "\nforward . " + lab.Scripted + "\n}"
	n := l.Namewall(without)
	// That nobody has this address is found out when the servers are to listen.
	if err := n.Reload(with + "\n.:5399 {\nbind 192.0.2.99\nforward . " + lab.Scripted + "\n}"); err == nil {
		t.Fatal("a server listens at an address that nobody has")
	}
	var status control.Status
	if decoded(t, tells(t, n, 0, "status", "--json"), &status); len(status.Rules)+len(status.Sets) > 0 {
		t.Errorf("rules are in use that could not be: %+v", status)
	}
	lab.Until(t, healLimit, "what they may have given is revoked", func() error { return sameKeys(l, "open4") })
	if err := n.Reload(with); err != nil {
		t.Fatal(err)
	}
	lab.Until(t, healLimit, "the rules are in use", func() error { return sameKeys(l, "open4", "198.51.100.1") })
	if err := n.Reload(without); err != nil {
		t.Fatal(err)
	}
	lab.Until(t, healLimit, "they are in use no more", func() error { return sameKeys(l, "open4") })
}

// A Corefile without any rule gives nothing any more. The end of the process is
// no such thing.
func TestRevokeOfEverything(t *testing.T) {
	t.Parallel()
	l, s := newOpenLab(t)
	s.Records("a.open.test. 3600 IN A 198.51.100.1")
	corefile := revokeCorefile(filepath.Join(t.TempDir(), "state"), [2]string{"a", "delete"})
	n := l.Namewall(corefile)
	answers(t, l, "a.open.test.", dns.TypeA, "198.51.100.1")
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	holds(t, l, "open4", "198.51.100.1")

	n = l.Namewall(corefile)
	answers(t, l, "a.open.test.", dns.TypeA, "198.51.100.1")
	if err := n.Reload(". {" + lab.Node + "\nforward . " + lab.Scripted + "\n}"); err != nil {
		t.Fatal(err)
	}
	lab.Until(t, healLimit, "the element is revoked", func() error { return sameKeys(l, "open4") })
	answers(t, l, "a.open.test.", dns.TypeA, "198.51.100.1") // nobody's business any more
	holds(t, l, "open4")
}
