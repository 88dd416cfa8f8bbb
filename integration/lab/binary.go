//go:build linux

package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// namewall builds the binary under test, when it is first asked for.
var namewall builder

// Build builds the binary under test, if it has not been built in this run:
// whoever measures time does so before.
func Build(t T) {
	t.Helper()
	if _, err := namewall.path(); err != nil {
		t.Fatalf("%v", err)
	}
}

// builder builds a binary once a run.
type builder struct {
	once sync.Once // guards the rest
	dir  string
	err  error
}

// path is where the binary is.
func (b *builder) path() (string, error) {
	b.once.Do(func() { b.err = b.build() })
	return filepath.Join(b.dir, "namewall"), b.err
}

func (b *builder) build() (err error) {
	if b.dir, err = os.MkdirTemp("", "namewall-lab-"); err != nil {
		return err
	}
	args := []string{"build", "-o", b.dir + "/"}
	if race {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, "github.com/namewall/namewall/cmd/namewall")...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("building namewall: %w\n%s", err, out)
	}
	return nil
}

// remove removes what was built.
func (b *builder) remove() {
	if b.dir != "" {
		os.RemoveAll(b.dir)
	}
}
