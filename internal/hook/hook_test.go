package hook

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	addr1 = netip.MustParseAddr("192.0.2.1")
	addr2 = netip.MustParseAddr("192.0.2.2")
	addr3 = netip.MustParseAddr("192.0.2.3")
)

// commands stands for the programs: each takes its time.
type commands struct {
	takes time.Duration

	mu      sync.Mutex // guards what follows
	inputs  []string
	running map[string]int // by path
	most    int
	runs    []Run
}

func (c *commands) start(ctx context.Context, command []string, input []byte) ([]byte, error) {
	c.mu.Lock()
	c.inputs = append(c.inputs, string(input))
	c.running[command[0]]++
	c.most = max(c.most, c.running[command[0]])
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		c.running[command[0]]--
		c.mu.Unlock()
	}()
	select {
	case <-time.After(c.takes):
		return []byte("one\nlast line \n\n"), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *commands) told(r Run) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.runs = append(c.runs, r)
}

func newRunner(takes time.Duration) (*Runner, *commands) {
	c := &commands{takes: takes, running: make(map[string]int)}
	r := New(c.told)
	r.start = c.start
	return r, c
}

func list(addrs ...netip.Addr) []netip.Addr { return addrs }

// What changes while the command runs is told to the next one, as one change of
// each name; one that was taken back is told to nobody.
func TestChangesAreJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, c := newRunner(5 * time.Second)
		command := []string{"/bin/a", "x"}
		tell := func(name string, added, removed, now []netip.Addr) {
			r.Tell(command, Notice{Rule: "in", Name: name, Added: added, Removed: removed, Addresses: now})
		}
		tell("fe1", list(addr2), nil, list(addr1, addr2))
		synctest.Wait()
		tell("fe2", list(addr3), nil, list(addr3))
		tell("fe1", list(addr3), list(addr1), list(addr2, addr3))
		tell("fe1", list(addr1), list(addr2), list(addr1, addr3))
		tell("fe3", list(addr1), nil, list(addr1))
		tell("fe3", nil, list(addr1), nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		want := []string{
			`{"rule":"in","name":"fe1","added":["192.0.2.2"],"removed":[],"addresses":["192.0.2.1","192.0.2.2"]}` + "\n",
			`{"rule":"in","name":"fe2","added":["192.0.2.3"],"removed":[],"addresses":["192.0.2.3"]}` + "\n" +
				`{"rule":"in","name":"fe1","added":["192.0.2.3"],"removed":["192.0.2.2"],"addresses":["192.0.2.1","192.0.2.3"]}` + "\n",
		}
		if diff := cmp.Diff(want, c.inputs); diff != "" {
			t.Error(diff)
		}
		if len(r.rules) != 0 {
			t.Error("a rule that is done with is kept")
		}
		if len(c.runs) != 2 || c.runs[0].Output != "last line" || c.runs[0].Err != nil || c.runs[0].Exit != "0" || c.runs[0].Command != "/bin/a" {
			t.Errorf("told %+v", c.runs)
		}
	})
}

// One rule's command never runs twice at once, and two rules' do.
func TestOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, c := newRunner(time.Second)
		begin := time.Now()
		for i := range 100 {
			now := list(addr1)
			if i%2 == 1 {
				now = list(addr2)
			}
			for _, rule := range []string{"a", "b"} {
				r.Tell([]string{"/bin/" + rule}, Notice{Rule: rule, Name: "fe", Added: now, Removed: nil, Addresses: now})
			}
			if time.Since(begin) != 0 {
				t.Fatal("telling took time")
			}
			synctest.Wait()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if c.most != 1 || len(c.inputs) != 4 {
			t.Errorf("%d at once, %d in all", c.most, len(c.inputs))
		}
	})
}

// A command that doesn't end is ended, and the next one runs.
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, c := newRunner(time.Hour)
		r.Tell([]string{"/bin/a"}, Notice{Rule: "in", Name: "fe", Added: list(addr1), Addresses: list(addr1)})
		synctest.Wait()
		r.Tell([]string{"/bin/a"}, Notice{Rule: "in", Name: "fe", Added: list(addr2), Addresses: list(addr1, addr2)})
		time.Sleep(runMax + time.Second)
		c.mu.Lock()
		if len(c.inputs) != 2 || len(c.runs) != 1 || c.runs[0].Exit != "timeout" || !errors.Is(c.runs[0].Err, context.DeadlineExceeded) {
			t.Errorf("%q, %+v", c.inputs, c.runs)
		} else if why := c.runs[0].Err.Error(); !strings.HasPrefix(why, "killed after 30s with all its children") {
			t.Errorf("it doesn't say what happened: %s", why)
		}
		c.mu.Unlock()
		time.Sleep(runMax) // until the other one is ended, too
	})
}

func TestNoticeIsReadBack(t *testing.T) {
	n := Notice{Rule: "in", Name: `a"\<>`, Added: list(addr1), Removed: list(), Addresses: list(addr1)}
	var got Notice
	line := encode([]Notice{n})
	if err := json.Unmarshal(line, &got); err != nil || strings.Count(string(line), "\n") != 1 {
		t.Fatalf("%v: %s", err, line)
	}
	if diff := cmp.Diff(n, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	script, plain := filepath.Join(dir, "script"), filepath.Join(dir, "plain")
	for file, mode := range map[string]os.FileMode{script: 0o700, plain: 0o600} {
		if err := os.WriteFile(file, []byte("#!/bin/sh\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		script:                    "",
		plain:                     "chmod +x it",
		dir:                       "is no file",
		filepath.Join(dir, "no"):  "there is no command",
		filepath.Join(plain, "x"): "can't be run",
		"notify":                  "write it like /usr/local/bin/notify",
		"./notify":                "no absolute path",
	} {
		err := Check(path)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", path, err)
		}
	}
}
