package packaging

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/integration/lab"
)

// records are the internet's DNS.
var records = []string{
	"cc.fusionreactor.io. 60 IN A 198.51.100.1",
	"cc.fusionreactor.io. 60 IN AAAA 2001:db8:100::c1",
	"api.fusionreactor.io. 60 IN A 198.51.100.3",
	"fe1.outsystemsenterprise.com. 60 IN A 203.0.113.1",
	"fe2.outsystemsenterprise.com. 60 IN A 203.0.113.2",
	"test.outsystemsenterprise.com. 60 IN A 203.0.113.4",
	"www.example.com. 60 IN A 203.0.113.9",
}

const limit = 20 * time.Second

// gateway is a lab whose gateway is set up with what is in this directory.
func gateway(t *testing.T) (*lab.Lab, *lab.Namewall) {
	t.Helper()
	l := lab.New(t)
	l.Load(ruleset(t))
	unbound(t, l)
	l.AcceptTCP(443)
	l.AcceptTCP(853)
	l.AcceptTCP(2804)
	n := l.Namewall(corefile(t))
	lab.Until(t, limit, "the rules are ready", func() error {
		if ok, who := n.Ready(); !ok {
			return errors.New(who)
		}
		return nil
	})
	return l, n
}

// unbound starts Unbound in the gateway with unbound.conf, and with records in
// place of the root.
func unbound(t *testing.T, l *lab.Lab) {
	t.Helper()
	conf, err := filepath.Abs("unbound.conf")
	if err != nil {
		t.Fatal(err)
	}
	text := "include: \"" + conf + "\"\nserver:\n" + `
	chroot: ""
	username: ""
	directory: ""
	pidfile: ""
	use-syslog: no
	logfile: ""
	local-zone: "." static
`
	for _, record := range records {
		text += "\tlocal-data: '" + record + "'\n"
	}
	file := filepath.Join(t.TempDir(), "unbound.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := l.Gateway.Start(t, nil, "unbound", "unbound", "-d", "-c", file)
	lab.Until(t, limit, "unbound answers", func() error {
		if err := p.Running(); err != nil {
			t.Fatalf("%v\n%s", err, p.Output())
		}
		_, err := l.Gateway.Ask("udp", "127.0.0.1:5335", new(dns.Msg).SetQuestion("www.example.com.", dns.TypeA))
		return err
	})
}

// resolve asks the gateway from client 0 and fails unless it gets addresses.
func resolve(t *testing.T, l *lab.Lab, name string, qtype uint16) {
	t.Helper()
	if m := l.Ask(lab.Client4(0), "udp", name, qtype); len(lab.Addrs(m)) == 0 {
		t.Errorf("no address:\n%v", m)
	}
}

func reaches(t *testing.T, l *lab.Lab, addr string, port int) {
	t.Helper()
	if err := l.Connect(0, netip.MustParseAddr(addr), port); err != nil {
		t.Errorf("%s port %d: %v", addr, port, err)
	}
}

func barred(t *testing.T, l *lab.Lab, addr string, port int) {
	t.Helper()
	if err := l.Knock(0, netip.MustParseAddr(addr), port); err == nil {
		t.Errorf("%s port %d is reached", addr, port)
	}
}

// The ruleset, the Corefile and Unbound together make the gateway that the
// README promises.
func TestGateway(t *testing.T) {
	t.Parallel()
	l, n := gateway(t)

	barred(t, l, "203.0.113.1", 443)
	resolve(t, l, "cc.fusionreactor.io.", dns.TypeA)
	resolve(t, l, "cc.fusionreactor.io.", dns.TypeAAAA)
	resolve(t, l, "api.fusionreactor.io.", dns.TypeA)
	reaches(t, l, "198.51.100.1", 2804)
	reaches(t, l, "2001:db8:100::c1", 2804)
	reaches(t, l, "198.51.100.3", 443)
	barred(t, l, "198.51.100.3", 2804)

	for _, name := range []string{"fe1.outsystemsenterprise.com.", "test.outsystemsenterprise.com.", "www.example.com."} {
		resolve(t, l, name, dns.TypeA)
	}
	reaches(t, l, "203.0.113.1", 443)
	barred(t, l, "203.0.113.4", 443)
	barred(t, l, "203.0.113.9", 443)
	lab.Until(t, limit, "what was dropped is told by its name", func() error {
		out, err := n.Asks("drops", "--name", "www.example.com")
		if err != nil || !strings.Contains(strings.Join(strings.Fields(out), " "), " 203.0.113.9 tcp/443 www.example.com, asked ") || !strings.Contains(strings.Join(strings.Fields(out), " "), ", matches no rule") {
			return fmt.Errorf("%w\n%s", err, out)
		}
		return nil
	})
}

// Who asks another resolver is answered by the gateway, whoever that resolver
// was meant to be, and encrypted DNS is refused at once.
func TestOtherResolvers(t *testing.T) {
	t.Parallel()
	l, _ := gateway(t)
	q := new(dns.Msg).SetQuestion("cc.fusionreactor.io.", dns.TypeA)
	for _, resolver := range []string{"198.51.100.53:53", "[2001:db8:100::53]:53"} {
		for _, network := range []string{"udp", "tcp"} {
			m, err := l.Client.Ask(network, resolver, q)
			if err != nil || len(lab.Addrs(m)) == 0 {
				t.Errorf("%s %s: %v, %v", network, resolver, err, m)
			}
		}
	}
	reaches(t, l, "198.51.100.1", 2804)
	for _, resolver := range []string{"198.51.100.53", "2001:db8:100::53"} {
		if err := l.Knock(0, netip.MustParseAddr(resolver), 853); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%s port 853: %v", resolver, err)
		}
	}
	m := l.Ask(lab.Client4(0), "udp", "use-application-dns.net.", dns.TypeA)
	if m.Rcode != dns.RcodeNameError {
		t.Errorf("a browser would take a resolver of its own:\n%v", m)
	}
}

