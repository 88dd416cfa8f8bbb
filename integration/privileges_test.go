//go:build linux

package integration

import (
	"errors"
	"testing"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/integration/lab"
)

// Without CAP_NET_ADMIN the site's DNS works all the same: the rule's names say
// why they don't, and `ready` does, too. Started with the capability, the same
// Corefile works.
func TestWithoutCapability(t *testing.T) {
	t.Parallel()
	l := faultLab(t, openSets)
	l.Load("delete table inet filter\n" + lab.Ruleset(openSets, openRules))
	n := l.NamewallUnder([]string{"setpriv", "--bounding-set", "-net_admin", "--"}, v4Corefile)
	notReady(t, l, n, dns.ExtendedErrorCodeNotReady)
	holds(t, l, "open4")
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}

	n = l.Namewall(v4Corefile)
	becomesReady(t, l, n)
}

// The kernel refuses every write with EPERM while somebody else owns the table
// (nft's `flags owner`). When the owner has gone, the gateway recovers by
// itself.
func TestRefusedByTheKernel(t *testing.T) {
	t.Parallel()
	l := faultLab(t, openSets)
	l.NFT("delete table inet filter")
	owner := l.Owner("table inet filter {\nflags owner\nset open4 { type ipv4_addr; flags timeout; }\n}\n")
	n := l.Namewall(v4Corefile)
	refused(t, ask(l, "a.open.test.", dns.TypeA), dns.RcodeServerFailure, dns.ExtendedErrorCodeOther)
	answers(t, l, "other.test.", dns.TypeA, "198.51.100.9")

	owner.Kill()
	l.Load(lab.Ruleset(openSets, openRules))
	lab.Until(t, healLimit, "a client that asks again is answered", func() error {
		if m := ask(l, "a.open.test.", dns.TypeA); m.Rcode != dns.RcodeSuccess {
			return errors.New(dns.RcodeToString[m.Rcode])
		}
		return nil
	})
	becomesReady(t, l, n)
}
