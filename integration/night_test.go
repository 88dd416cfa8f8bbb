//go:build linux

package integration

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/integration/lab"
	"github.com/namewall/namewall/internal/state"
)

// fault is something that keeps an app from connecting.
type fault struct {
	name   string
	inject func(*night) // nil: it is there from the start, in the ruleset or the Corefile
	ask    []string     // the command that names it
	code   int          // with which that exits
	want   []string     // what it says
}

// night is a gateway with whatever can be wrong.
type night struct {
	*testing.T
	*lab.Lab
	upstream *lab.Script
	gateway  *lab.Namewall
	names    string // the file of names
}

const nightSets = `
	set web4     { type ipv4_addr; flags timeout; size 65536; }
	set small4   { type ipv4_addr; flags timeout; size 1; }
	set typed4   { type ipv4_addr . inet_service; flags timeout; size 65536; }
	set eternal4 { type ipv4_addr; size 65536; }
	set packets4 { type ipv4_addr; flags timeout, dynamic; size 65536; }
	set range4   { type ipv4_addr; flags timeout, interval; }
	set ports4   { type ipv4_addr . inet_proto . inet_service; flags timeout; size 65536; }
	set pairs4   { type ipv4_addr . ipv4_addr; flags timeout; size 65536; }`

const nightCorefile = `
elsewhere.test {
	forward . ` + lab.Scripted + `
}
. {` + lab.Node + `
	nftset {
		` + lab.AllowWide + `
		drops 7
		state STATE
	}
	nftset web {
		set    inet filter web4 ipv4_addr
		name   *.web.test *.elsewhere.test
		except not.web.test
		limit  1
	}
	nftset missing {
		set  inet filter missing4 ipv4_addr
		name *.missing.test
	}
	nftset typed {
		set  inet filter typed4 ipv4_addr
		name *.typed.test
	}
	nftset eternal {
		set  inet filter eternal4 ipv4_addr
		name *.eternal.test
	}
	nftset packets {
		set  inet filter packets4 ipv4_addr
		name *.packets.test
	}
	nftset range {
		set  inet filter range4 ipv4_addr
		name *.range.test
	}
	nftset small {
		set  inet filter small4 ipv4_addr
		name *.small.test
	}
	nftset ports {
		set  inet filter ports4 ipv4_addr . inet_proto . inet_service
		name *.ports.test tcp/443
	}
	nftset pairs {
		set  inet filter pairs4 ipv4_addr . ipv4_addr
		name *.pairs.test
	}
	nftset boss {
		set     inet filter web4 ipv4_addr
		name    *.boss.test
		clients 198.18.0.11
	}
	nftset brief {
		set      inet filter web4 ipv4_addr
		name     *.brief.test
		lifetime 1s 1s 1s
	}
	nftset signed {
		set     inet filter web4 ipv4_addr
		name    *.signed.test
		require validated
	}
	nftset listed {
		set   inet filter web4 ipv4_addr
		names NAMES
	}
	nftset vendor {
		set     inet filter web4 ipv4_addr
		resolve fe1.vendor.test
	}
	forward . ` + lab.Scripted + `
}`

