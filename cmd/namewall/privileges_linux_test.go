package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/namewall/namewall/internal/nstest"
)

// without runs namewall as a process that lacks a capability, in a namespace of
// its own.
func without(t *testing.T, capability uintptr, args ...string) (stdout string, err error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	c := exec.Command(self, args...)
	c.Env = append(os.Environ(), "NAMEWALL_TEST_COMMAND=1")
	c.Stdout, c.Stderr = &out, os.Stderr
	err = nstest.New(t).Do(func() error {
		// Of this thread alone, which nobody uses afterwards.
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0); err != nil {
			return err
		}
		return c.Run()
	})
	return out.String(), err
}

func TestCheckWithoutNetAdmin(t *testing.T) {
	t.Chdir(filepath.Join("testdata", "check", "vendors"))
	out, err := without(t, unix.CAP_NET_ADMIN, "check")
	if err == nil {
		t.Error("exit code 0")
	}
	const want = "kernel\n  error    the kernel's sets can't be read without CAP_NET_ADMIN: run as root, or as the service does, or compare with a file by --nft\n"
	if !strings.Contains(out, want) || !strings.Contains(out, "ok       dns://.:53 (Corefile:1): fusionreactor, outsystems-out") || strings.Contains(out, "set inet filter") {
		t.Errorf("got\n%s", out)
	}
}

// Who may make no network namespace is given a user namespace to make it in.
func TestCheckFileWithoutSysAdmin(t *testing.T) {
	t.Chdir(filepath.Join("testdata", "check", "vendors"))
	out, err := without(t, unix.CAP_SYS_ADMIN, "check", "--nft", "ruleset.nft")
	if err != nil {
		t.Error(err)
	}
	if out != read(t, "report") {
		t.Errorf("got\n%s", out)
	}
}
