//go:build linux

package lab

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// startLimit is how long a server may take until it answers. It is generous,
// for a busy machine.
const startLimit = 20 * time.Second

// Unbound is a resolver of the wide area whose records can be changed.
type Unbound struct {
	*Process

	lab    *Lab
	socket string // for unbound-control
}

// Unbound starts the real resolver of the wide area, at Real, with a local zone
// that holds these records and no others.
func (l *Lab) Unbound(records ...string) *Unbound {
	l.t.Helper()
	var data strings.Builder
	data.WriteString("\tlocal-zone: \".\" static\n")
	for _, record := range records {
		data.WriteString("\tlocal-data: '" + record + "'\n")
	}
	u := &Unbound{lab: l, socket: filepath.Join(l.t.TempDir(), "control")}
	u.Process = l.unbound(l.Wide, Real, data.String(),
		"remote-control:\n\tcontrol-enable: yes\n\tcontrol-use-cert: no\n\tcontrol-interface: \""+u.socket+"\"\n")
	return u
}

// Records makes the resolver hold these records of a name, and no others; none
// makes it deny that the name exists.
func (u *Unbound) Records(name string, records ...string) {
	u.lab.t.Helper()
	u.control("local_data_remove", name)
	for _, record := range records {
		u.control("local_data", record)
	}
}

func (u *Unbound) control(command ...string) {
	u.lab.t.Helper()
	if _, err := u.lab.Wide.Run(nil, append([]string{"unbound-control", "-s", u.socket}, command...)...); err != nil {
		u.lab.t.Fatalf("%v", err)
	}
}

// Below is the address of the resolver that BelowGateway starts.
const Below = "198.18.0.10" // client 0

// BelowGateway starts an Unbound among the clients that forwards everything to
// the gateway, as the resolver of a department does.
func (l *Lab) BelowGateway() {
	l.t.Helper()
	// By itself Unbound denies that there is anything below test. (RFC 6761).
	l.unbound(l.Client, Below, "\tlocal-zone: \"test.\" nodefault\n", "forward-zone:\n\tname: \".\"\n\tforward-addr: "+Gateway4+"\n")
}

// unbound starts Unbound at port 53 of address, with these lines in its server
// clause and these clauses after it, and waits until it answers.
func (l *Lab) unbound(ns *NS, address, server, clauses string) *Process {
	l.t.Helper()
	dir := l.t.TempDir()
	conf := filepath.Join(dir, "unbound.conf")
	text := "server:\n\tinterface: " + address + "\n" + unboundServer + server + clauses
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		l.t.Fatalf("%v", err)
	}
	p := ns.Start(l.t, nil, "unbound", l.unconfined("unbound", dir), "-d", "-c", conf)
	l.answering(p, ns, net.JoinHostPort(address, "53"))
	return p
}

// unboundServer is what the lab's resolvers have in common: no privileges to
// drop, no files but their configuration, no validation of made-up names, and
// answers that last as long as their TTL says.
const unboundServer = `	access-control: 0.0.0.0/0 allow
	access-control: ::/0 allow
	chroot: ""
	username: ""
	directory: ""
	pidfile: ""
	use-syslog: no
	logfile: ""
	num-threads: 1
	module-config: "iterator"
	cache-min-ttl: 0
	root-hints: ""
	hide-version: yes
`

// unconfined copies a command to dir. A distribution's AppArmor profile goes by
// the path of the binary and would deny the lab's files to the original.
func (l *Lab) unconfined(command, dir string) string {
	l.t.Helper()
	path, err := exec.LookPath(command)
	if err != nil {
		l.t.Fatalf("%v", err)
	}
	binary, err := os.ReadFile(path)
	if err != nil {
		l.t.Fatalf("%v", err)
	}
	copied := filepath.Join(dir, filepath.Base(command))
	if err := os.WriteFile(copied, binary, 0o700); err != nil {
		l.t.Fatalf("%v", err)
	}
	return copied
}

// answering waits until a server says anything to a question over UDP.
func (l *Lab) answering(p *Process, ns *NS, server string) {
	l.t.Helper()
	q := new(dns.Msg).SetQuestion("ready.lab.test.", dns.TypeA)
	Until(l.t, startLimit, p.Name+" answers", func() error {
		if err := p.Running(); err != nil {
			l.t.Fatalf("%v", err)
		}
		_, err := ns.Ask("udp", server, q)
		return err
	})
}
