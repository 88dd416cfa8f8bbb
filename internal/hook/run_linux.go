package hook

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// path is all of a command's environment: what a shell's children are found in.
const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// outputWait is how long a process that a command has left behind may keep its
// output open.
const outputWait = time.Second

// run runs a command, and returns the end of what it wrote.
func run(ctx context.Context, command []string, input []byte) (output []byte, err error) {
	var end tail
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = []string{path}
	cmd.Dir = "/"
	cmd.Stdin = bytes.NewReader(input)
	cmd.Stdout, cmd.Stderr = &end, &end
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = outputWait
	if err := unprivileged(cmd.Start); err != nil {
		return nil, err
	}
	err = cmd.Wait()
	if errors.Is(err, exec.ErrWaitDelay) { // it has ended well itself
		err = nil
	}
	return end, err
}

// exit is how a command ended, for a metric's label.
func exit(ctx context.Context, err error) string {
	if err == nil {
		return "0"
	}
	if ctx.Err() != nil {
		return "timeout"
	}
	ended, ok := errors.AsType[*exec.ExitError](err)
	switch {
	case !ok:
		return "not_run"
	case ended.ExitCode() < 0:
		return "signal"
	}
	return strconv.Itoa(ended.ExitCode())
}

// tail keeps the last bytes that were written.
type tail []byte

// tailMax is more than a line that anybody wants to read in a log.
const tailMax = 1024

// Write implements io.Writer.
func (t *tail) Write(b []byte) (int, error) {
	*t = append(*t, b...)
	if over := len(*t) - tailMax; over > 0 {
		*t = append((*t)[:0], (*t)[over:]...)
	}
	return len(b), nil
}
