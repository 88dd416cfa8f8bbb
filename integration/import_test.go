//go:build linux

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/integration/lab"
)

// importedLines have each form that dnsmasq takes, and lines that meet: a longer
// domain within a shorter one, back again, twice the same, and all names.
const importedLines = `
port=5353
listen-address=127.0.0.1
bind-interfaces
cache-size=0 # what it has cached, it puts into no set
nftset=/vpn.test/Two.Test/4#inet#filter#vpn4,6#inet#filter#vpn6
nftset=/direct.vpn.test/inet#filter#direct
nftset=/back.direct.vpn.test/6#inet#filter#vpn6,4#inet#filter#vpn4
nftset=/two.test/4#inet#filter#direct
nftset=/.dots.test./4#filter#legacy
nftset=/bücher.test/4#inet#filter#direct, 4#inet#filter#vpn4  # a comment
nftset=/only.six.test/6#inet#filter#vpn6
nftset="/quoted.test/4#inet#filter#direct"
nftset=/#/4#inet#filter#seen
`

// importedSets are dnsmasq's, in the family that it takes for granted if a line
// has none, too.
const importedSets = `
	set vpn4 { type ipv4_addr; }
	set vpn6 { type ipv6_addr; }
	set direct { type ipv4_addr; }
	set seen { type ipv4_addr; }`

const legacyTable = "table ip filter {\n\tset legacy { type ipv4_addr; }\n}\n"

// The same questions to dnsmasq and to namewall with the rules that were imported
// from dnsmasq's file: what is in a set of the one is in that of the other, and
// nothing else.
func TestImportedRulesDoAsDnsmasq(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	ruleset := lab.Ruleset(importedSets, "") + legacyTable
	l.Load(ruleset)
	s := l.Script()
	names := []string{
		"vpn.test.", "a.vpn.test.", "b.a.vpn.test.", "notvpn.test.", "direct.vpn.test.", "x.direct.vpn.test.",
		"back.direct.vpn.test.", "x.back.direct.vpn.test.", "xback.direct.vpn.test.", "two.test.", "www.two.test.",
		"dots.test.", "www.dots.test.", "xn--bcher-kva.test.", "www.xn--bcher-kva.test.", "only.six.test.", "six.test.",
		"quoted.test.", "else.", "www.else.", "alias.vpn.test.", "alias.else.",
	}
	for i, name := range names {
		s.Records(
			fmt.Sprintf("%s 60 IN A 198.51.100.%d", name, i+1),
			fmt.Sprintf("%s 60 IN A 203.0.113.%d", name, i+1),
			fmt.Sprintf("%s 60 IN AAAA 2001:db8:100::%d", name, i+1))
	}
	s.Records("alias.vpn.test. 60 IN CNAME www.else.")
	s.Records("alias.else. 60 IN CNAME a.vpn.test.")

	conf := l.Dnsmasq(importedLines)
	dir := t.TempDir()
	declared, out := filepath.Join(dir, "ruleset.nft"), filepath.Join(dir, "imported")
	if err := os.WriteFile(declared, []byte(ruleset), 0o600); err != nil {
		t.Fatal(err)
	}
	if text, err := l.Tool("import", "dnsmasq", conf, "--nft", declared, "--out", out); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	l.Load("include \"" + out + ".nft\"\n")
	l.Namewall(`
. {` + lab.Node + `
	nftset {
		mode feed
		` + lab.AllowWide + `
	}
	import ` + out + `.rules
	forward . ` + lab.Scripted + `
}`)

	for _, name := range names {
		for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
			q := new(dns.Msg).SetQuestion(name, qtype)
			theirs, err := l.Gateway.Ask("udp", lab.Dnsmasq, q)
			if err != nil {
				t.Fatal(err)
			}
			ours, err := l.Gateway.Ask("udp", "127.0.0.1:53", q)
			if err != nil {
				t.Fatal(err)
			}
			if a, b := lab.Addrs(theirs), lab.Addrs(ours); len(a) != len(b) {
				t.Errorf("%s: dnsmasq answers %v, namewall %v", name, a, b)
			}
		}
	}
	for _, set := range []string{"inet filter vpn4", "inet filter vpn6", "inet filter direct", "inet filter seen", "ip filter legacy"} {
		table, name := set[:strings.LastIndex(set, " ")], set[strings.LastIndex(set, " ")+1:]
		theirs, ours := l.KeysOf(set), l.KeysOf(table+" nw_"+name)
		slices.Sort(theirs)
		slices.Sort(ours)
		if len(theirs) < 2 || !slices.Equal(theirs, ours) {
			t.Errorf("%s: dnsmasq has %d elements, namewall %d\n%q\n%q", set, len(theirs), len(ours), theirs, ours)
		}
	}
}
