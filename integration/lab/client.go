//go:build linux

package lab

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/miekg/dns"
)

// askLimit is how long a client waits for an answer.
const askLimit = 30 * time.Second

// Ask sends one question over udp or tcp from within the namespace.
func (n *NS) Ask(network, server string, q *dns.Msg) (m *dns.Msg, err error) {
	err = n.Do(func() error {
		c := dns.Client{Net: network, Timeout: askLimit}
		m, _, err = c.Exchange(q, server)
		return err
	})
	return m, err
}

// Ask asks the gateway from an address of the client namespace, over udp or
// tcp. The question has an OPT record, so that the answer can say why.
func (l *Lab) Ask(from netip.Addr, network, name string, qtype uint16) *dns.Msg {
	l.t.Helper()
	q := new(dns.Msg).SetQuestion(name, qtype).SetEdns0(udpPayload, false)
	server := net.JoinHostPort(Gateway4, "53")
	if from.Is6() {
		server = net.JoinHostPort(Gateway6, "53")
	}
	var m *dns.Msg
	err := l.Client.Do(func() (err error) {
		d := net.Dialer{Timeout: askLimit, LocalAddr: net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0))}
		if network == "tcp" {
			d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
		}
		c := dns.Client{Net: network, Timeout: askLimit, Dialer: &d}
		m, _, err = c.Exchange(q, server)
		return err
	})
	if err != nil {
		l.t.Fatalf("asking the gateway for %s: %v", name, err)
	}
	return m
}

// udpPayload is what resolvers announce (DNS flag day 2020).
const udpPayload = 1232

// Addrs are the addresses in the answer section.
func Addrs(m *dns.Msg) []netip.Addr {
	var addrs []netip.Addr
	for _, rr := range m.Answer {
		var ip net.IP
		switch rr := rr.(type) {
		case *dns.A:
			ip = rr.A
		case *dns.AAAA:
			ip = rr.AAAA
		default:
			continue
		}
		addr, _ := netip.AddrFromSlice(ip)
		if rr.Header().Rrtype == dns.TypeA {
			addr = addr.Unmap()
		}
		addrs = append(addrs, addr)
	}
	return addrs
}

// EDE is the extended error of an answer (RFC 8914), nil if it has none.
func EDE(m *dns.Msg) *dns.EDNS0_EDE {
	opt := m.IsEdns0()
	if opt == nil {
		return nil
	}
	for _, option := range opt.Option {
		if ede, ok := option.(*dns.EDNS0_EDE); ok {
			return ede
		}
	}
	return nil
}

// Resolving makes the C library of a command use this resolver and nothing else
// but an empty /etc/hosts, in a mount namespace of its own.
func (l *Lab) Resolving(resolver string) Option {
	l.t.Helper()
	dir := l.t.TempDir()
	files := map[string]string{
		"resolv.conf":   "nameserver " + resolver + "\n",
		"nsswitch.conf": "hosts: files dns\n",
		"hosts":         "127.0.0.1 localhost\n",
	}
	var script strings.Builder
	script.WriteString("set -e\n")
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			l.t.Fatalf("%v", err)
		}
		fmt.Fprintf(&script, "[ ! -e /etc/%[2]s ] || mount --bind %[1]s/%[2]s /etc/%[2]s\n", dir, name)
	}
	script.WriteString(`exec "$@"`)
	return func(c *exec.Cmd) {
		c.Args = append([]string{"sh", "-c", script.String(), "sh"}, c.Args...)
		c.Path = "/bin/sh"
		c.Err = nil
		c.SysProcAttr.Unshareflags = syscall.CLONE_NEWNS
	}
}

// Curl runs curl in the client namespace with the gateway as its resolver, and
// returns what the server said. Curl may try for long: whether something was
// dropped on the way is the firewall's to tell.
func (l *Lab) Curl(args ...string) (string, error) {
	return l.curl(connectLimit, args)
}

// CurlInVain is Curl where nobody is expected to answer: it gives up before a
// second SYN.
func (l *Lab) CurlInVain(args ...string) (string, error) {
	return l.curl(KnockLimit, args)
}

func (l *Lab) curl(limit time.Duration, args []string) (string, error) {
	return l.Client.Run(l.Resolving(Gateway4), append([]string{
		"curl", "--silent", "--show-error", "--noproxy", "*", "--connect-timeout", fmt.Sprint(limit.Seconds()),
	}, args...)...)
}
