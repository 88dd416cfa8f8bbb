//go:build linux

package integration

import (
	"testing"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/integration/lab"
)

// A rule with a set for IPv4 alone: a client with both families is not sent to
// IPv6 addresses that the firewall would drop. Every C library's resolver
// reaches the server over IPv4, with its first SYN.
func TestOneFamilyRule(t *testing.T) {
	t.Parallel()
	l, s := newOpenLab(t)
	s.Records("both.open.test. 60 IN A 198.51.100.1", "both.open.test. 60 IN AAAA 2001:db8:100::1")
	l.Namewall(`
. {` + lab.Node + `
	nftset {
		` + lab.AllowWide + `
	}
	nftset four {
		set  inet filter open4
		name *.open.test
	}
	cache
	forward . ` + lab.Scripted + `
}`)

	for _, libc := range []lab.LibC{lab.Glibc, lab.Musl} {
		if reached, err := l.Connector(libc)("both.open.test", port); err != nil || reached != "198.51.100.1" {
			t.Errorf("%s: reached %q, %v", libc, reached, err)
		}
	}
	if drops := l.Drops(); drops != (lab.Drops{}) {
		t.Errorf("dropped %+v", drops)
	}
	refused(t, ask(l, "both.open.test.", dns.TypeAAAA), dns.RcodeSuccess, dns.ExtendedErrorCodeFiltered)
}

// The proof of the test above: without the rule the same clients try IPv6
// first, and the firewall drops it.
func TestOneFamilyWithoutTheRule(t *testing.T) {
	t.Parallel()
	l, s := newOpenLab(t)
	s.Records("both.open.test. 60 IN A 198.51.100.1", "both.open.test. 60 IN AAAA 2001:db8:100::1")
	l.Namewall(". {" + lab.Node + "\nforward . " + lab.Scripted + "\n}")
	for _, libc := range []lab.LibC{lab.Glibc, lab.Musl} {
		before := l.Drops()
		if reached, err := l.Connector(libc)("both.open.test", port); err == nil {
			t.Errorf("%s: reached %q", libc, reached)
		}
		if d := l.Drops().Sub(before); d.SYNs != 2 {
			t.Errorf("%s: dropped %+v, want one SYN a family", libc, d)
		}
	}
}
