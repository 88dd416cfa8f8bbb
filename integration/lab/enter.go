//go:build linux

package lab

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"github.com/vishvananda/netns"
)

// inside marks a process that was started again in a user namespace.
const inside = "NAMEWALL_LAB_INSIDE"

// Main calls run with the right to make network namespaces: at once if the
// process has it, as root does, otherwise in a user namespace, where the program
// is started once more with the same arguments. It returns the exit status.
func Main(run func() int) int {
	if err := prepare(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer namewall.remove()
	denied := mayMakeNamespaces()
	if denied == nil {
		return run()
	}
	if os.Getenv(inside) != "" {
		fmt.Fprintln(os.Stderr, "the lab can't make a network namespace, not even in a user namespace:", denied)
		return 1
	}
	return again()
}

//go:embed require.sh
var require string

// prepare makes sure that the commands of the lab are there.
func prepare() error {
	// Where an ordinary user's PATH ends, ip, nft and unbound begin.
	if err := os.Setenv("PATH", os.Getenv("PATH")+":/usr/local/sbin:/usr/sbin:/sbin"); err != nil {
		return err
	}
	check := exec.Command("sh", "-s", "--", "--check")
	check.Stdin = strings.NewReader(require)
	if out, err := check.CombinedOutput(); err != nil {
		return errors.New(strings.TrimSpace(string(out)))
	}
	return nil
}

// mayMakeNamespaces tries it, on a thread that ends with the attempt.
func mayMakeNamespaces() error {
	tried := make(chan error)
	go func() {
		runtime.LockOSThread()
		handle, err := netns.New()
		if err == nil {
			err = handle.Close()
		}
		tried <- err
	}()
	return <-tried
}

// again runs this program as root of a user namespace of its own, with a mount
// namespace for what only that root may mount.
func again() int {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), inside+"=yes")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
	}
	runtime.LockOSThread() // Pdeathsig means the thread
	defer runtime.UnlockOSThread()
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return max(1, exit.ExitCode())
	default:
		fmt.Fprintf(os.Stderr, "the lab needs root, or a user namespace, which is refused here: %v\n", err)
		return 1
	}
}
