//go:build linux

package integration

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/integration/lab"
)

// uncached is the port of the block without *cache*.
const uncached = "5300"

// validatedCorefile has a rule that learns from validated answers alone, in front
// of a cache and of the resolver itself.
const validatedCorefile = `
(strict) {
	nftset strict {
		set inet filter open4
		set inet filter open6
		name *.signed.test *.bogus.test *.unsigned.test
		require validated
		` + lab.AllowWide + `
	}
}
. {` + lab.Node + `
	import strict
	cache {
		success 1000 3600 1
		serve_stale 1h immediate
	}
	forward . ` + lab.Real + `
}
.:` + uncached + ` {
	import strict
	forward . ` + lab.Real + `
}`

// With a resolver below that validates, `require validated` opens the firewall
// for names whose answers are signed all the way, and for no others: not in a zone
// without signatures, nor in one with wrong ones, nor behind a signed alias of an
// unsigned name; from a cache as from the resolver, and while that is down.
func TestRequireValidated(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	l.Load(lab.Ruleset(openSets, openRules))
	l.AcceptTCP(port)
	unbound := l.Validating(
		"www.signed.test. 60 IN A 198.51.100.1",
		"inner.signed.test. 60 IN CNAME www.signed.test.",
		"short.signed.test. 1 IN A 198.51.100.2",
		"alias.signed.test. 60 IN CNAME target.unsigned.test.",
		"www.bogus.test. 60 IN A 198.51.100.3",
		"www.unsigned.test. 60 IN A 198.51.100.4",
		"target.unsigned.test. 60 IN A 198.51.100.5",
	)
	n := l.Namewall(validatedCorefile)

	for _, server := range []string{uncached, "53"} {
		for range 2 { // the second time from the cache
			ask := func(name string, change ...func(*dns.Msg)) *dns.Msg {
				t.Helper()
				q := new(dns.Msg).SetQuestion(name, dns.TypeA).SetEdns0(1232, false)
				for _, c := range change {
					c(q)
				}
				m, err := l.Client.Ask("udp", net.JoinHostPort(lab.Gateway4, server), q)
				if err != nil {
					t.Fatalf("port %s, %s: %v", server, name, err)
				}
				return m
			}
			ad := func(q *dns.Msg) { q.AuthenticatedData = true }
			do := func(q *dns.Msg) { q.IsEdns0().SetDo() }
			cd := func(q *dns.Msg) { q.CheckingDisabled = true }

			for _, name := range []string{"www.signed.test.", "inner.signed.test."} {
				if m := ask(name); len(lab.Addrs(m)) != 1 || m.AuthenticatedData || len(m.Answer) > 2 {
					t.Errorf("port %s, to a client that wants no AD:\n%v", server, m)
				}
				for _, change := range []func(*dns.Msg){ad, do} {
					if m := ask(name, change); len(lab.Addrs(m)) != 1 || !m.AuthenticatedData {
						t.Errorf("port %s, to a client that wants AD:\n%v", server, m)
					}
				}
			}
			for _, name := range []string{"www.unsigned.test.", "alias.signed.test.", "target.unsigned.test."} {
				refused(t, ask(name), dns.RcodeSuccess, dns.ExtendedErrorCodeFiltered)
			}
			refused(t, ask("alias.signed.test.", do), dns.RcodeServerFailure, dns.ExtendedErrorCodeFiltered) // its CNAME is signed
			refused(t, ask("www.bogus.test.", cd), dns.RcodeSuccess, dns.ExtendedErrorCodeFiltered)
			refused(t, ask("www.bogus.test.", cd, do), dns.RcodeServerFailure, dns.ExtendedErrorCodeFiltered)
			refused(t, ask("www.signed.test.", cd), dns.RcodeSuccess, dns.ExtendedErrorCodeFiltered)
			if m := ask("www.bogus.test."); m.Rcode != dns.RcodeServerFailure || len(m.Answer) > 0 {
				t.Errorf("port %s, what the resolver found to be forged:\n%v", server, m)
			}
		}
	}
	if n.Metric("coredns_nftset_refused_addresses_total", `cause="unvalidated"`) == 0 {
		t.Error("no metric tells of answers that were not validated")
	}
	reaches(t, l, 0, "198.51.100.1", port)
	barred(t, l, 0, "198.51.100.3", port)
	holds(t, l, "open4", "198.51.100.1")

	answers(t, l, "short.signed.test.", dns.TypeA, "198.51.100.2")
	if err := unbound.Stop(); err != nil {
		t.Fatal(err)
	}
	lab.Until(t, 10*time.Second, "an answer from the cache that has expired", func() error {
		m := ask(l, "short.signed.test.", dns.TypeA)
		if len(m.Answer) != 1 {
			t.Fatalf("while the resolver is down:\n%v", m)
		}
		if m.Answer[0].Header().Ttl > 0 {
			return errors.New("not stale yet")
		}
		return nil
	})
	holds(t, l, "open4", "198.51.100.1", "198.51.100.2")
}
