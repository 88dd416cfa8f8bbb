package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/internal/nstest"
)

const (
	servedPort = "5399"
	// patience is for a loaded machine: nothing here takes longer than a second.
	patience = 20 * time.Second
)

// process is this test binary as namewall.
func process(args ...string) *exec.Cmd {
	c := exec.Command("/proc/self/exe", args...)
	c.Env = append(os.Environ(), "NAMEWALL_TEST_COMMAND=1")
	return c
}

// server is a running `namewall serve`.
type server struct {
	*nstest.Namespace
	t       *testing.T
	command *exec.Cmd
	log     *record
	pidfile string
}

// record is what a process prints, to be read while it runs.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// startServer runs the server on testdata/serve, in a namespace of its own.
func startServer(t *testing.T) *server {
	t.Helper()
	return startServerOn(t, "testdata/serve/Corefile")
}

func startServerOn(t *testing.T, corefile string) *server {
	t.Helper()
	s := &server{Namespace: nstest.New(t), t: t, log: new(record), pidfile: filepath.Join(t.TempDir(), "pid")}
	s.Nft(read(t, "testdata/serve/ruleset.nft"))
	s.command = process("serve", "-conf", corefile, "-dns.port", servedPort, "-pidfile", s.pidfile)
	s.command.Stdout, s.command.Stderr = s.log, s.log
	if err := s.Do(s.command.Start); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.command.Process.Kill() })
	s.until("it answers", func() bool { _, err := s.ask(); return err == nil })
	return s
}

// until waits for the server to do something.
func (s *server) until(what string, done func() bool) {
	s.t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("still waiting until %s", what)
		}
	}
}

// ask asks the server for the only name that it knows.
func (s *server) ask() (addr string, err error) {
	m := new(dns.Msg)
	m.SetQuestion("www.example.org.", dns.TypeA)
	err = s.Do(func() error {
		answer, err := dns.Exchange(m, "127.0.0.1:"+servedPort)
		if err != nil {
			return err
		}
		if len(answer.Answer) != 1 {
			return errors.New(answer.String())
		}
		addr = answer.Answer[0].(*dns.A).A.String()
		return nil
	})
	return addr, err
}

// pid is the process that serves.
func (s *server) pid() int {
	text, _ := os.ReadFile(s.pidfile)
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid
}

// end stops the server and returns its log.
func (s *server) end() string {
	s.t.Helper()
	if err := s.command.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	if err := s.command.Wait(); err != nil {
		s.t.Errorf("%v\n%s", err, s.log)
	}
	return s.log.String()
}

// The whole of it: CoreDNS's flags, its answer, the element in the set, and the
// set that stays.
func TestServe(t *testing.T) {
	s := startServer(t)
	addr, err := s.ask()
	if err != nil || addr != "198.51.100.7" {
		t.Errorf("answer %s, %v", addr, err)
	}
	log := s.end()
	if !strings.Contains(log, ".:"+servedPort) || !strings.Contains(log, "namewall-devel") {
		t.Errorf("log\n%s", log)
	}
	if out := s.Command("", "nft", "list", "set", "inet", "filter", "web4"); !strings.Contains(out, "198.51.100.7 timeout") {
		t.Errorf("the set holds\n%s", out)
	}
}

// SIGUSR2 starts the binary anew, with its command, as often as one likes.
func TestServeUpgrade(t *testing.T) {
	s := startServer(t)
	for range 2 {
		old := s.pid()
		if err := syscall.Kill(old, syscall.SIGUSR2); err != nil {
			t.Fatal(err)
		}
		s.until("there is another process", func() bool { return s.pid() != 0 && s.pid() != old })
		t.Cleanup(func() { _ = syscall.Kill(s.pid(), syscall.SIGKILL) })
		s.until("it answers", func() bool { _, err := s.ask(); return err == nil })
	}
}

