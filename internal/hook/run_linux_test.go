package hook

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain also runs a command for a test that has started this binary as
// somebody else.
func TestMain(m *testing.M) {
	if script := os.Getenv("HOOK_TEST_SCRIPT"); script != "" {
		output, err := run(context.Background(), []string{"/bin/sh", "-c", script}, nil)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Stdout.Write(output)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// status reads the lines of /proc/self/status that say what a process may do.
const status = "exec grep -E '^(Cap|NoNewPrivs)' /proc/self/status"

// The command has no capability and no way to one, whoever runs it: root, with
// all its capabilities, or somebody with a few ambient ones, as the service has
// them.
func TestWithoutPrivileges(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		wrapper  []string
		bounding string
	}{
		"root": {nil, strings.Repeat("0", 16)},
		"ambient": {[]string{
			"setpriv", "--securebits", "+noroot,+noroot_locked", "--no-new-privs", "--bounding-set", "-all,+net_admin,+net_bind_service",
			"--inh-caps", "-all,+net_admin,+net_bind_service", "--ambient-caps", "-all,+net_admin,+net_bind_service", "--",
		}, "0000000000001400"},
		"ambient, new privileges": {[]string{
			"setpriv", "--securebits", "+noroot,+noroot_locked", "--inh-caps", "-all,+net_admin", "--ambient-caps", "-all,+net_admin",
			"--bounding-set", "-all,+net_admin", "--",
		}, "0000000000001000"},
	} {
		t.Run(name, func(t *testing.T) {
			command := append(append([]string(nil), test.wrapper...), self)
			c := exec.Command(command[0], command[1:]...)
			c.Env = []string{"HOOK_TEST_SCRIPT=" + status}
			out, err := c.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			want := fmt.Sprintf("CapInh:\t%[1]s\nCapPrm:\t%[1]s\nCapEff:\t%[1]s\nCapBnd:\t%[2]s\nCapAmb:\t%[1]s\nNoNewPrivs:\t1\n",
				strings.Repeat("0", 16), test.bounding)
			if string(out) != want {
				t.Errorf("got\n%s\nwant\n%s", out, want)
			}
		})
	}
}

// This process keeps all that it has, in every thread.
func TestPrivilegesAreKept(t *testing.T) {
	caps := func() map[string]bool {
		all := make(map[string]bool)
		files, err := filepath.Glob("/proc/self/task/*/status")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
				continue // the thread has ended
			}
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(text)) {
				if strings.HasPrefix(line, "CapEff") || strings.HasPrefix(line, "CapBnd") || strings.HasPrefix(line, "NoNewPrivs") {
					all[line] = true
				}
			}
		}
		return all
	}
	before := caps()
	for range 20 {
		if _, err := run(context.Background(), []string{"/bin/true"}, nil); err != nil {
			t.Fatal(err)
		}
	}
	// The last thread's end may still be on its way.
	for deadline := time.Now().Add(10 * time.Second); ; <-time.After(time.Millisecond) {
		after := caps()
		if len(after) == len(before) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("before %v, after %v", before, after)
		}
	}
}

// The command gets its arguments as they are, its input, a PATH, and / to stand
// in; the last line of what it says is kept.
func TestRun(t *testing.T) {
	t.Setenv("SECRET", "1")
	script := filepath.Join(t.TempDir(), "script")
	text := "#!/bin/sh\necho \"$1|$2|$PWD\"\nenv | grep -v -e ^PWD= -e ^SHLVL= -e ^_=\ncat >&2\n"
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	out, err := run(context.Background(), []string{script, "a b", "$HOME;*"}, []byte("input\n"))
	if want := "a b|$HOME;*|/\n" + path + "\ninput\n"; err != nil || string(out) != want {
		t.Errorf("%v, got\n%s\nwant\n%s", err, out, want)
	}
	out, err = run(context.Background(), []string{"/bin/sh", "-c", "seq 100000; exit 3"}, make([]byte, 1<<20))
	if exit(context.Background(), err) != "3" || len(out) != tailMax || lastLine(out) != "100000" {
		t.Errorf("%v, %d bytes", err, len(out))
	}
	if _, err := run(context.Background(), []string{"/bin/sh", "-c", "kill -9 $$"}, nil); exit(context.Background(), err) != "signal" {
		t.Errorf("%v", err)
	}
	if _, err := run(context.Background(), []string{"/nonexistent"}, nil); exit(context.Background(), err) != "not_run" || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// When the time is over everything that the command has started ends.
func TestKilledAsAGroup(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	pids := filepath.Join(t.TempDir(), "pids")
	go func() {
		defer cancel()
		for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); <-time.After(time.Millisecond) {
			if text, err := os.ReadFile(pids); err == nil && strings.Count(string(text), "\n") == 2 {
				return
			}
		}
	}()
	_, err := run(ctx, []string{"/bin/sh", "-c", `sleep 600 & echo $! > "$0"; echo $$ >> "$0"; wait`, pids}, nil)
	if exit(ctx, err) != "timeout" {
		t.Errorf("%v", err)
	}
	text, err := os.ReadFile(pids)
	if err != nil {
		t.Fatal(err)
	}
	for word := range strings.FieldsSeq(string(text)) {
		pid, err := strconv.Atoi(word)
		if err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(10 * time.Second); alive(pid); <-time.After(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("process %d goes on", pid)
			}
		}
	}
}

// alive tells whether a process is running; one that nobody has waited for isn't.
func alive(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(text), ") ")
	return !strings.HasPrefix(state, "Z")
}

// Who leaves a process behind that holds on to the output has ended all the same.
func TestLeftBehind(t *testing.T) {
	begin := time.Now()
	pidFile := filepath.Join(t.TempDir(), "pid")
	out, err := run(context.Background(), []string{"/bin/sh", "-c", `sleep 600 & echo $! > "$0"; echo done`, pidFile}, nil)
	if err != nil || lastLine(out) != "done" || time.Since(begin) > time.Minute {
		t.Errorf("%v, %q", err, out)
	}
	text, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
}
