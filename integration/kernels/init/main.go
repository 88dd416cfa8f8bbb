//go:build linux && amd64

// Command init is the first and only program of a virtual machine that tests a
// kernel: it mounts what programs expect to find, loads the modules, runs the
// tests, and switches the machine off.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/namewall/namewall/integration/kernels"
)

func main() {
	if err := run(); err != nil {
		fmt.Println("init:", err) // to the console, if there is nothing else
	}
	// The emulator is told to end where a machine would start anew.
	fmt.Println("init:", unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART))
}

func run() error {
	if err := mount(); err != nil {
		return err
	}
	out, err := openPort()
	if err != nil {
		return err
	}
	if err := test(out); err != nil {
		fmt.Fprintln(out, kernels.Broke, err)
	}
	// Nothing may be left in the port when the machine goes.
	return unix.IoctlSetInt(int(out.Fd()), unix.TCSBRK, 1)
}

func mount() error {
	for folder, kind := range map[string]string{"/proc": "proc", "/sys": "sysfs", "/dev": "devtmpfs", "/tmp": "tmpfs"} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(kind, folder, kind, 0, ""); err != nil {
			return fmt.Errorf("mounting %s: %w", folder, err)
		}
	}
	return nil
}

// openPort opens the port for the tests' output, and has it leave bytes as they
// are.
func openPort() (*os.File, error) {
	out, err := os.OpenFile(kernels.Port, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	settings, err := unix.IoctlGetTermios(int(out.Fd()), unix.TCGETS)
	if err != nil {
		return nil, err
	}
	settings.Oflag &^= unix.OPOST
	return out, unix.IoctlSetTermios(int(out.Fd()), unix.TCSETS, settings)
}

// test does what the plan says.
func test(out *os.File) error {
	b, err := os.ReadFile(kernels.PlanFile)
	if err != nil {
		return err
	}
	var plan kernels.Plan
	if err := json.Unmarshal(b, &plan); err != nil {
		return fmt.Errorf("%s: %w", kernels.PlanFile, err)
	}
	for _, module := range plan.Modules {
		if err := load(filepath.Join(kernels.ModuleFolder, module)); err != nil {
			return fmt.Errorf("loading %s: %w", module, err)
		}
	}
	for _, tests := range plan.Tests {
		fmt.Fprintln(out, kernels.Began, tests.Package)
		folder := filepath.Join(kernels.TestFolder, tests.Package)
		cmd := exec.Command(filepath.Join(folder, kernels.TestBinary), tests.Args...)
		cmd.Dir, cmd.Stdout, cmd.Stderr = folder, out, out
		cmd.Env = []string{"PATH=/usr/sbin:/usr/bin", "HOME=/tmp"}
		err := cmd.Run()
		if err != nil && !errors.As(err, new(*exec.ExitError)) {
			return fmt.Errorf("%s: %w", tests.Package, err)
		}
		fmt.Fprintf(out, "\n%s %d %s\n", kernels.Ended, cmd.ProcessState.ExitCode(), tests.Package)
	}
	return nil
}

func load(module string) error {
	f, err := os.Open(module)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.FinitModule(int(f.Fd()), "", 0)
}
