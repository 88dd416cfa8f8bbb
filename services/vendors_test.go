package services

import (
	"errors"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/integration/lab"
)

// Agents get through to both services, by all addresses of both, without anybody's
// having asked, and to nothing else.
func TestFusionReactor(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	l.Load(ruleset(t, "fusionreactor"))
	l.AcceptTCP(443)
	l.AcceptTCP(2804)
	l.Unbound(
		"cc.fusionreactor.io. 60 IN A 198.51.100.1",
		"cc.fusionreactor.io. 60 IN A 198.51.100.2",
		"cc.fusionreactor.io. 60 IN AAAA 2001:db8:100::c1",
		"api.fusionreactor.io. 60 IN A 198.51.100.3",
		"api.fusionreactor.io. 60 IN A 198.51.100.4",
		"www.fusionreactor.io. 60 IN A 198.51.100.5",
	)
	start(t, l, corefile(t, lab.Real, "fusionreactor.corefile"))
	for _, addr := range []string{"198.51.100.1", "198.51.100.2", "2001:db8:100::c1"} {
		reaches(t, l, addr, 2804)
		barred(t, l, addr, 443)
	}
	for _, addr := range []string{"198.51.100.3", "198.51.100.4"} {
		reaches(t, l, addr, 443)
		barred(t, l, addr, 2804)
	}
	l.Ask(lab.Client4(0), "udp", "www.fusionreactor.io.", dns.TypeA)
	barred(t, l, "198.51.100.5", 443)
}

// Agents get through to the vendor's static address on both ports, from the moment
// that the gateway is there and whoever asked, and over a flush of the ruleset.
func TestFusionReactorStatic(t *testing.T) {
	t.Parallel()
	const addr = "52.214.198.96"
	l := lab.New(t)
	l.Load(ruleset(t, "fusionreactor-static"))
	if _, err := l.Wide.Run(nil, "ip", "route", "add", "local", addr, "dev", "lo"); err != nil {
		t.Fatal(err)
	}
	for _, port := range []int{80, 443, 2804} {
		l.AcceptTCP(port)
	}
	barred(t, l, addr, 443)
	l.Unbound("api-static.fusionreactor.io. 60 IN A 52.214.198.96")
	text := corefile(t, lab.Real, "fusionreactor-static.corefile")
	n := start(t, l, text)
	reaches(t, l, addr, 443)
	reaches(t, l, addr, 2804)
	barred(t, l, addr, 80)

	l.NFT("flush set inet filter fusionreactor_static4")
	lab.Until(t, limit, "the set is filled again", func() error {
		if keys := l.Keys("fusionreactor_static4"); len(keys) != 2 {
			return errors.New(strings.Join(keys, ", "))
		}
		return nil
	})
	reaches(t, l, addr, 2804)

	why, err := n.Asks("why", addr, "tcp/443")
	if err != nil || !strings.Contains(why, "written in the Corefile, under 'static' (rule fusionreactor-static)") {
		t.Errorf("why: %v\n%s", err, why)
	}
	policy, err := l.Command(text, "export", "fusionreactor-static", "--format", "java-policy")
	if err != nil || !strings.Contains(policy, `SocketPermission "52.214.198.96:2804", "connect, accept, resolve";`) {
		t.Errorf("export: %v\n%s", err, policy)
	}

	n.Kill()
	reaches(t, l, addr, 443) // nobody has closed the door
}

// People inside get through to the environments that they have resolved.
func TestOutSystemsOutbound(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	l.Load(ruleset(t, "outsystems-outbound"))
	l.AcceptTCP(443)
	l.Unbound("acme.outsystemsenterprise.com. 60 IN A 203.0.113.1", "outsystemsenterprise.com. 60 IN A 203.0.113.2")
	start(t, l, corefile(t, lab.Real, "outsystems-outbound.corefile"))
	barred(t, l, "203.0.113.1", 443)
	l.Ask(lab.Client4(0), "udp", "acme.outsystemsenterprise.com.", dns.TypeA)
	l.Ask(lab.Client4(0), "udp", "outsystemsenterprise.com.", dns.TypeA)
	reaches(t, l, "203.0.113.1", 443)
	barred(t, l, "203.0.113.2", 443)
}

// Front-ends get in, and nobody else, whatever is asked for inside.
func TestOutSystemsInbound(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	l.Load(ruleset(t, "outsystems-inbound"))
	l.AcceptInside(443)
	l.Unbound(
		"fe1.outsystemsenterprise.com. 60 IN A 203.0.113.1",
		"fe1.outsystemsenterprise.com. 60 IN AAAA 2001:db8:100::f1",
		"fe2.outsystemsenterprise.com. 60 IN A 203.0.113.2",
		"acme.outsystemsenterprise.com. 60 IN A 203.0.113.80",
	)
	start(t, l, corefile(t, lab.Real, fill(t, "outsystems-inbound.corefile", templates["outsystems-inbound"]...)))
	l.Ask(lab.Client4(0), "udp", "acme.outsystemsenterprise.com.", dns.TypeA)
	for _, from := range []string{"203.0.113.1", "203.0.113.2", "2001:db8:100::f1"} {
		if err := l.ComeIn(from, 443); err != nil {
			t.Errorf("%s doesn't get in: %v", from, err)
		}
	}
	for _, from := range []string{"203.0.113.80", "203.0.113.9"} {
		if l.ComeIn(from, 443) == nil {
			t.Errorf("%s gets in", from)
		}
	}
}
