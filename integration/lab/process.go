//go:build linux

package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// runLimit ends a command that hangs. It is far beyond what any needs.
const runLimit = 30 * time.Second

// killDelay is how long a process may take to end before it is killed.
const killDelay = 10 * time.Second

// Option changes how a command is started.
type Option func(*exec.Cmd)

// Stdin gives the command this text to read.
func Stdin(text string) Option {
	return func(c *exec.Cmd) { c.Stdin = strings.NewReader(text) }
}

// Run runs a command in the namespace and returns its standard output. The
// error has what it wrote to standard error, and is an *exec.ExitError if the
// command ended with another status than 0.
func (n *NS) Run(with Option, command ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), runLimit)
	defer cancel()
	cmd := n.command(ctx, command)
	if with != nil {
		with(cmd)
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := n.start(cmd); err != nil {
		return "", err
	}
	if err := cmd.Wait(); err != nil {
		return stdout.String(), fmt.Errorf("%s: %w: %s", strings.Join(command, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.String(), nil
}

func (n *NS) command(ctx context.Context, command []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// start starts cmd from the keeper's thread, so that it is in the namespace and
// ends with it.
func (n *NS) start(cmd *exec.Cmd) error {
	started := make(chan error)
	n.jobs <- func() { started <- cmd.Start() }
	return <-started
}

// Process is a lasting process in a namespace. When the test ends it is
// terminated, and its output shown if the test failed. A process that ends in
// another way than it was asked to fails the test: with the race detector, that is
// also one that had a race.
type Process struct {
	Name string

	cmd    *exec.Cmd
	out    output
	killed bool          // by the test; of its goroutine
	ended  chan struct{} // closed when err is set
	err    error
}

// Start starts a lasting process.
func (n *NS) Start(t T, with Option, name string, command ...string) *Process {
	t.Helper()
	p := &Process{Name: name, ended: make(chan struct{})}
	p.cmd = n.command(context.Background(), command)
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if with != nil {
		with(p.cmd)
	}
	if err := n.start(p.cmd); err != nil {
		t.Fatalf("starting %s: %v", name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		if err := p.Stop(); err != nil && !p.killed {
			t.Errorf("%s: %v", name, err)
		}
		if t.Failed() {
			t.Logf("output of %s:\n%s", name, p.Output())
		}
	})
	return p
}

// Signal sends a signal to the process, by its own id. A process that has ended
// is no error.
func (p *Process) Signal(s os.Signal) error {
	err := p.cmd.Process.Signal(s)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// Stop terminates the process, if it still runs, and waits for its end. The
// error is the process's own way to end, unless it was the SIGTERM.
func (p *Process) Stop() error {
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-p.ended:
	case <-time.After(killDelay):
		if err := p.Signal(os.Kill); err != nil {
			return err
		}
		<-p.ended
		return fmt.Errorf("did not end within %v of SIGTERM", killDelay)
	}
	if exit, ok := errors.AsType[*exec.ExitError](p.err); ok {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() && status.Signal() == syscall.SIGTERM {
			return nil
		}
	}
	return p.err
}

// Kill ends the process as a crash would.
func (p *Process) Kill() {
	p.killed = true
	if p.Signal(os.Kill) == nil {
		<-p.ended
	}
}

// Running reports whether the process has not ended, and otherwise how it did.
func (p *Process) Running() error {
	select {
	case <-p.ended:
		if p.err == nil {
			return fmt.Errorf("%s ended with status 0", p.Name)
		}
		return fmt.Errorf("%s ended: %w", p.Name, p.err)
	default:
		return nil
	}
}

// Output is everything the process has written so far.
func (p *Process) Output() string { return p.out.String() }

// output is a buffer that may be read while it is written.
type output struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

var _ io.Writer = &output{}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
