//go:build linux

package integration

import (
	"strings"
	"testing"

	"github.com/namewall/namewall/integration/lab"
)

// kdig asks the gateway for A records over a transport, named as kdig's option
// for it, and returns the addresses.
func kdig(t *testing.T, l *lab.Lab, cert *lab.Cert, transport, name string) string {
	t.Helper()
	out, err := l.Client.Run(nil, "kdig", "@"+lab.Gateway4, transport, "+tls-ca="+cert.CertFile,
		"+tls-hostname=gateway.test", "+short", name, "A")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// A server block for TLS that doesn't have the rule answers without it, and
// the start says so: rules act in the block that they stand in.
func TestTLSBlockWithoutTheRule(t *testing.T) {
	t.Parallel()
	l, s := newOpenLab(t)
	s.Records("a.open.test. 60 IN A 198.51.100.1")
	cert := lab.NewCert(t, "gateway.test")
	n := l.Namewall(openCorefile("") + `
tls://.:853 {
	tls ` + cert.CertFile + ` ` + cert.KeyFile + `
	forward . ` + lab.Scripted + `
}`)
	if got := kdig(t, l, cert, "+tls", "a.open.test"); got != "198.51.100.1" {
		t.Errorf("answer over TLS: %q", got)
	}
	barred(t, l, 0, "198.51.100.1", port)
	if !strings.Contains(n.Output(), "tls://.:853") || !strings.Contains(n.Output(), "[WARNING] plugin/nftset:") {
		t.Error("the start does not warn about the block without rules")
	}
}

// The same rule in two blocks, through `import`, is one rule.
func TestTLSBlockWithTheRule(t *testing.T) {
	t.Parallel()
	l, s := newOpenLab(t)
	s.Records("a.open.test. 60 IN A 198.51.100.1", "b.open.test. 60 IN A 198.51.100.2", "c.open.test. 60 IN A 198.51.100.3")
	cert := lab.NewCert(t, "gateway.test")
	l.Namewall(`
(rules) {
	nftset open {
		set   inet filter open4
		name  *.open.test
		allow 198.51.100.0/24
	}
	forward . ` + lab.Scripted + `
}
. {` + lab.Node + `
	import rules
}
tls://.:853 https://.:443 {
	tls ` + cert.CertFile + ` ` + cert.KeyFile + `
	import rules
}`)
	for transport, names := range map[string][2]string{
		"+notcp": {"a.open.test", "198.51.100.1"},
		"+tls":   {"b.open.test", "198.51.100.2"},
		"+https": {"c.open.test", "198.51.100.3"},
	} {
		if got := kdig(t, l, cert, transport, names[0]); got != names[1] {
			t.Errorf("%s: answer %q", transport, got)
		}
		reaches(t, l, 0, names[1], port)
	}
	holds(t, l, "open4", "198.51.100.1", "198.51.100.2", "198.51.100.3")
}
