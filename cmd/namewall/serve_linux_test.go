package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
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
	log     *bytes.Buffer // to be read after the end
	pidfile string
}

// startServer runs the server on testdata/serve, in a namespace of its own.
func startServer(t *testing.T) *server {
	t.Helper()
	s := &server{Namespace: nstest.New(t), t: t, log: new(bytes.Buffer), pidfile: filepath.Join(t.TempDir(), "pid")}
	s.Nft(read(t, "testdata/serve/ruleset.nft"))
	s.command = process("serve", "-conf", "testdata/serve/Corefile", "-dns.port", servedPort, "-pidfile", s.pidfile)
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