// faults are what a site's network engineer is called for at night.
var faults = []fault{
	{"a set is missing", nil, []string{"why", "a.missing.test"}, 1,
		[]string{"rule missing: set inet filter missing4: no such set"}},
	{"a set has another type", nil, []string{"why", "a.typed.test"}, 1,
		[]string{"rule typed: set inet filter typed4: ", "ipv4_addr . inet_service"}},
	{"a set without timeouts", nil, []string{"why", "a.eternal.test"}, 1,
		[]string{"rule eternal: set inet filter eternal4: ", "flags timeout"}},
	{"a set that packets write to", nil, []string{"why", "a.packets.test"}, 1,
		[]string{"rule packets: set inet filter packets4: ", "dynamic"}},
	{"a set of ranges", nil, []string{"why", "a.range.test"}, 1,
		[]string{"rule range: set inet filter range4: ", "interval"}},
	{"the clock was not set at the start", nil, []string{"status"}, 1,
		[]string{"the clock was behind that of the state file at the start"}},
	{"a set is full", func(n *night) {
		ask(n.Lab, "a.small.test.", dns.TypeA)
		ask(n.Lab, "b.small.test.", dns.TypeA)
	}, []string{"why", "b.small.test"}, 1, []string{"198.51.100.2, refused to 198.18.0.10", "set inet filter small4 is full"}},
	{"DNS says a private address", func(n *night) { ask(n.Lab, "private.web.test.", dns.TypeA) },
		[]string{"why", "10.1.2.3"}, 1, []string{"refused to 198.18.0.10 who asked for private.web.test", "14 rules (web, missing, typed, …) would refuse it: it is a special-purpose address"}},
	{"the rule excepts the name", func(n *night) { ask(n.Lab, "not.web.test.", dns.TypeA) },
		[]string{"why", "not.web.test"}, 1, []string{"rule web excepts it", "no rule matches it"}},
	{"another server block has the name", func(n *night) { ask(n.Lab, "a.elsewhere.test.", dns.TypeA) },
		[]string{"why", "a.elsewhere.test"}, 1, []string{"rule web matches it, and the server block", "elsewhere.test", "answers it without that rule: import the rule there"}},
	{"no rule has the name", func(n *night) { ask(n.Lab, "a.other.test.", dns.TypeA) },
		[]string{"why", "a.other.test"}, 1, []string{"no rule matches it"}},
	{"more addresses than the rule's limit", func(n *night) { ask(n.Lab, "many.web.test.", dns.TypeA) },
		[]string{"why", "203.0.113.2"}, 1, []string{"limit of 1 addresses"}},
	{"the rule is for others", func(n *night) { ask(n.Lab, "a.boss.test.", dns.TypeA) },
		[]string{"why", "a.boss.test", "--client", "198.18.0.10"}, 1, []string{"no rule matches it when 198.18.0.10 asks"}},
	{"another client has asked", func(n *night) { n.Ask(lab.Client4(3), "udp", "a.pairs.test.", dns.TypeA) },
		[]string{"why", "198.51.100.7", "--client", "198.18.0.14"}, 1, []string{"198.18.0.13 . 198.51.100.7 is in inet filter pairs4: that is another client"}},
	{"the rule opens another port", func(n *night) { ask(n.Lab, "a.ports.test.", dns.TypeA) },
		[]string{"why", "198.51.100.6", "tcp/8443"}, 1, []string{"198.51.100.6 . tcp . 443 is in inet filter ports4: that is another service"}},
	{"the app remembers an address for too long", func(n *night) {
		ask(n.Lab, "a.brief.test.", dns.TypeA)
		lab.Until(n, healLimit*2, "the life is over", func() error {
			out, _ := n.gateway.Asks("why", "198.51.100.5")
			return contains(out, "has expired")
		})
	}, []string{"why", "198.51.100.5"}, 1, []string{"in inet filter web4 has expired; it was there for a.brief.test (rule brief), last asked by 198.18.0.10"}},
	{"only IPv4 has a set", func(n *night) { ask(n.Lab, "six.web.test.", dns.TypeAAAA) },
		[]string{"why", "six.web.test"}, 1, []string{"2001:db8:100::6", "no set"}},
	{"the zone isn't signed", func(n *night) { ask(n.Lab, "a.signed.test.", dns.TypeA) },
		[]string{"why", "a.signed.test"}, 1, []string{"198.51.100.9", "validated"}},
	{"a line of the file of names is wrong", func(n *night) {
		swap(n.T, n.names, "a.listed.test\nb..listed.test\n")
		lab.Until(n, namesLimit, "the file is refused", func() error { return contains(n.gateway.Output(), n.names+":2") })
	}, []string{"status"}, 1, []string{"vendors.names", "going on with the 1 patterns that it had before", "'b..listed.test' is no pattern"}},
	{"a browser asks elsewhere (DoH)", func(n *night) { knock(n.T, n.Lab, 0, "203.0.113.99", 443) },
		[]string{"drops", "--address", "203.0.113.99"}, 0, []string{"198.18.0.10 → 203.0.113.99 tcp/443", "never in DNS since"}},
	{"a JVM connects to an address that has expired", func(n *night) { knock(n.T, n.Lab, 0, "198.51.100.5", 443) },
		[]string{"drops", "--name", "a.brief.test"}, 0, []string{"198.18.0.10 → 198.51.100.5 tcp/443", "a.brief.test (rule brief)", "expired"}},
	{"a rule of the ruleset stands too early", func(n *night) {
		ask(n.Lab, "a.web.test.", dns.TypeA)
		n.NFT("insert rule inet filter forward ip daddr 198.51.100.11 log group 7 drop")
		knock(n.T, n.Lab, 0, "198.51.100.11", 443)
	}, []string{"drops", "--name", "a.web.test"}, 0, []string{"a.web.test (rule web)", "is in the set: the ruleset drops it all the same"}},
	{"a name that no rule has is dropped", func(n *night) { knock(n.T, n.Lab, 0, "198.51.100.4", 443) },
		[]string{"suggest"}, 0, []string{"a.other.test", "tcp/443"}},
	{"a resolver below asks for the CNAME's target alone", func(n *night) { ask(n.Lab, "edge.cdn.test.", dns.TypeA) },
		[]string{"why", "edge.cdn.test"}, 1, []string{"no rule matches it"}},
	{"another program takes elements out", func(n *night) {
		n.NFT("delete element inet filter web4 { 198.51.100.11 }")
		lab.Until(n, healLimit, "it is put back", func() error { return contains(strings.Join(n.Keys("web4"), " "), "198.51.100.11") })
	}, []string{"status"}, 1, []string{"1 put back", "(nft, pid "}},
	{"somebody has left a rule feeding", func(n *night) { tells(n.T, n.gateway, 0, "mode", "feed", "boss") },
		[]string{"status"}, 1, []string{"boss feed, by hand"}},
	{"the vendor's DNS is down", func(n *night) {
		n.upstream.SetDown(true)
		lab.Until(n, time.Minute, "the name's TTL is over", func() error { return metricIs(n.gateway, "coredns_nftset_resolve_names", 1, `state="kept"`) })
	}, []string{"status"}, 1, []string{"1 name kept"}},
}

