package docs

import (
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/integration/lab"
)

// The README's way from dnsmasq, put together from its blocks: both feed, the
// counters stand still for what both have, and count what one lacks.
func TestMigration(t *testing.T) {
	t.Parallel()
	readme := read(t, "README.md")
	dir := t.TempDir()
	one := func(language string) string {
		t.Helper()
		all := blocks(readme, language)
		if len(all) != 1 {
			t.Fatalf("README.md has %d blocks of %s, want 1", len(all), language)
		}
		return strings.ReplaceAll(all[0], "/etc/namewall", dir)
	}
	const old = `table inet filter {
	set vpn4 { type ipv4_addr; }
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
		ip daddr @vpn4 accept
	}
}
`
	l := lab.New(t)
	l.Load(old)
	l.AcceptTCP(443)
	l.Script().Records("www.tunnel.test. 60 IN A 203.0.113.1", "www.example.com. 60 IN A 203.0.113.2")
	conf := l.Dnsmasq(one("dnsmasq") + "nftset=/tunnel.test/inet#filter#vpn4\n")
	if err := os.WriteFile(filepath.Join(dir, "nftables.conf"), []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	command := regexp.MustCompile(`(?m)^namewall (import dnsmasq .*)$`).FindStringSubmatch(readme)
	if command == nil {
		t.Fatal("README.md doesn't say how to import")
	}
	args := strings.NewReplacer("/etc/dnsmasq.conf", conf, "/etc/nftables.conf", filepath.Join(dir, "nftables.conf"), "/etc/namewall", dir).Replace(command[1])
	if out, err := l.Tool(strings.Fields(args)...); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	l.Load(one("nftables"))
	// The lab's addresses are for documentation, and so refused.
	l.Namewall(strings.Replace(one("caddyfile"), "mode feed", "mode feed\n"+lab.AllowWide, 1))

	resolve := func(name, addr string) {
		t.Helper()
		m := l.Ask(lab.Client4(0), "udp", name, dns.TypeA)
		if got := lab.Addrs(m); len(got) != 1 || got[0].String() != addr {
			t.Errorf("answer\n%v", m)
		}
	}
	resolve("www.tunnel.test.", "203.0.113.1")
	resolve("www.example.com.", "203.0.113.2")
	for _, set := range []string{"vpn4", "nw_vpn4"} {
		if keys := l.Keys(set); len(keys) != 1 || keys[0] != "203.0.113.1" {
			t.Errorf("%s holds %q", set, keys)
		}
	}
	counted := func(what, lacking, beyond string) {
		t.Helper()
		for counter, want := range map[string]string{"lacking": lacking, "beyond": beyond} {
			if out := l.NFT("list counter inet filter " + counter); !strings.Contains(out, "packets "+want+" ") {
				t.Errorf("%s: want %s\n%s", what, want, out)
			}
		}
	}
	connect := func(addr string) { _ = l.Knock(0, netip.MustParseAddr(addr), 443) }
	connect("203.0.113.1")
	connect("203.0.113.2")
	counted("both feed", "0", "0")
	l.NFT("add element inet filter vpn4 { 203.0.113.3 }")
	connect("203.0.113.3")
	counted("the old set has more", "1", "0")
	l.NFT("delete element inet filter vpn4 { 203.0.113.1 }")
	connect("203.0.113.1")
	counted("the new set has more", "1", "1")
}
