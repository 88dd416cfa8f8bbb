//go:build linux

// Package nstest gives tests a network namespace of their own, so that they can
// use the real kernel without touching the machine's addresses or ruleset.
//
// It needs root, or a user namespace in which the tests are root (unshare -Urn).
// A test that can't have it fails, and says why; it is never skipped.
package nstest

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Namespace is a network namespace with its loopback interface up. It goes away
// with the test, as soon as nothing else uses it.
type Namespace struct {
	t    testing.TB
	file *os.File
}

// New makes a namespace for t.
func New(t testing.TB) *Namespace {
	t.Helper()
	n := &Namespace{t: t}
	err := onThread(func() (err error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("making a network namespace: %w (run as root, or under 'unshare -Urn')", err)
		}
		if n.file, err = os.Open("/proc/thread-self/ns/net"); err != nil {
			return err
		}
		return loopbackUp()
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.file.Close() })
	return n
}

// loopbackUp is 'ip link set lo up', without another process for each namespace.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		return fmt.Errorf("setting lo up: %w", err)
	}
	return nil
}

// FD is a file descriptor of the namespace, valid for as long as the test runs.
func (n *Namespace) FD() int { return int(n.file.Fd()) }

// Do calls fn on a thread that is in the namespace: sockets that fn opens and
// commands that it starts are too. fn must start no goroutines that rely on it,
// and must not end the test.
func (n *Namespace) Do(fn func() error) error {
	return onThread(func() error {
		if err := unix.Setns(n.FD(), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("entering a network namespace: %w", err)
		}
		return fn()
	})
}

// Command runs a command in the namespace and returns what it prints. It ends
// the test if the command fails. To be called from the test's goroutine.
func (n *Namespace) Command(stdin, name string, args ...string) string {
	n.t.Helper()
	out, err := n.Try(stdin, name, args...)
	if err != nil {
		n.t.Fatal(err)
	}
	return out
}

// Try is Command that returns the error.
func (n *Namespace) Try(stdin, name string, args ...string) (string, error) {
	path, err := lookPath(name)
	if err != nil {
		return "", err
	}
	cmd := exec.Command(path, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var out []byte
	err = n.Do(func() (err error) {
		out, err = cmd.CombinedOutput()
		return err
	})
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return string(out), nil
}

// Nft loads a ruleset, in nft(8)'s language.
func (n *Namespace) Nft(ruleset string) {
	n.t.Helper()
	n.Command(ruleset, "nft", "-f", "-")
}

// lookPath finds a command also where only root's PATH leads.
func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	if path, err := exec.LookPath("/usr/sbin/" + name); err == nil {
		return path, nil
	}
	return "", fmt.Errorf("%w: install %s", err, packages[name])
}

// packages are the Debian packages with the commands that tests use.
var packages = map[string]string{"nft": "nftables", "ip": "iproute2"}

// onThread calls fn on a thread that nobody uses afterwards, so that fn may
// leave it in whatever namespace.
func onThread(fn func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		done <- fn()
	}()
	return <-done
}
