package state

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// testDir is a directory of its own, with a clock that the test sets.
func testDir(t testing.TB) (*Dir, *fakeClock) {
	t.Helper()
	clock := &fakeClock{instant(1, time.Hour)}
	d, err := OpenWithClock(filepath.Join(t.TempDir(), "namewall"), clock)
	if err != nil {
		t.Fatal(err)
	}
	return d, clock
}

func mustSave(t testing.TB, d *Dir, s Snapshot) {
	t.Helper()
	if err := d.Save(s); err != nil {
		t.Fatal(err)
	}
}

// mustLoad is Load that finds nothing wrong.
func mustLoad(t testing.TB, d *Dir) Loaded {
	t.Helper()
	l, err := d.Load()
	if err != nil || len(l.Problems) > 0 {
		t.Fatalf("%v, problems: %v", err, l.Problems)
	}
	return l
}

// put makes a file of d anew, as it is: one that is cut off and written again is
// flushed to the disk by ext4 when it is closed.
func put(t testing.TB, d *Dir, name string, content []byte) {
	t.Helper()
	if err := os.Remove(d.file(name)); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.file(name), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func get(t testing.TB, d *Dir, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(d.file(name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// files are the names in the directory.
func files(t testing.TB, d *Dir) []string {
	t.Helper()
	entries, err := os.ReadDir(d.path)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func wantFiles(t testing.TB, d *Dir, want ...string) {
	t.Helper()
	if got := files(t, d); !slices.Equal(got, want) {
		t.Errorf("files %q, want %q", got, want)
	}
}
