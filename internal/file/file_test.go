package file

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// do fails the test for an error of what needs no result.
func do(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "list")
	write(t, path, "12345")
	text, v, err := Read(path, 5)
	if err != nil || text != "12345" || v == (Version{}) {
		t.Errorf("%q, %v, %v", text, v, err)
	}
	if _, again, err := Read(path, 5); err != nil || again != v {
		t.Errorf("read again: %v, %v, was %v", again, err, v)
	}
	do(t, os.Symlink("list", filepath.Join(dir, "link")))
	if _, linked, err := Read(filepath.Join(dir, "link"), 5); err != nil || linked != v {
		t.Errorf("by a link: %v, %v, was %v", linked, err, v)
	}
}

func TestReadErrors(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "long"), "123456")
	do(t, syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600)) // nobody writes to it
	for name, want := range map[string]string{
		"gone": "no such file or directory",
		"long": "more than 5 bytes",
		"pipe": "no regular file",
		".":    "no regular file",
	} {
		path := filepath.Join(dir, name)
		if _, _, err := Read(path, 5); err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := Read(filepath.Join(dir, "gone"), 5); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
}

// What is written to while it is read is not taken for a whole.
func TestReadWhileWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list")
	write(t, path, strings.Repeat("a.example\n", 1<<20))
	done, ended := make(chan struct{}), make(chan error)
	go func() {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
		for err == nil {
			select {
			case <-done:
				ended <- f.Close()
				return
			default:
				_, err = f.WriteString("b")
			}
		}
		ended <- err
	}()
	for deadline := time.Now().Add(20 * time.Second); ; {
		_, _, err := Read(path, 1<<30)
		if errors.Is(err, ErrChanging) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("a file that is written all the time is read: %v", err)
		}
	}
	close(done)
	do(t, <-ended)
}