// Loading the ruleset again keeps the elements, their lives and the rules.
func TestRulesetReload(t *testing.T) {
	t.Parallel()
	l, _ := gateway(t)
	resolve(t, l, "cc.fusionreactor.io.", dns.TypeA)
	resolve(t, l, "api.fusionreactor.io.", dns.TypeA)
	before := l.Elements("fusionreactor4")
	for range 3 {
		l.Load(ruleset(t))
		reaches(t, l, "198.51.100.1", 2804)
	}
	after := l.Elements("fusionreactor4")
	if len(before) != 2 || len(after) != 2 || after[0].Key != before[0].Key || after[0].Expires > before[0].Expires {
		t.Errorf("before %+v, after %+v", before, after)
	}
	if rules := l.NFT("list chain inet filter outbound"); strings.Count(rules, "@fusionreactor4") != 1 {
		t.Errorf("rules have doubled or gone:\n%s", rules)
	}
}

// The vendor's front-ends get in without anybody's having asked for them, and
// nobody else does, whatever a client asks for.
func TestInbound(t *testing.T) {
	t.Parallel()
	l, _ := gateway(t)
	l.AcceptInside(443)
	lab.Until(t, limit, "the front-ends are known", func() error {
		keys := l.Keys("outsystems_in4")
		slices.Sort(keys)
		if want := []string{"203.0.113.1", "203.0.113.2"}; !slices.Equal(keys, want) {
			return fmt.Errorf("outsystems_in4 holds %q, want %q", keys, want)
		}
		return nil
	})
	if err := l.ComeIn("203.0.113.1", 443); err != nil {
		t.Errorf("the front-end doesn't get in: %v", err)
	}
	resolve(t, l, "test.outsystemsenterprise.com.", dns.TypeA)
	resolve(t, l, "www.example.com.", dns.TypeA)
	for _, stranger := range []string{"203.0.113.4", "203.0.113.9", "203.0.113.99"} {
		if err := l.ComeIn(stranger, 443); err == nil {
			t.Errorf("%s gets in", stranger)
		}
	}
}
