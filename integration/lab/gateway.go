//go:build linux

package lab

import (
	"bufio"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// Node is the server block that tests begin their Corefile with: what a gateway
// has beside its zones, and where Ready and Metric look.
const Node = `
	errors
	prometheus 127.0.0.1:9153
	ready 127.0.0.1:8181 {
		monitor continuously
	}
`

// Namewall is the binary under test, running in the gateway.
type Namewall struct {
	*Process

	lab     *Lab
	dir     string
	command []string
}

// Namewall starts the binary under test with this Corefile, and waits until it
// answers at port 53.
func (l *Lab) Namewall(corefile string) *Namewall {
	l.t.Helper()
	return l.NamewallUnder(nil, corefile)
}

// NamewallUnder is Namewall, started by another command (`setpriv …`).
func (l *Lab) NamewallUnder(wrapper []string, corefile string) *Namewall {
	l.t.Helper()
	n := l.serve(wrapper, corefile)
	l.answering(n.Process, l.Gateway, "127.0.0.1:53")
	return n
}

// Starts starts the binary under test with this Corefile, whatever it listens
// at, and waits until it says that it has started. It finds a certificate in its
// working directory, as cert.pem and key.pem.
func (l *Lab) Starts(corefile string) *Namewall {
	l.t.Helper()
	n := l.serve(nil, corefile)
	Until(l.t, startLimit, "namewall starts", func() error {
		if err := n.Running(); err != nil {
			l.t.Fatalf("%v\n%s\n%s", err, n.Output(), corefile)
		}
		// The last line of CoreDNS's banner (coremain.showVersion).
		if banner := runtime.GOOS + "/" + runtime.GOARCH + ", go"; !strings.Contains(n.Output(), banner) {
			return errors.New("no banner in its output")
		}
		return nil
	})
	return n
}

// serve starts the binary under test, and waits for nothing.
func (l *Lab) serve(wrapper []string, corefile string) *Namewall {
	l.t.Helper()
	binary, err := namewall.path()
	if err != nil {
		l.t.Fatalf("%v", err)
	}
	n := &Namewall{lab: l, dir: filepath.Dir(NewCert(l.t, "localhost").CertFile)}
	n.write(corefile)
	n.command = append(append([]string(nil), wrapper...), binary, "serve", "-conf", n.corefile())
	n.run()
	return n
}

func (n *Namewall) run() {
	n.lab.t.Helper()
	n.Process = n.lab.Gateway.Start(n.lab.t, n.inOwnDirs, "namewall", n.command...)
}

// Again starts the binary once more after its end, with the Corefile and the
// files that it had, and waits until it answers at port 53.
func (n *Namewall) Again() {
	n.lab.t.Helper()
	n.run()
	n.lab.answering(n.Process, n.lab.Gateway, "127.0.0.1:53")
}

// Command runs one of the binary's other commands in the gateway, with this
// Corefile, and returns what it prints.
func (l *Lab) Command(corefile string, command ...string) (string, error) {
	l.t.Helper()
	n := &Namewall{lab: l, dir: l.t.TempDir()}
	n.write(corefile)
	return l.Tool(append(command, "-conf", n.corefile())...)
}

// Tool runs the binary in the gateway, and returns what it prints.
func (l *Lab) Tool(args ...string) (string, error) {
	l.t.Helper()
	binary, err := namewall.path()
	if err != nil {
		l.t.Fatalf("%v", err)
	}
	return l.Gateway.Run(nil, append([]string{binary}, args...)...)
}

// Asks runs one of the binary's commands that ask a running one, and returns what
// it prints.
func (n *Namewall) Asks(command ...string) (string, error) {
	n.lab.t.Helper()
	binary, err := namewall.path()
	if err != nil {
		n.lab.t.Fatalf("%v", err)
	}
	return n.lab.Gateway.Run(n.inOwnDirs, append([]string{binary}, command...)...)
}

// Watches starts one of the binary's commands that go on asking a running one.
func (n *Namewall) Watches(command ...string) *Process {
	n.lab.t.Helper()
	binary, err := namewall.path()
	if err != nil {
		n.lab.t.Fatalf("%v", err)
	}
	return n.lab.Gateway.Start(n.lab.t, n.inOwnDirs, "namewall "+command[0], append([]string{binary}, command...)...)
}

// inOwnDirs has a command work in the process's own directory, and find its control
// socket there: the lab's processes share this machine's files.
func (n *Namewall) inOwnDirs(c *exec.Cmd) {
	c.Dir = n.dir
	c.Env = append(os.Environ(), "RUNTIME_DIRECTORY="+filepath.Join(n.dir, "run"))
}

// Socket is the path of its control socket.
func (n *Namewall) Socket() string { return filepath.Join(n.dir, "run", "control.sock") }

func (n *Namewall) corefile() string { return filepath.Join(n.dir, "Corefile") }

// stateDir, runDir and logDir are where shown Corefiles keep their state, and have
// their control socket and grant log; namesFile has names. The lab's processes
// share this machine's files, so theirs are beside their Corefile.
const (
	stateDir  = "/var/lib/namewall"
	runDir    = "/run/namewall"
	logDir    = "/var/log/namewall"
	namesFile = "/etc/namewall/vendors.names"
)

func (n *Namewall) write(corefile string) {
	n.lab.t.Helper()
	names := filepath.Join(n.dir, "vendors.names")
	if err := os.WriteFile(names, []byte("vendor.example.net\n"), 0o600); err != nil {
		n.lab.t.Fatalf("%v", err)
	}
	corefile = strings.NewReplacer(
		stateDir, filepath.Join(n.dir, "state"), runDir, filepath.Join(n.dir, "run"), logDir, filepath.Join(n.dir, "log"), namesFile, names,
	).Replace(corefile)
	if err := os.WriteFile(n.corefile(), []byte(corefile), 0o600); err != nil {
		n.lab.t.Fatalf("%v", err)
	}
}

// Reload gives the running binary another Corefile, as SIGUSR1 does, and
// returns once it has taken it over or refused it: the error is its own words.
func (n *Namewall) Reload(corefile string) error {
	n.lab.t.Helper()
	n.write(corefile)
	before := len(n.Output())
	if err := n.Signal(syscall.SIGUSR1); err != nil {
		return err
	}
	var refused error
	Until(n.lab.t, startLimit, "namewall reloads", func() error {
		if err := n.Running(); err != nil {
			n.lab.t.Fatalf("%v", err)
		}
		for line := range strings.Lines(n.Output()[before:]) {
			switch {
			case strings.Contains(line, "[INFO] Reloading complete"):
				return nil
			case strings.Contains(line, "[ERROR] SIGUSR1:"), strings.Contains(line, "[PANIC]"):
				refused = errors.New(strings.TrimSpace(line))
				return nil
			}
		}
		return errors.New("neither done nor refused")
	})
	return refused
}

// Ready asks whether the gateway is ready: whether it is, and the body with
// who isn't.
func (n *Namewall) Ready() (bool, string) {
	n.lab.t.Helper()
	status, body := n.get("http://127.0.0.1:8181/ready")
	return status == http.StatusOK, body
}

// Metric is the sum of a metric's values over all series that have these
// labels, each as `name="value"`. A metric that doesn't exist is 0.
func (n *Namewall) Metric(name string, labels ...string) float64 {
	n.lab.t.Helper()
	_, body := n.get("http://127.0.0.1:9153/metrics")
	sum := 0.0
	for lines := bufio.NewScanner(strings.NewReader(body)); lines.Scan(); {
		rest, ok := strings.CutPrefix(lines.Text(), name)
		if !ok || rest[0] != '{' && rest[0] != ' ' || !containsAll(rest, labels) {
			continue
		}
		value, err := strconv.ParseFloat(rest[strings.LastIndexByte(rest, ' ')+1:], 64)
		if err != nil {
			n.lab.t.Fatalf("metric line %q: %v", lines.Text(), err)
		}
		sum += value
	}
	return sum
}

func containsAll(s string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(s, part) {
			return false
		}
	}
	return true
}

// get fetches a page of the gateway's own.
func (n *Namewall) get(url string) (int, string) {
	n.lab.t.Helper()
	client := http.Client{
		Timeout:   askLimit,
		Transport: &http.Transport{DialContext: n.lab.Gateway.DialContext, DisableKeepAlives: true},
	}
	response, err := client.Get(url)
	if err != nil {
		n.lab.t.Fatalf("%v", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		n.lab.t.Fatalf("%v", err)
	}
	return response.StatusCode, strings.TrimSpace(string(body))
}