// ahead is a clock that is an hour ahead, in another life of the machine.
type ahead struct{}

func (ahead) Now() state.Instant {
	return state.Instant{Wall: time.Now().Add(time.Hour), Boot: state.BootID{1}}
}

// An app can't connect. For each of the faults that a network engineer knows, a command
// names it.
func TestThreeInTheMorning(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	l.Load(lab.Ruleset(nightSets, "ip daddr @web4 accept\nlog group 7"))
	n := &night{T: t, Lab: l, upstream: l.Script(), names: filepath.Join(t.TempDir(), "vendors.names")}
	swap(t, n.names, "a.listed.test\n")
	n.upstream.Records(
		"private.web.test. 60 IN A 10.1.2.3", "not.web.test. 60 IN A 198.51.100.1", "a.web.test. 60 IN A 198.51.100.11",
		"many.web.test. 60 IN A 203.0.113.1", "many.web.test. 60 IN A 203.0.113.2", "six.web.test. 60 IN AAAA 2001:db8:100::6",
		"a.small.test. 60 IN A 198.51.100.1", "b.small.test. 60 IN A 198.51.100.2",
		"a.elsewhere.test. 60 IN A 198.51.100.3", "a.other.test. 60 IN A 198.51.100.4", "a.brief.test. 1 IN A 198.51.100.5",
		"a.ports.test. 60 IN A 198.51.100.6", "a.pairs.test. 60 IN A 198.51.100.7", "a.boss.test. 60 IN A 198.51.100.8",
		"a.signed.test. 60 IN A 198.51.100.9", "fe1.vendor.test. 5 IN A 198.51.100.10", "edge.cdn.test. 60 IN A 198.51.100.12",
	)
	dir := filepath.Join(t.TempDir(), "state")
	later, err := state.OpenWithClock(dir, ahead{})
	if err == nil {
		err = later.Save(state.Snapshot{Taken: later.Now()})
	}
	if err != nil {
		t.Fatal(err)
	}
	n.gateway = l.Namewall(strings.NewReplacer("NAMES", n.names, "STATE", dir).Replace(nightCorefile))
	lab.Until(t, dropLimit, "the group is read", func() error { return metricIs(n.gateway, "coredns_nftset_drops_read", 1) })
	for _, f := range faults {
		if f.inject != nil {
			f.inject(n)
		}
		// What the firewall has dropped takes a moment to be read.
		lab.Until(t, dropLimit, f.name, func() error {
			out, err := n.gateway.Asks(f.ask...)
			if got := exitCode(t, err); got != f.code {
				return fmt.Errorf("%v exits with %d, want %d:\n%s", f.ask, got, f.code, out)
			}
			return contains(strings.Join(strings.Fields(out), " "), f.want...)
		})
	}
}