func TestServeFlags(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		code int
		want string
	}{
		"version":  {[]string{"-version"}, exitOK, "namewall-devel\n"},
		"plugins":  {[]string{"-plugins"}, exitOK, "nftset\n"},
		"help":     {[]string{"-h"}, exitOK, "namewall serve [-conf Corefile]"},
		"unknown":  {[]string{"-nonsense"}, exitUsage, "flag provided but not defined: -nonsense"},
		"Corefile": {[]string{"-conf", "/nowhere/Corefile"}, exitWrong, "/nowhere/Corefile: no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			c := process(append([]string{"serve"}, test.args...)...)
			out, _ := c.CombinedOutput()
			if code := c.ProcessState.ExitCode(); code != test.code || !strings.Contains(string(out), test.want) {
				t.Errorf("exit code %d\n%s", code, out)
			}
		})
	}
}

// What has no server block is no Corefile: CoreDNS would start with it, and
// serve nothing that it was asked to.
var empty = map[string]string{
	"empty":    "",
	"comments": "# . {\n#  errors\n# }\n",
	"snippet":  "(web) {\n errors\n}\n",
	"import":   "import *.nowhere\n",
}

func TestEmptyCorefile(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range empty {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, command := range []string{"serve", "check", "nft"} {
			t.Run(command+" "+name, func(t *testing.T) {
				c := process(command, "-conf", name)
				out, _ := c.CombinedOutput()
				if code := c.ProcessState.ExitCode(); code != exitWrong || !strings.Contains(string(out), name+" has no server block") {
					t.Errorf("exit code %d\n%s", code, out)
				}
			})
		}
	}
}

func TestNoCorefile(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, command := range []string{"serve", "check", "nft"} {
		t.Run(command, func(t *testing.T) {
			c := process(command)
			out, _ := c.CombinedOutput()
			if code := c.ProcessState.ExitCode(); code != exitWrong || !strings.Contains(string(out), "no Corefile in "+dir+": give its path with -conf\n") {
				t.Errorf("exit code %d\n%s", code, out)
			}
		})
	}
}

// A Corefile on standard input must have a server block, too.
func TestEmptyStandardInput(t *testing.T) {
	for name, text := range empty {
		t.Run(name, func(t *testing.T) {
			c := process("serve", "-conf", "stdin")
			c.Stdin = strings.NewReader(text)
			out, _ := c.CombinedOutput()
			if code := c.ProcessState.ExitCode(); code != exitWrong {
				t.Errorf("exit code %d\n%s", code, out)
			}
		})
	}
}

// A reload refuses an empty Corefile and one that is gone, and the old one goes
// on; the next good one is taken.
func TestReloadEmptyCorefile(t *testing.T) {
	corefile := filepath.Join(t.TempDir(), "Corefile")
	good := read(t, "testdata/serve/Corefile")
	write := func(text string) {
		if err := os.WriteFile(corefile, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(good)
	s := startServerOn(t, corefile)
	reload := func() {
		if err := s.command.Process.Signal(syscall.SIGUSR1); err != nil {
			t.Fatal(err)
		}
	}
	refusals := 0
	refused := func(what string) {
		t.Helper()
		reload()
		refusals++
		s.until(what+" is refused", func() bool { return strings.Count(s.log.String(), "loading updated Caddyfile") == refusals })
		if addr, err := s.ask(); err != nil || addr != "198.51.100.7" {
			t.Errorf("%s: %s, %v", what, addr, err)
		}
	}
	for name, text := range empty {
		write(text)
		refused(name)
	}
	if err := os.Remove(corefile); err != nil {
		t.Fatal(err)
	}
	refused("nothing")

	write(strings.ReplaceAll(good, "198.51.100.7", "198.51.100.8"))
	reload()
	s.until("the good one serves", func() bool { addr, err := s.ask(); return err == nil && addr == "198.51.100.8" })
	log := s.end()
	if strings.Count(log, "Reloading complete") != 1 {
		t.Errorf("log\n%s", log)
	}
}
