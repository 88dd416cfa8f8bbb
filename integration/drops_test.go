//go:build linux

package integration

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/integration/lab"
	"github.com/namewall/namewall/internal/control"
	"github.com/namewall/namewall/internal/suggest"
)

// dropLimit is how long a packet may take from the firewall to where it is told.
const dropLimit = 20 * time.Second

// dropsRuleset lets through what sets hold, and logs the rest to group 7.
func dropsRuleset(logging string) string {
	return lab.Ruleset(`
	set open4   { type ipv4_addr; flags timeout; size 65536; }
	set open6   { type ipv6_addr; flags timeout; size 65536; }
	set brief4  { type ipv4_addr; flags timeout; size 65536; }
	set ports4  { type ipv4_addr . inet_proto . inet_service; flags timeout; size 65536; }
	set vendor4 { type ipv4_addr; flags timeout; size 65536; }`, `
		ip daddr @open4 tcp dport 443 accept
		ip6 daddr @open6 tcp dport 443 accept
		ip daddr @brief4 accept
		ip daddr . meta l4proto . th dport @ports4 accept
		iifname "wan" ip saddr @vendor4 tcp dport 443 accept
		`+logging)
}

const dropsRules = `
	nftset open {
		set  inet filter open4
		set  inet filter open6
		name *.open.test
	}
	nftset brief {
		set      inet filter brief4
		name     *.brief.test
		lifetime 1s 1s 1s
	}
	nftset ports {
		set  inet filter ports4
		name *.ports.test tcp/443
	}
	nftset vendor {
		set     inet filter vendor4
		resolve fe.vendor.test
	}
	forward . ` + lab.Scripted

func dropsCorefile(group, more string) string {
	return ". {" + lab.Node + "\n	nftset {\n		" + lab.AllowWide + "\n		state /var/lib/namewall\n		" + group + "\n	}" + dropsRules + more + "\n}\n"
}

func newDropsLab(t *testing.T) (*lab.Lab, *lab.Script) {
	t.Helper()
	l := lab.New(t)
	l.Load(dropsRuleset("log group 7"))
	s := l.Script()
	s.Records(
		"www.open.test. 60 IN A 198.51.100.1", "inside.open.test. 60 IN A 10.1.2.3", "six.open.test. 60 IN AAAA 2001:db8:100::1",
		"a.brief.test. 1 IN A 198.51.100.5", "a.ports.test. 60 IN A 198.51.100.6", "fe.vendor.test. 60 IN A 198.51.100.200",
		"api.other.test. 60 IN A 198.51.100.7", "six.other.test. 60 IN AAAA 2001:db8:100::7", "voip.other.test. 60 IN A 198.51.100.8",
	)
	return l, s
}

// knock sends one SYN from a client, which is dropped.
func knock(t *testing.T, l *lab.Lab, client int, addr string, port int) {
	t.Helper()
	if err := l.Knock(client, netip.MustParseAddr(addr), port); err == nil {
		t.Errorf("client %d reaches %s port %d", client, addr, port)
	}
}

