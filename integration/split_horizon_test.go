//go:build linux

package integration

import (
	"testing"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/integration/lab"
)

// Split horizon: the internal addresses of a name stay in the answer, since they
// never cross the firewall, and stay out of the sets.
func TestSplitHorizonPasses(t *testing.T) {
	t.Parallel()
	l, s := newOpenLab(t)
	s.Records(
		"intranet.open.test. 60 IN A 10.1.2.3",
		"mixed.open.test. 60 IN A 10.1.2.4", "mixed.open.test. 60 IN A 198.51.100.4",
		"other.open.test. 60 IN A 10.9.9.9",
	)
	l.Namewall(`
. {` + lab.Node + `
	nftset {
		` + lab.AllowWide + `
		pass 10.1.0.0/16
	}
	nftset open {
		set  inet filter open4
		name *.open.test
	}
	forward . ` + lab.Scripted + `
}`)
	answers(t, l, "intranet.open.test.", dns.TypeA, "10.1.2.3")
	answers(t, l, "mixed.open.test.", dns.TypeA, "10.1.2.4", "198.51.100.4")
	reaches(t, l, 0, "198.51.100.4", port)
	refused(t, ask(l, "other.open.test.", dns.TypeA), dns.RcodeSuccess, dns.ExtendedErrorCodeFiltered)
	holds(t, l, "open4", "198.51.100.4")
}
