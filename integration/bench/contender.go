//go:build linux

package main

import (
	_ "embed"
	"strings"

	"github.com/namewall/namewall/integration/lab"
)

//go:embed conf/gateway.corefile
var gatewayCorefile string

//go:embed conf/rule.corefile
var ruleCorefile string

//go:embed conf/dnsmasq.conf
var dnsmasqConf string

//go:embed conf/smartdns.conf
var smartdnsConf string

//go:embed conf/ruleset.nft
var sets string

// The sets that everybody feeds.
const (
	set4 = "bench4"
	set6 = "bench6"
)

// smartdnsCommand is where SmartDNS is, set by a flag: it need not be installed.
var smartdnsCommand string

// contender is a server under test. Only one runs at a time.
type contender struct {
	name  string
	feeds bool // the sets
	exact bool // it promises that no address is missing
	start func(*lab.Lab) *lab.Process
}

var (
	// namewall has a rule for every name that is asked for.
	namewall = &contender{"namewall", true, true, func(l *lab.Lab) *lab.Process {
		return l.Namewall(corefile(ruleCorefile)).Process
	}}
	// without is the same binary and Corefile without rules.
	without = &contender{"without rules", false, false, func(l *lab.Lab) *lab.Process {
		return l.Namewall(corefile("")).Process
	}}
	dnsmasq = &contender{"dnsmasq", true, false, func(l *lab.Lab) *lab.Process {
		return l.Peer(dnsmasqConf, "dnsmasq", "-k", "--log-facility=-", "-C")
	}}
	smartdns = &contender{"SmartDNS", true, false, func(l *lab.Lab) *lab.Process {
		return l.Peer(smartdnsConf, smartdnsCommand, "-f", "-p", "-", "-c")
	}}
)

// corefile is the gateway's with these rules.
func corefile(rules string) string {
	return strings.Replace(gatewayCorefile, "    # RULES\n", rules, 1)
}

// arena makes a lab with the sets and the upstream server.
func arena(t lab.T) *lab.Lab {
	t.Helper()
	l := lab.New(t)
	l.Load(lab.Ruleset(sets, `
		ip daddr @`+set4+` accept
		ip6 daddr @`+set6+` accept
`))
	l.Upstream("upstream", self, "upstream", lab.Scripted+":53")
	return l
}

// run starts a contender with empty sets, has it measured, and stops it.
func (c *contender) run(t lab.T, l *lab.Lab, measure func(*lab.Process)) {
	t.Helper()
	for _, set := range []string{set4, set6} {
		l.NFT("flush set inet filter " + set)
	}
	p := c.start(l)
	measure(p)
	if err := p.Stop(); err != nil {
		t.Fatalf("%s: %v", c.name, err)
	}
}