// What the firewall drops is joined with the name that it was, in every way that a
// packet may come to be dropped.
func TestDrops(t *testing.T) {
	t.Parallel()
	l, _ := newDropsLab(t)
	n := l.Namewall(dropsCorefile("drops 7", ""))
	lab.Until(t, dropLimit, "the group is read", func() error { return metricIs(n, "coredns_nftset_drops_read", 1) })
	watch := n.Watches("watch", "--kind", "dropped")
	for _, name := range []string{"www.open.test.", "inside.open.test.", "a.brief.test.", "a.ports.test.", "api.other.test.", "voip.other.test."} {
		ask(l, name, dns.TypeA)
	}
	l.Ask(lab.Client6(0), "udp", "six.other.test.", dns.TypeAAAA)
	l.Ask(lab.Client6(0), "udp", "six.open.test.", dns.TypeAAAA)
	lab.Until(t, healLimit*2, "the short life is over", func() error {
		out, _ := n.Asks("why", "198.51.100.5")
		return contains(out, "has expired")
	})

	knock(t, l, 0, "198.51.100.7", 443)
	knock(t, l, 1, "198.51.100.7", 443)
	knock(t, l, 0, "198.51.100.5", 443)
	knock(t, l, 0, "10.1.2.3", 443)
	knock(t, l, 0, "203.0.113.99", 443)
	knock(t, l, 0, "198.51.100.1", 80)
	knock(t, l, 0, "198.51.100.6", 8443)
	knock(t, l, 0, "2001:db8:100::7", 443)
	knock(t, l, 0, "2001:db8:100::99", 443)
	knock(t, l, 0, "2001:db8:100::1", 80)
	shout(t, l, "198.51.100.8:3478", 1)
	ping(t, l, "198.51.100.8")
	for from, port := range map[string]int{"198.51.100.200": 8080, "203.0.113.50": 443, "198.51.100.7": 443} {
		if err := l.ComeIn(from, port); err == nil {
			t.Errorf("%s comes in at port %d", from, port)
		}
	}
	wants := []string{
		"198.18.0.10 → 198.51.100.7 tcp/443 api.other.test, asked Ns before, matches no rule",
		"198.18.0.11 → 198.51.100.7 tcp/443 api.other.test, asked Ns before by 198.18.0.10, matches no rule",
		"198.18.0.10 → 198.51.100.5 tcp/443 a.brief.test (rule brief), asked Ns before, expired Ns before",
		"198.18.0.10 → 10.1.2.3 tcp/443 inside.open.test (rule open), asked Ns before, refused as private",
		"198.18.0.10 → 203.0.113.99 tcp/443 never in DNS since ",
		"198.18.0.10 → 198.51.100.1 tcp/80 www.open.test (rule open), asked Ns before, is in the set: the ruleset drops it all the same",
		"198.18.0.10 → 198.51.100.6 tcp/8443 a.ports.test (rule ports), asked Ns before, the rule opens other ports",
		"2001:db8::10 → 2001:db8:100::7 tcp/443 six.other.test, asked Ns before, matches no rule",
		"2001:db8::10 → 2001:db8:100::99 tcp/443 never in DNS since ",
		"2001:db8::10 → 2001:db8:100::1 tcp/80 six.open.test (rule open), asked Ns before, is in the set: the ruleset drops it all the same",
		"198.18.0.10 → 198.51.100.8 udp/3478 voip.other.test, asked Ns before, matches no rule",
		"198.18.0.10 → 198.51.100.8 icmp/8 voip.other.test, asked Ns before, matches no rule",
		"198.51.100.200 → 198.18.0.10 tcp/8080 fe.vendor.test (rule vendor), asked Ns before, is in the set: the ruleset drops it all the same",
		"203.0.113.50 → 198.18.0.10 tcp/443 never in DNS since ",
		"198.51.100.7 → 198.18.0.10 tcp/443 api.other.test, asked Ns before, matches no rule",
	}
	lab.Until(t, dropLimit, "the drops are told", func() error {
		out, _ := n.Asks("drops")
		return contains(flat(out), wants...)
	})
	lab.Until(t, dropLimit, "watch tells", func() error {
		return contains(flat(watch.Output()), "dropped 198.18.0.10 → 198.51.100.7 tcp/443: api.other.test, asked Ns ago, matches no rule")
	})
	if err := watch.Stop(); err != nil {
		t.Error(err)
	}
	for cause, least := range map[string]float64{"no_rule": 5, "expired": 1, "special": 1, "never_asked": 3, "in_set": 3, "other_service": 1} {
		if got := n.Metric("coredns_nftset_dropped_packets_total", fmt.Sprintf("cause=%q", cause)); got < least {
			t.Errorf("%s: %v packets", cause, got)
		}
	}
	for _, test := range []struct {
		about []string
		want  []string
	}{
		{[]string{"198.51.100.7"}, []string{"ago: told to 198.18.0.10, who asked for api.other.test: no rule matches it", "ago: the firewall dropped 198.18.0.11 → 198.51.100.7 tcp/443, once so far: api.other.test"}},
		{[]string{"api.other.test", "tcp/443", "--client", "198.18.0.10"}, []string{"no rule matches it", "the firewall dropped 198.18.0.10 → 198.51.100.7 tcp/443"}},
	} {
		if err := contains(flat(tells(t, n, 1, append([]string{"why"}, test.about...)...)), test.want...); err != nil {
			t.Errorf("why %v: %v", test.about, err)
		}
	}
	var found control.Drops
	decoded(t, tells(t, n, 0, "drops", "--json", "--client", "198.18.0.11"), &found)
	if len(found.Drops) != 1 || found.Drops[0].Name != "api.other.test." || found.Drops[0].AskedBy != "198.18.0.10" || *found.Group != 7 || found.Packets < 15 {
		t.Errorf("%+v", found)
	}
	decoded(t, tells(t, n, 0, "drops", "--json", "--client", "2001:db8::/64", "--cause", "no_rule"), &found)
	if len(found.Drops) != 1 || found.Drops[0].Client != "2001:db8::/64" || found.Drops[0].From != "2001:db8::10" {
		t.Errorf("%+v", found)
	}
	decoded(t, tells(t, n, 0, "drops", "--json", "--name", "API.other.test", "--since", "1h"), &found)
	if len(found.Drops) != 3 {
		t.Errorf("%+v", found)
	}
	if out := tells(t, n, 1, "drops", "--address", "203.0.113.1"); out != "no such drops\n" {
		t.Errorf("%s", out)
	}
	for _, wrong := range [][]string{{"--since", "yesterday"}, {"--client", "me"}, {"--name", "a..b"}, {"--address", "x"}, {"--limit", "0"}} {
		tells(t, n, 1, append([]string{"drops"}, wrong...)...)
	}

	// A rule that comes later is told, and what was seen outlives the process.
	if err := n.Reload(dropsCorefile("drops 7", "\n	nftset more {\n		set inet filter open4\n		name *.other.test\n	}")); err != nil {
		t.Fatal(err)
	}
	lab.Until(t, dropLimit, "what is covered by now is told", func() error {
		return contains(tells(t, n, 0, "drops", "--name", "api.other.test"), "    by now rule more opens it\n")
	})
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	n.Again()
	if err := contains(flat(tells(t, n, 0, "drops")), wants...); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

// A rollout: at first everything is let through, and what no set holds is logged.
// What is suggested of that is a rule that parses as it stands, and opens it.
func TestRollout(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	ruleset := func(policy string) string {
		return strings.Replace(lab.Ruleset(`
	set suggested4 { type ipv4_addr . inet_proto . inet_service; flags timeout; size 65536; }
	set suggested6 { type ipv6_addr . inet_proto . inet_service; flags timeout; size 65536; }`, `
		ip daddr . meta l4proto . th dport @suggested4 accept
		ip6 daddr . meta l4proto . th dport @suggested6 accept
		ct state new limit rate 1000/second log group 7`), "policy drop", "policy "+policy, 1)
	}
	l.Load(ruleset("accept"))
	l.AcceptTCP(443)
	l.AcceptTCP(8443)
	l.Script().Records(
		"fe1.vendor.com. 60 IN A 198.51.100.1", "fe2.vendor.com. 60 IN A 198.51.100.2", "fe3.vendor.com. 60 IN A 198.51.100.3", "fe4.vendor.com. 60 IN A 198.51.100.4",
		"api.other.com. 60 IN AAAA 2001:db8:100::7",
		"a.github.io. 60 IN A 203.0.113.1", "b.github.io. 60 IN A 203.0.113.2", "c.github.io. 60 IN A 203.0.113.3", "d.github.io. 60 IN A 203.0.113.4",
	)
	corefile := func(more string) string {
		return ". {" + lab.Node + "\n	nftset {\n		" + lab.AllowWide + "\n		mode feed\n		drops 7\n	}\n" + more + "\n	forward . " + lab.Scripted + "\n}\n"
	}
	n := l.Namewall(corefile(""))
	lab.Until(t, dropLimit, "the group is read", func() error { return metricIs(n, "coredns_nftset_drops_read", 1) })
	if out := tells(t, n, 1, "suggest"); out != "# Nothing was dropped, as far as is known.\n" {
		t.Errorf("%s", out)
	}
	connect := func(addr string, port int) {
		t.Helper()
		if err := l.Connect(0, netip.MustParseAddr(addr), port); err != nil {
			t.Errorf("%s port %d: %v", addr, port, err)
		}
	}
	use := func(names ...string) {
		t.Helper()
		for _, name := range names {
			qtype, port := dns.TypeA, 443
			if name == "api.other.com." {
				qtype, port = dns.TypeAAAA, 8443
			}
			for _, addr := range lab.Addrs(ask(l, name, qtype)) {
				connect(addr.String(), port)
			}
		}
	}
	asked := []string{"fe1.vendor.com.", "fe2.vendor.com.", "fe3.vendor.com.", "api.other.com.", "a.github.io.", "b.github.io.", "c.github.io."}
	use(asked...)
	connect("203.0.113.99", 443)
	suggested := ""
	lab.Until(t, dropLimit, "all is suggested", func() error {
		suggested, _ = n.Asks("suggest")
		return contains(suggested, "\n    # 3 names, 3 packets of 1 client: fe1.vendor.com fe2.vendor.com fe3.vendor.com\n    name fe*.vendor.com tcp/443\n",
			"\n    name api.other.com tcp/8443\n", "\n    name a.github.io tcp/443\n", "\n    name b.github.io tcp/443\n", "\n    name c.github.io tcp/443\n",
			"\n#     static 203.0.113.99 tcp/443   # 1 packet of 1 client\n")
	})
	var s suggest.Suggestion
	decoded(t, tells(t, n, 0, "suggest", "--json"), &s)
	if len(s.Lines) != 5 || s.Lines[0].Packets != 3 || len(s.Unnamed) != 1 {
		t.Errorf("%+v", s)
	}
	tells(t, n, 2, "suggest", "--rule", "a_b")
	file := filepath.Join(t.TempDir(), "suggested.rules")
	if err := os.WriteFile(file, []byte(suggested), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := n.Reload(corefile("	import " + file)); err != nil {
		t.Fatal(err)
	}
	if out := tells(t, n, 1, "suggest"); !strings.Contains(out, "# By now rules let through 7 packets of them.\n# No name without a rule was behind it.\n") {
		t.Errorf("%s", out)
	}
	l.Load("flush chain inet filter forward\n" + regexp.MustCompile(`(?m)^\s*(counter \w+ \{ \}|set .*)$`).ReplaceAllString(ruleset("drop"), ""))
	use(asked...)
	use("fe4.vendor.com.")
	for _, addr := range lab.Addrs(ask(l, "d.github.io.", dns.TypeA)) {
		knock(t, l, 0, addr.String(), 443)
	}
	knock(t, l, 0, "203.0.113.99", 443)
	lab.Until(t, dropLimit, "what is still dropped is suggested", func() error {
		out, _ := n.Asks("suggest")
		return contains(out, "\n    name d.github.io tcp/443\n", "static 203.0.113.99 tcp/443   # 2 packets of 1 client")
	})
}

// A group follows the Corefile, and a Corefile that fails changes nothing.
func TestDropsReload(t *testing.T) {
	t.Parallel()
	l, _ := newDropsLab(t)
	n := l.Namewall(dropsCorefile("", ""))
	if out := tells(t, n, 1, "drops"); !strings.Contains(out, "no 'drops GROUP'") {
		t.Errorf("%s", out)
	}
	if out := flat(tells(t, n, 1, "why", "198.51.100.7")); !strings.Contains(out, "remembered only with 'drops'") {
		t.Errorf("%s", out)
	}
	group := func(want uint16) {
		t.Helper()
		lab.Until(t, dropLimit, "the group is read", func() error { return metricIs(n, "coredns_nftset_drops_read", 1) })
		var found control.Drops
		out, _ := n.Asks("drops", "--json")
		decoded(t, out, &found)
		if found.Group == nil || *found.Group != want {
			t.Errorf("group %v is read, want %d", found.Group, want)
		}
	}
	if err := n.Reload(dropsCorefile("drops 7", "")); err != nil {
		t.Fatal(err)
	}
	group(7)
	ask(l, "api.other.test.", dns.TypeA)
	knock(t, l, 0, "198.51.100.7", 443)
	told := func(service string) {
		t.Helper()
		lab.Until(t, dropLimit, "the drop of "+service, func() error {
			out, _ := n.Asks("drops")
			return contains(flat(out), service+" api.other.test, asked Ns before, matches no rule")
		})
	}
	told("tcp/443")
	for _, bad := range []string{
		dropsCorefile("drops 70000", ""),
		dropsCorefile("drops 8", "\n	bind 203.0.113.1"), // which is nobody's here
	} {
		if n.Reload(bad) == nil {
			t.Errorf("accepted:\n%s", bad)
		}
		group(7)
	}
	knock(t, l, 0, "198.51.100.7", 444)
	told("tcp/444")
	l.Load("flush chain inet filter forward\n" + strings.Replace(dropsRuleset("log group 8"), "counter dropped_syn { }\n	counter dropped { }", "", 1))
	if err := n.Reload(dropsCorefile("drops 8", "")); err != nil {
		t.Fatal(err)
	}
	group(8)
	knock(t, l, 0, "198.51.100.7", 445)
	told("tcp/445") // asked for before the reload
	if err := n.Reload(dropsCorefile("", "")); err != nil {
		t.Fatal(err)
	}
	if out := tells(t, n, 0, "drops"); !strings.Contains(out, "no 'drops GROUP'") || !strings.Contains(out, "tcp/445") {
		t.Errorf("%s", out)
	}
	if err := metricIs(n, "coredns_nftset_drops_read", 0); err != nil {
		t.Error(err)
	}
}

// A group that can't be read is told of once, and read when it can be; packets that
// come too fast are counted. DNS goes on.
func TestDropsFaults(t *testing.T) {
	t.Parallel()
	l, _ := newDropsLab(t)
	other := l.Starts(strings.NewReplacer(". {", ".:5353 {", "127.0.0.1:9153", "127.0.0.1:9154", "127.0.0.1:8181", "127.0.0.1:8182").Replace(dropsCorefile("drops 7", "")))
	lab.Until(t, dropLimit, "the group is read", func() error {
		out, _ := other.Asks("drops", "--json")
		if err := contains(out, `"problem"`); err == nil {
			return fmt.Errorf("not yet: %s", out)
		}
		return contains(out, `"group": 7`)
	})
	n := l.Namewall(dropsCorefile("drops 7", ""))
	lab.Until(t, dropLimit, "it is told that another process reads the group", func() error {
		return contains(n.Output(), "NFLOG group 7: another process reads this group: give the ruleset and 'drops' another number")
	})
	if err := metricIs(n, "coredns_nftset_drops_read", 0); err != nil {
		t.Error(err)
	}
	if n.Metric("coredns_nftset_drops_failures_total") == 0 {
		t.Error("no failure is counted")
	}
	if out := flat(tells(t, n, 1, "drops")); !strings.Contains(out, "nothing is read: NFLOG group 7: another process") {
		t.Errorf("%s", out)
	}
	answers(t, l, "www.open.test.", dns.TypeA, "198.51.100.1")
	if err := other.Stop(); err != nil {
		t.Fatal(err)
	}
	lab.Until(t, dropLimit, "it is read once it can be", func() error {
		return contains(n.Output(), "NFLOG group 7 is read again")
	})
	if got := strings.Count(n.Output(), "another process reads"); got != 1 {
		t.Errorf("told %d times", got)
	}

	shout(t, l, "198.51.100.8:3478", 30_000)
	lab.Until(t, dropLimit, "what came too fast is counted", func() error {
		shout(t, l, "198.51.100.8:3478", 1) // whose number tells
		if n.Metric("coredns_nftset_dropped_packets_lost_total") == 0 {
			return fmt.Errorf("nothing is lost of %v", n.Metric("coredns_nftset_dropped_packets_total"))
		}
		return nil
	})
	answers(t, l, "www.open.test.", dns.TypeA, "198.51.100.1")
	if out := tells(t, n, 0, "drops"); !strings.Contains(out, " packets came too fast to be read") {
		t.Errorf("%s", out)
	}
}

// Without CAP_NET_ADMIN nothing is read, and that is told; DNS goes on.
func TestDropsWithoutPrivileges(t *testing.T) {
	t.Parallel()
	l, _ := newDropsLab(t)
	n := l.NamewallUnder([]string{"setpriv", "--bounding-set", "-net_admin", "--"}, dropsCorefile("drops 7", ""))
	lab.Until(t, dropLimit, "it is told what is missing", func() error {
		return contains(n.Output(), "NFLOG group 7: reading it needs CAP_NET_ADMIN")
	})
	answers(t, l, "api.other.test.", dns.TypeA, "198.51.100.7")
}

// seconds are what differs from one run to the next.
var seconds = regexp.MustCompile(`(\d+m)?\d+s `)

// flat is text without its folds, and without seconds.
func flat(text string) string {
	return seconds.ReplaceAllString(strings.Join(strings.Fields(text), " "), "Ns ")
}

// ping sends one echo request from client 0.
func ping(t *testing.T, l *lab.Lab, to string) {
	t.Helper()
	err := l.Client.Do(func() error {
		conn, err := net.Dial("ip4:icmp", to)
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.Write([]byte{8, 0, 0xf7, 0xff, 0, 0, 0, 0}) // with its checksum (RFC 792)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// shout sends UDP packets from client 0.
func shout(t *testing.T, l *lab.Lab, to string, packets int) {
	t.Helper()
	err := l.Client.Do(func() error {
		conn, err := net.Dial("udp", to)
		if err != nil {
			return err
		}
		defer conn.Close()
		for range packets {
			_, _ = conn.Write([]byte("x")) // ENOBUFS, maybe
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func metricIs(n *lab.Namewall, name string, want float64, labels ...string) error {
	if got := n.Metric(name, labels...); got != want {
		return fmt.Errorf("%s is %v, want %v", name, got, want)
	}
	return nil
}
