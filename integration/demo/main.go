//go:build linux

// Command demo shows namewall's main job in three network namespaces, with real
// parts: the kernel's firewall, Unbound, curl. It tells what it does and ends
// with status 1 if a promise is broken. It needs root or a user namespace, and
// changes nothing outside its own namespaces.
package main

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/namewall/namewall/integration/lab"
)

func main() {
	os.Exit(lab.Main(func() int { return tell(build, demo) }))
}

// ruleset is what the gateway's administrator has in nftables.conf.
var ruleset = lab.Ruleset(`
	set fusionreactor4 { type ipv4_addr . inet_proto . inet_service; flags timeout; size 65535; }
	set fusionreactor6 { type ipv6_addr . inet_proto . inet_service; flags timeout; size 65535; }
	set outsystems_out4 { type ipv4_addr; flags timeout; size 65535; }
	set outsystems_out6 { type ipv6_addr; flags timeout; size 65535; }
`, `
		ip daddr . meta l4proto . th dport @fusionreactor4 accept
		ip6 daddr . meta l4proto . th dport @fusionreactor6 accept
		ip daddr @outsystems_out4 tcp dport 443 accept
		ip6 daddr @outsystems_out6 tcp dport 443 accept
`)

// corefile is what the administrator has written for namewall. The `allow` line
// is there because the demo plays the internet with documentation addresses.
const corefile = `. {
	errors
	nftset {
		` + lab.AllowWide + `
	}
	nftset fusionreactor {
		set  inet filter fusionreactor4
		set  inet filter fusionreactor6
		name cc.fusionreactor.io  tcp/2804
		name api.fusionreactor.io tcp/443
	}
	nftset outsystems-out {
		set    inet filter outsystems_out4
		set    inet filter outsystems_out6
		name   *.outsystemsenterprise.com
		except test.outsystemsenterprise.com
	}
	cache
	forward . ` + lab.Real + `
}
`

// records are the internet's DNS, in Unbound.
var records = []string{
	"cc.fusionreactor.io. 60 IN A 198.51.100.1",
	"cc.fusionreactor.io. 60 IN A 198.51.100.2",
	"cc.fusionreactor.io. 60 IN AAAA 2001:db8:100::c1",
	"api.fusionreactor.io. 60 IN A 198.51.100.3",
	"api.fusionreactor.io. 60 IN A 198.51.100.4",
	"api.fusionreactor.io. 60 IN AAAA 2001:db8:100::a3",
	"fe1.outsystemsenterprise.com. 60 IN A 203.0.113.1",
	"fe1.outsystemsenterprise.com. 60 IN AAAA 2001:db8:100::f1",
	"test.outsystemsenterprise.com. 60 IN A 203.0.113.2",
	"www.example.com. 60 IN A 203.0.113.3",
}

// build makes the binary.
func build(s *stage) {
	s.say("Building namewall.")
	lab.Build(s)
}

// demo is the story.
func demo(s *stage) {
	start := time.Now()
	s.Cleanup(func() { s.say("Told in %v.", time.Since(start).Round(100*time.Millisecond)) })
	s.say("Three network namespaces: a client, a gateway that drops what no rule accepts, and the wide area.")
	l := lab.New(s)
	cert := lab.NewCert(s, "api.fusionreactor.io", "cc.fusionreactor.io", "fe1.outsystemsenterprise.com",
		"test.outsystemsenterprise.com", "www.example.com")
	l.HTTP(2804, nil)
	l.HTTP(443, cert.Server())
	l.Unbound(records...)

	s.say("The gateway's nftables.conf has empty sets, and rules about them:")
	l.Load(ruleset)
	s.show(ruleset)

	curl := func(url string) (string, error) {
		out, err := l.Curl("--cacert", cert.CertFile, url)
		return strings.TrimSpace(out), err
	}

	s.say("namewall runs in the gateway, as the clients' resolver, with this Corefile:")
	started := time.Now()
	n := l.Namewall(corefile)
	s.show(corefile)
	s.say("It answers %v after its start. The sets are still empty: nobody has asked for anything.", time.Since(started).Round(time.Millisecond))

	s.say("The client resolves and connects at once. Its first packet must get through: the firewall counts what it drops.")
	for _, url := range []string{
		"http://cc.fusionreactor.io:2804/", "https://api.fusionreactor.io/", "https://fe1.outsystemsenterprise.com/",
	} {
		body, err := curl(url)
		s.promise("curl "+url, err == nil, body, err)
	}
	drops := l.Drops()
	s.promise("packets that the firewall has dropped so far", drops == lab.Drops{}, fmt.Sprint(drops.Packets), nil)

	s.say("Nothing else gets through: not the other service's port, not a name that `except` takes out, not a name without a rule. All of them resolve.")
	for _, url := range []string{
		"http://api.fusionreactor.io:2804/", "https://cc.fusionreactor.io/",
		"https://test.outsystemsenterprise.com/", "https://www.example.com/",
	} {
		_, err := l.CurlInVain(url)
		s.promise("curl "+url, err != nil, "dropped by the firewall", nil)
	}
	s.promise("SYNs that the firewall dropped since", l.Drops().SYNs > 0, fmt.Sprint(l.Drops().SYNs), nil)

	s.say("What the kernel holds, and for how long it still does:")
	for _, set := range []string{"fusionreactor4", "fusionreactor6", "outsystems_out4", "outsystems_out6"} {
		s.show(l.NFT("list set inet filter " + set))
	}

	s.say("namewall crashes (SIGKILL). Who has resolved a name is not locked out:")
	n.Kill()
	err := l.Connect(0, netip.MustParseAddr("198.51.100.1"), 2804)
	s.promise("a connection to 198.51.100.1 port 2804", err == nil, "through", err)
	s.say("The next process takes over what it finds there:")
	l.Namewall(corefile)
	body, err := curl("https://api.fusionreactor.io/")
	s.promise("curl https://api.fusionreactor.io/", err == nil, body, err)
}
