//go:build linux

package lab

import (
	"os"
	"path/filepath"
)

// Peer starts another program's DNS server in the gateway, in namewall's place,
// and waits until it answers at port 53. Its command line is command, args and
// the path of a file with conf.
func (l *Lab) Peer(conf, command string, args ...string) *Process {
	l.t.Helper()
	dir := l.t.TempDir()
	name := filepath.Base(command)
	path := filepath.Join(dir, name+".conf")
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		l.t.Fatalf("%v", err)
	}
	p := l.Gateway.Start(l.t, nil, name, append(append([]string{l.unconfined(command, dir)}, args...), path)...)
	l.answering(p, l.Gateway, "127.0.0.1:53")
	return p
}

// Upstream starts a program's own DNS server in the wide area, and waits until it
// answers at port 53 of Scripted.
func (l *Lab) Upstream(name string, command ...string) *Process {
	l.t.Helper()
	p := l.Wide.Start(l.t, nil, name, command...)
	l.answering(p, l.Wide, Scripted+":53")
	return p
}
