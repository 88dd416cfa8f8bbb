//go:build linux

package lab

import (
	"os"
	"path/filepath"
)

// Dnsmasq is where the gateway's dnsmasq listens, beside namewall.
const Dnsmasq = "127.0.0.1:5353"

// dnsmasqBase is what has nothing to do with sets: no files but the
// configuration, and no user to become, which a user namespace hasn't.
const dnsmasqBase = `no-resolv
no-hosts
user=root
group=root
pid-file=
server=` + Scripted + "\n"

// Dnsmasq starts dnsmasq in the gateway with these lines, which have it listen at
// Dnsmasq, in a file of their own, whose path it returns. It forwards to the
// scripted server.
func (l *Lab) Dnsmasq(lines string) (conf string) {
	l.t.Helper()
	dir := l.t.TempDir()
	base, conf := filepath.Join(dir, "base.conf"), filepath.Join(dir, "dnsmasq.conf")
	for path, text := range map[string]string{base: dnsmasqBase, conf: lines} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			l.t.Fatalf("%v", err)
		}
	}
	p := l.Gateway.Start(l.t, nil, "dnsmasq", l.unconfined("dnsmasq", dir), "-k", "--log-facility=-", "-C", base, "--conf-file="+conf)
	l.answering(p, l.Gateway, Dnsmasq)
	return conf
}
