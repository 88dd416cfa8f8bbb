//go:build linux

package integration

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/integration/lab"
)

// healLimit is how long the gateway may take to see that what it lacked is
// there. Events tell it at once; the rest is for a busy machine.
const healLimit = 10 * time.Second

// v4Only is openRule without IPv6, so that one set is all that matters.
const v4Only = `
	nftset {
		` + lab.AllowWide + `
	}
	nftset open {
		set  inet filter open4
		name *.open.test
		wait 200ms
	}
`

// notReady fails unless matching names get this extended error, the others
// their addresses, and `ready` names the plugin.
func notReady(t *testing.T, l *lab.Lab, n *lab.Namewall, ede uint16) {
	t.Helper()
	refused(t, ask(l, "a.open.test.", dns.TypeA), dns.RcodeServerFailure, ede)
	answers(t, l, "other.test.", dns.TypeA, "198.51.100.9")
	if ready, who := n.Ready(); ready || !strings.Contains(who, "nftset") {
		t.Errorf("ready: %v, %q", ready, who)
	}
}

// becomesReady waits until `ready` says so, and then expects the answer and the
// way to be open.
func becomesReady(t *testing.T, l *lab.Lab, n *lab.Namewall) {
	t.Helper()
	lab.Until(t, healLimit, "the gateway recovers", func() error {
		if ready, who := n.Ready(); !ready {
			return errors.New("not ready: " + who)
		}
		return nil
	})
	answers(t, l, "a.open.test.", dns.TypeA, "198.51.100.1")
	reaches(t, l, 0, "198.51.100.1", port)
}

// faultLab is a lab with what the tests of faults have in common, and another
// set than the rule needs.
func faultLab(t *testing.T, sets string) *lab.Lab {
	t.Helper()
	l := lab.New(t)
	l.Load(lab.Ruleset(sets, ""))
	l.AcceptTCP(port)
	l.Script().Records("a.open.test. 60 IN A 198.51.100.1", "b.open.test. 60 IN A 198.51.100.2",
		"c.open.test. 60 IN A 198.51.100.3", "other.test. 60 IN A 198.51.100.9")
	return l
}

// v4Corefile is a gateway with the rule v4Only.
const v4Corefile = ". {" + lab.Node + v4Only + "\nforward . " + lab.Scripted + "\n}"

// A set that is missing at the start, or of another layout than the rule needs:
// DNS works, the rule's names say why they don't, and it recovers by itself when the
// ruleset is right.
func TestSetUnusable(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, sets string }{
		{"missing", ""},
		{"wrong-layout", "set open4 { type ipv4_addr . inet_service; flags timeout; }"},
		{"wrong-family", "set open4 { type ether_addr; flags timeout; }"},
		{"no-timeouts", "set open4 { type ipv4_addr; }"},
		{"interval", "set open4 { type ipv4_addr; flags timeout, interval; }"},
		{"dynamic", "set open4 { type ipv4_addr; flags timeout, dynamic; }"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := faultLab(t, test.sets)
			n := l.Namewall(v4Corefile)
			notReady(t, l, n, dns.ExtendedErrorCodeNotReady)
			l.Load("delete table inet filter\n" + lab.Ruleset(openSets, openRules))
			becomesReady(t, l, n)
		})
	}
}

// The table vanishes while the gateway runs, and comes back.
func TestTableVanishes(t *testing.T) {
	t.Parallel()
	l := faultLab(t, openSets)
	n := l.Namewall(v4Corefile)
	answers(t, l, "a.open.test.", dns.TypeA, "198.51.100.1")
	l.NFT("flush ruleset")
	lab.Until(t, healLimit, "the gateway notices", func() error {
		if ready, _ := n.Ready(); ready {
			return errors.New("still ready")
		}
		return nil
	})
	notReady(t, l, n, dns.ExtendedErrorCodeNotReady)
	l.Load(lab.Ruleset(openSets, openRules))
	lab.Until(t, healLimit, "the set is refilled without a question", func() error {
		if len(l.Keys("open4")) == 0 {
			return errors.New("the set is empty")
		}
		return nil
	})
	becomesReady(t, l, n)
}

// A reload of the ruleset in two steps, as `nft flush ruleset; nft -f` is: the
// answers between them are held, not refused.
func TestRulesetReloadIsWaitedFor(t *testing.T) {
	t.Parallel()
	l := faultLab(t, openSets)
	n := l.Namewall(strings.Replace(v4Corefile, "wait 200ms", "wait 4s", 1))
	answers(t, l, "a.open.test.", dns.TypeA, "198.51.100.1")

	l.NFT("flush ruleset")
	answered := make(chan *dns.Msg)
	go func() { answered <- ask(l, "b.open.test.", dns.TypeA) }()
	lab.Until(t, healLimit, "the answer is held", func() error {
		if n.Metric("coredns_nftset_budget_used", `budget="held_answers"`) == 0 {
			return errors.New("it is not")
		}
		return nil
	})
	l.Load(lab.Ruleset(openSets, openRules))
	if m := <-answered; m.Rcode != dns.RcodeSuccess || len(lab.Addrs(m)) != 1 {
		t.Errorf("an answer during the reload:\n%v", m)
	}
	reaches(t, l, 0, "198.51.100.2", port)
}

// A set that is full: newcomers are refused with the reason, what is admitted
// stays, other names resolve, and a larger set is used at once.
func TestSetFull(t *testing.T) {
	t.Parallel()
	const two = "set open4 { type ipv4_addr; flags timeout; size 2; }"
	l := lab.New(t)
	l.Load(lab.Ruleset(two, "ip daddr @open4 accept"))
	l.AcceptTCP(port)
	l.Script().Records("a.open.test. 60 IN A 198.51.100.1", "b.open.test. 60 IN A 198.51.100.2",
		"c.open.test. 60 IN A 198.51.100.3", "other.test. 60 IN A 198.51.100.9")
	n := l.Namewall(v4Corefile)
	answers(t, l, "a.open.test.", dns.TypeA, "198.51.100.1")
	answers(t, l, "b.open.test.", dns.TypeA, "198.51.100.2")
	m := ask(l, "c.open.test.", dns.TypeA)
	refused(t, m, dns.RcodeServerFailure, dns.ExtendedErrorCodeOther)
	if ede := lab.EDE(m); ede != nil && ede.ExtraText == "" {
		t.Errorf("no text says that the set is full")
	}
	answers(t, l, "a.open.test.", dns.TypeA, "198.51.100.1")
	answers(t, l, "other.test.", dns.TypeA, "198.51.100.9")
	reaches(t, l, 0, "198.51.100.1", port)
	reaches(t, l, 0, "198.51.100.2", port)
	if full := n.Metric("coredns_nftset_kernel_errors_total", `errno="ENFILE"`); full == 0 {
		t.Error("no metric counts the full set")
	}

	l.Load("delete table inet filter\n" + lab.Ruleset(openSets, openRules))
	lab.Until(t, healLimit, "the larger set is used", func() error {
		if m := ask(l, "c.open.test.", dns.TypeA); m.Rcode != dns.RcodeSuccess {
			return errors.New(dns.RcodeToString[m.Rcode])
		}
		return nil
	})
	for _, addr := range []string{"198.51.100.1", "198.51.100.2", "198.51.100.3"} {
		reaches(t, l, 0, addr, port)
	}
}
