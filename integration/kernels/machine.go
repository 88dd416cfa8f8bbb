//go:build linux && amd64

package kernels

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// root is the repository, from this folder.
const root = "../.."

const (
	// limit ends a machine that hangs: several times what it takes where there is
	// nothing else to do, and within the time that go test allows by itself.
	limit = 8 * time.Minute
	// memory is in MiB: twice the file system, as it is given and unpacked, and
	// the biggest sets. The host gives what is used.
	memory = "768"
	// consoleTail is how much of the kernel's messages is worth showing.
	consoleTail = 4000
)

// machine is a virtual machine to be started.
type machine struct {
	kernel  string // the file
	content string // the file with its file system
	console string // the file that the kernel's messages go to

	busy time.Duration // of processors, once it has ended
}

// newMachine makes a machine of a kernel, the programs in a folder and what is to
// be done, with its files in another folder.
func newMachine(k *kernel, folder, binaries string, tests []Tests) (*machine, error) {
	var content image
	load, err := k.load(nil, modules...)
	if err != nil {
		return nil, err
	}
	plan := Plan{Tests: tests}
	for _, m := range load {
		name := m.name + ".ko"
		content.add(path.Join(ModuleFolder, name), 0o644, m.code)
		plan.Modules = append(plan.Modules, name)
	}
	b, err := json.Marshal(plan)
	if err != nil {
		return nil, err
	}
	content.add(PlanFile, 0o644, b)
	content.addFile("/init", filepath.Join(binaries, "init"))
	for _, p := range tests {
		inside := path.Join(TestFolder, p.Package)
		content.addFile(path.Join(inside, TestBinary), filepath.Join(binaries, p.Package, TestBinary))
		content.addFolder(path.Join(inside, "testdata"), filepath.Join(root, p.Package, "testdata"))
	}
	content.addCommand("nft")
	content.addCommand("ip")
	content.addFile("/etc/protocols", "/etc/protocols") // for nft, to name them

	m := &machine{kernel: k.image, content: filepath.Join(folder, "initrd"), console: filepath.Join(folder, "console")}
	return m, content.write(m.content)
}

// run starts the machine, calls line for every line that comes out of its port,
// and waits for its end. A kernel that panics ends the machine, too.
func (m *machine) run(line func([]byte)) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	// Two processors, so that packets are looked at while a commit is made; in one
	// thread, one for a moment each: with a thread for each the emulator may run an
	// instruction that the other has replaced already, and a kernel that patches itself
	// at its start then dies of it (int3 in enqueue_timer, seen once).
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64",
		"-accel", "tcg,thread=single", "-cpu", "max", "-smp", "2", "-m", memory,
		"-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
		"-serial", "file:"+m.console, "-serial", "stdio",
		"-kernel", m.kernel, "-initrd", m.content,
		"-append", "console=ttyS0 panic=-1 quiet tsc=unstable mitigations=off")
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting a machine: %w (make check-deps says what to install)", err)
	}
	for read := bufio.NewReader(out); err == nil; {
		var b []byte
		b, err = read.ReadBytes('\n')
		line(b)
	}
	err = cmd.Wait() // the port's end, too
	m.busy = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("no end after %v", limit)
	case err != nil:
		return fmt.Errorf("%w: %s", err, complaints.Bytes())
	}
	return nil
}

// messages are the kernel's last ones.
func (m *machine) messages() string {
	b, err := os.ReadFile(m.console)
	if err != nil {
		return err.Error()
	}
	return strings.ToValidUTF8(string(b[max(0, len(b)-consoleTail):]), "?")
}
