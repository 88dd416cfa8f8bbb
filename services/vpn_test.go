package services

import (
	"errors"
	"strings"
	"testing"

	"github.com/namewall/namewall/integration/lab"
)

const vpnSet = "inet filter outsystems_vpn4"

// holds waits until nft lists just these ranges in the set.
func holds(t *testing.T, l *lab.Lab, set string, ranges ...string) {
	t.Helper()
	lab.Until(t, limit, "the set holds "+strings.Join(ranges, ", "), func() error {
		_, list, _ := strings.Cut(l.NFT("list set "+set), "elements = {")
		list, _, _ = strings.Cut(list, "}")
		var got []string
		for element := range strings.SplitSeq(list, ",") {
			if element = strings.Join(strings.Fields(element), " "); element != "" {
				got = append(got, element)
			}
		}
		if text := strings.Join(got, ", "); text != strings.Join(ranges, ", ") {
			return errors.New("it holds " + text)
		}
		return nil
	})
}

// Front-ends get in from private addresses, and nobody else; over a flush, a reloaded
// ruleset, another Corefile, a crash, and a start with another Corefile.
func TestOutSystemsVPN(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	rules := ruleset(t, "outsystems-vpn")
	l.Load(rules)
	l.AcceptInside(443)
	for _, net := range []string{"10.0.0.0/8", "192.168.0.0/16"} {
		if _, err := l.Wide.Run(nil, "ip", "route", "add", "local", net, "dev", "lo"); err != nil {
			t.Fatal(err)
		}
	}
	text := corefile(t, lab.Real, "outsystems-vpn.corefile")
	text = strings.Replace(text, "\tnftset {\n", "\tnftset {\n\t\tstate "+t.TempDir()+"/state\n", 1)
	less := func(revoke string) string {
		return strings.Replace(text, "\timport ", "\tnftset vpn {\n\t\tset "+vpnSet+" ipv4_addr interval\n\t\tstatic 10.1.0.0/16\n\t\trevoke "+revoke+"\n\t}\n\t#", 1)
	}
	comesIn := func(from string, want bool) {
		t.Helper()
		if err := l.ComeIn(from, 443); (err == nil) != want {
			t.Errorf("%s gets in: %v", from, err)
		}
	}
	comesIn("10.1.2.3", false)
	n := start(t, l, text)
	all := []string{`10.0.0.0/8 comment "namewall"`, `172.16.0.0/12 comment "namewall"`, `192.168.0.0/16 comment "namewall"`}
	holds(t, l, vpnSet, all...)
	comesIn("10.1.2.3", true)
	comesIn("192.168.7.7", true)
	comesIn("203.0.113.9", false)

	for _, harm := range []string{
		"flush set " + vpnSet,
		"delete element " + vpnSet + " { 192.168.0.0/16 }",
		"flush ruleset",
	} {
		l.NFT(harm)
		if harm == "flush ruleset" {
			l.Load(rules)
		}
		holds(t, l, vpnSet, all...)
		comesIn("192.168.7.7", true)
	}

	// What the administrator holds there is his, also where it overlaps.
	l.NFT("flush set " + vpnSet + "; add element " + vpnSet + " { 192.168.0.0/17, 203.0.113.0/24 }")
	holds(t, l, vpnSet, all[0], all[1], "192.168.0.0/17", `192.168.128.0/17 comment "namewall"`, "203.0.113.0/24")
	comesIn("203.0.113.9", true)
	l.NFT("delete element " + vpnSet + " { 192.168.0.0/17, 203.0.113.0/24 }")
	holds(t, l, vpnSet, all...)

	why, err := n.Asks("why", "10.200.1.1")
	if err != nil || !strings.Contains(why, "10.0.0.0/8 in "+vpnSet) || !strings.Contains(why, "written in the Corefile, under 'static' (rule outsystems-vpn)") {
		t.Errorf("why: %v\n%s", err, why)
	}
	list, err := n.Asks("list", "--rule", "outsystems-vpn")
	if err != nil || !strings.Contains(list, "172.16.0.0/12") || !strings.Contains(list, "static (outsystems-vpn)") {
		t.Errorf("list: %v\n%s", err, list)
	}
	status, err := n.Asks("status")
	if err != nil || !strings.Contains(status, "ready, 3 static") {
		t.Errorf("status: %v\n%s", err, status)
	}
	export, err := l.Command(text, "export", "outsystems-vpn", "--format", "list")
	if err != nil || export != "10.0.0.0/8\n172.16.0.0/12\n192.168.0.0/16\n" {
		t.Errorf("export: %v\n%s", err, export)
	}

	if err := n.Reload(less("delete")); err != nil {
		t.Fatal(err)
	}
	holds(t, l, vpnSet, `10.1.0.0/16 comment "namewall"`)
	comesIn("10.1.2.3", true)
	comesIn("10.2.2.3", false)
	comesIn("192.168.7.7", false)
	if err := n.Reload(text); err != nil {
		t.Fatal(err)
	}
	holds(t, l, vpnSet, all...)

	n.Kill()
	comesIn("192.168.7.7", true)
	n = l.Namewall(less("delete"))
	holds(t, l, vpnSet, `10.1.0.0/16 comment "namewall"`)
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	comesIn("10.1.2.3", true)
	// A set that no rule has any more is known from the state file.
	l.Namewall(strings.Replace(text, "\timport ", "\t#", 1))
	holds(t, l, vpnSet)
	comesIn("10.1.2.3", false)
}
