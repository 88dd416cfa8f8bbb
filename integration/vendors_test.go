//go:build linux

package integration

import (
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/integration/lab"
)

// fusionReactor are the vendor's names, as its documentation has them, each
// with two addresses of each family.
var fusionReactor = []string{
	"cc.fusionreactor.io. 60 IN A 198.51.100.1",
	"cc.fusionreactor.io. 60 IN A 198.51.100.2",
	"cc.fusionreactor.io. 60 IN AAAA 2001:db8:100::c1",
	"cc.fusionreactor.io. 60 IN AAAA 2001:db8:100::c2",
	"api.fusionreactor.io. 60 IN A 198.51.100.3",
	"api.fusionreactor.io. 60 IN A 198.51.100.4",
	"api.fusionreactor.io. 60 IN AAAA 2001:db8:100::a3",
	"api.fusionreactor.io. 60 IN AAAA 2001:db8:100::a4",
	"www.fusionreactor.io. 60 IN A 198.51.100.5",
}

// The agents of FusionReactor connect to cc at 2804 and to api at 443, all
// addresses of both; the addresses of one are not open at the port of the other.
func TestFusionReactor(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	l.Load(lab.Ruleset(`
	set fusionreactor4 { type ipv4_addr . inet_proto . inet_service; flags timeout; size 65535; }
	set fusionreactor6 { type ipv6_addr . inet_proto . inet_service; flags timeout; size 65535; }`, `
		ip daddr . meta l4proto . th dport @fusionreactor4 accept
		ip6 daddr . meta l4proto . th dport @fusionreactor6 accept`))
	cert := lab.NewCert(t, "api.fusionreactor.io", "cc.fusionreactor.io")
	l.HTTP(2804, nil)
	l.HTTP(443, cert.Server())
	l.Unbound(fusionReactor...)
	l.Namewall(`
. {` + lab.Node + `
	nftset {
		` + lab.AllowWide + `
	}
	nftset fusionreactor {
		set  inet filter fusionreactor4 ipv4_addr . inet_proto . inet_service
		set  inet filter fusionreactor6 ipv6_addr . inet_proto . inet_service
		name cc.fusionreactor.io  tcp/2804
		name api.fusionreactor.io tcp/443
	}
	cache
	forward . ` + lab.Real + `
}`)

	for _, url := range []string{"http://cc.fusionreactor.io:2804/", "https://api.fusionreactor.io/"} {
		for _, family := range []string{"-4", "-6"} {
			if body, err := l.Curl(family, "--cacert", cert.CertFile, url); err != nil || !strings.Contains(body, " for ") {
				t.Errorf("curl %s %s: %q, %v", family, url, body, err)
			}
		}
	}
	for _, open := range []struct {
		addr string
		port int
	}{
		{"198.51.100.1", 2804}, {"198.51.100.2", 2804}, {"2001:db8:100::c1", 2804}, {"2001:db8:100::c2", 2804},
		{"198.51.100.3", 443}, {"198.51.100.4", 443}, {"2001:db8:100::a3", 443}, {"2001:db8:100::a4", 443},
	} {
		reaches(t, l, 0, open.addr, open.port)
		barred(t, l, 0, open.addr, 443+2804-open.port)
	}

	answers(t, l, "www.fusionreactor.io.", dns.TypeA, "198.51.100.5")
	barred(t, l, 0, "198.51.100.5", 443)
}

// The clients of OutSystems reach everything below the vendor's domain but what
// `except` names, and the domain itself is not below it.
func TestOutSystems(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	l.Load(lab.Ruleset(`
	set outsystems_out4 { type ipv4_addr; flags timeout; size 65535; }
	set outsystems_out6 { type ipv6_addr; flags timeout; size 65535; }`, `
		ip daddr @outsystems_out4 tcp dport 443 accept
		ip6 daddr @outsystems_out6 tcp dport 443 accept`))
	cert := lab.NewCert(t, "*.outsystemsenterprise.com", "*.acme.outsystemsenterprise.com", "outsystemsenterprise.com")
	l.HTTP(443, cert.Server())
	l.Unbound(
		"fe1.outsystemsenterprise.com. 60 IN A 203.0.113.1",
		"fe1.outsystemsenterprise.com. 60 IN AAAA 2001:db8:100::f1",
		"fe2.outsystemsenterprise.com. 60 IN A 203.0.113.2",
		"dev.acme.outsystemsenterprise.com. 60 IN A 203.0.113.3",
		"test.outsystemsenterprise.com. 60 IN A 203.0.113.4",
		"outsystemsenterprise.com. 60 IN A 203.0.113.5",
		"notoutsystemsenterprise.com. 60 IN A 203.0.113.6",
	)
	l.Namewall(`
. {` + lab.Node + `
	nftset {
		` + lab.AllowWide + `
	}
	nftset outsystems-out {
		set    inet filter outsystems_out4
		set    inet filter outsystems_out6
		name   *.outsystemsenterprise.com
		except test.outsystemsenterprise.com
	}
	cache
	forward . ` + lab.Real + `
}`)

	for _, host := range []string{"fe1", "fe2", "dev.acme", "FE1"} {
		url := "https://" + host + ".outsystemsenterprise.com/"
		if body, err := l.Curl("--cacert", cert.CertFile, url); err != nil || !strings.Contains(body, " for ") {
			t.Errorf("curl %s: %q, %v", url, body, err)
		}
	}
	reaches(t, l, 0, "2001:db8:100::f1", 443)
	for name, addr := range map[string]string{
		"test.outsystemsenterprise.com.": "203.0.113.4",
		"outsystemsenterprise.com.":      "203.0.113.5",
		"notoutsystemsenterprise.com.":   "203.0.113.6",
	} {
		answers(t, l, name, dns.TypeA, addr)
		barred(t, l, 0, addr, 443)
	}
}
