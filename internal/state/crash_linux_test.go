package state

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The environment of a child process that this test binary becomes.
const (
	childVar = "STATE_TEST_CHILD" // what to do: "step N" or "forever"
	dirVar   = "STATE_TEST_DIR"
)

func TestMain(m *testing.M) {
	if what := os.Getenv(childVar); what != "" {
		if err := child(what, os.Getenv(dirVar)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child saves once and kills itself at a step, or saves until it is killed and
// says so after each one.
func child(what, dir string) error {
	d, err := OpenWithClock(dir, &fakeClock{instant(1, time.Hour)})
	if err != nil {
		return err
	}
	if step, ok := strings.CutPrefix(what, "step "); ok {
		fatal, err := strconv.Atoi(step)
		if err != nil {
			return err
		}
		return d.saveFaulty(small("saved"), func(step int, _ string) error {
			if step == fatal {
				return unix.Kill(os.Getpid(), unix.SIGKILL)
			}
			return nil
		})
	}
	for i := 1; ; i++ {
		s := large(500)
		for b := range s.Bindings {
			s.Bindings[b].Reasons[0].Rule = strconv.Itoa(i)
		}
		if err := d.Save(s); err != nil {
			return err
		}
		fmt.Println(i)
	}
}

func childCommand(t *testing.T, what, dir string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), childVar+"="+what, dirVar+"="+dir)
	cmd.Stderr = os.Stderr
	return cmd
}

// killed tells whether a process ended by SIGKILL.
func killed(err error) bool {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return false
	}
	status, ok := exit.Sys().(interface{ Signal() unix.Signal })
	return ok && status.Signal() == unix.SIGKILL
}

func TestKillAtEveryStep(t *testing.T) {
	for name, prepare := range situations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for fatal := 1; ; fatal++ {
				d, clock := testDir(t)
				prepare(t, d)
				_, err := d.Load()
				had := err == nil
				err = childCommand(t, fmt.Sprint("step ", fatal), d.path).Run()
				saved := wantGoodOr(t, d, had, fmt.Sprint("step ", fatal))
				if err == nil {
					if !saved || fatal < 9 {
						t.Errorf("%d steps, saved: %v", fatal-1, saved)
					}
					break
				}
				if !killed(err) {
					t.Fatal(err)
				}
				again, err := OpenWithClock(d.path, clock)
				if err != nil {
					t.Fatal(err)
				}
				wantGoodOr(t, again, had, "a restart")
				wantWorking(t, again)
			}
		})
	}
}

// A process that is killed at any time has saved at least what it said it has.
func TestKillAtAnyTime(t *testing.T) {
	d, _ := testDir(t)
	for range 25 {
		cmd := childCommand(t, "forever", d.path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines, said := bufio.NewScanner(out), ""
		for range 1 + rand.IntN(3) {
			if !lines.Scan() {
				t.Fatalf("the child said no more than %q", said)
			}
			said = lines.Text()
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() {
			said = lines.Text()
		}
		if err := cmd.Wait(); !killed(err) {
			t.Fatal(err)
		}
		atLeast, err := strconv.Atoi(said)
		if err != nil {
			t.Fatal(err)
		}
		l := mustLoad(t, d)
		got, err := strconv.Atoi(ruleOf(t, l.Snapshot))
		if err != nil || got < atLeast || got > atLeast+1 || len(l.Bindings) != 500 {
			t.Fatalf("loaded save %d after %d, %d bindings, %v", got, atLeast, len(l.Bindings), err)
		}
	}
}
