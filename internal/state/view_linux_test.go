package state

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Root sees what the service's user has saved, and leaves everything as it is.
func TestView(t *testing.T) {
	const service = 65534
	path := filepath.Join(t.TempDir(), "state")
	d, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	s := small("web")
	s.Taken = System().Now()
	if err := d.Save(s); err != nil {
		t.Fatal(err)
	}
	leftover := filepath.Join(path, ".state123")
	if err := os.WriteFile(leftover, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{path, filepath.Join(path, newest)} {
		// The root of a user namespace has nobody else to give files to.
		_ = os.Chown(file, service, service)
	}
	l, err := View(path)
	if err != nil || len(l.Bindings) != len(s.Bindings) || l.Passed > time.Minute {
		t.Errorf("got %d bindings, %v", len(l.Bindings), err)
	}
	if _, err := os.Stat(leftover); err != nil {
		t.Errorf("viewing has removed something: %v", err)
	}
	missing := filepath.Join(t.TempDir(), "none")
	if _, err := View(missing); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("viewing has made a directory")
	}
}
