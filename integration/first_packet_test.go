//go:build linux

package integration

import (
	"testing"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/integration/lab"
)

// bulkCorefile serves every transport, from one rule. It is patient with the
// upstream, which is in the test's own process: a machine that is busy with
// other things is not what is tested.
func bulkCorefile(cert *lab.Cert, rule string) string {
	return `
.:53 tls://.:853 https://.:443 quic://.:853 {` + lab.Node + `
	tls ` + cert.CertFile + ` ` + cert.KeyFile + `
	nftset {
		` + lab.AllowWide + `
	}
	` + rule + `
	cache
	forward . ` + lab.Scripted + ` {
		read_timeout 20s
		max_fails 0
	}
}`
}

const bulkRule = `
	nftset bulk {
		set  inet filter open4
		set  inet filter open6
		name *.bulk.test
		wait 20s
	}`

// bulkQuestion asks for fresh names: half of them have their address behind two
// CNAMEs, and of each half one half has IPv6 addresses.
func bulkQuestion(i int) (string, uint16) {
	zone, qtype := lab.BulkPlain, dns.TypeA
	if i%2 == 1 {
		zone = lab.BulkChain
	}
	if i/2%2 == 1 {
		qtype = dns.TypeAAAA
	}
	return lab.BulkName(i, zone), qtype
}

// A client resolves a name that nobody has asked for, connects at once, and its
// first packet gets through: over each transport, both families, with and
// without CNAMEs.
func TestFirstPacket(t *testing.T) {
	total := 0
	for _, test := range []struct {
		volume lab.Volume
		n      int
	}{
		{lab.Volume{Transport: lab.UDP}, 40_000},
		{lab.Volume{Transport: lab.TCP}, 25_000},
		{lab.Volume{Transport: lab.TLS}, 25_000},
		{lab.Volume{Transport: lab.HTTPS}, 10_000},
		{lab.Volume{Transport: lab.QUIC}, 5_000},
	} {
		t.Run(string(test.volume.Transport), func(t *testing.T) {
			l, s := newOpenLab(t)
			s.Bulk()
			cert := lab.NewCert(t)
			l.Namewall(bulkCorefile(cert, bulkRule))

			v := test.volume
			v.Cert, v.Workers, v.Port, v.Question = cert, 16, port, bulkQuestion
			out := v.Run(l, test.n)
			total += out.Tried
			report(t, l, out)
			if out.Tried != test.n {
				t.Errorf("%d connections tried", out.Tried)
			}
		})
	}
	t.Logf("%d connections tried in all", total)
}

// Sixteen clients ask for the same fresh name at the same moment, and each
// connects as soon as it has its own answer: none overtakes the write that
// another one's answer is waiting for.
func TestFirstPacketOfACrowd(t *testing.T) {
	for _, transport := range []lab.Transport{lab.UDP, lab.TLS} {
		t.Run(string(transport), func(t *testing.T) {
			l, s := newOpenLab(t)
			s.Bulk()
			cert := lab.NewCert(t)
			l.Namewall(bulkCorefile(cert, bulkRule))

			v := lab.Volume{Transport: transport, Cert: cert, Workers: 2, Crowd: 16, Port: port, Question: bulkQuestion}
			out := v.Run(l, 1000)
			report(t, l, out)
			if out.Tried != 16*1000 {
				t.Errorf("%d connections tried", out.Tried)
			}
		})
	}
}

// The proof of the two tests above: without a rule for the names, the same
// client is dropped at every first packet, and the counter sees it.
func TestFirstPacketIsDroppedWithoutTheRule(t *testing.T) {
	t.Parallel()
	l, s := newOpenLab(t)
	s.Bulk()
	cert := lab.NewCert(t)
	l.Namewall(bulkCorefile(cert, ""))

	const n = 64
	out := lab.Volume{Transport: lab.UDP, Workers: n, Port: port, Question: bulkQuestion, Limit: lab.KnockLimit}.Run(l, n)
	if drops := l.Drops(); out.Tried != n || out.Connected != 0 || drops.SYNs < n {
		t.Errorf("%v; dropped %+v, want %d SYNs", out, drops, n)
	}
}

// report logs the figures and fails if a single packet was dropped.
func report(t *testing.T, l *lab.Lab, out lab.Outcome) {
	t.Helper()
	drops := l.Drops()
	t.Logf("%v; dropped %+v", out, drops)
	if drops != (lab.Drops{}) {
		t.Errorf("dropped %+v", drops)
	}
	if err := out.Err(); err != nil {
		t.Error(err)
	}
}
