package state

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// wantUnsafe is for errors that say what to do, on one line.
func wantUnsafe(t *testing.T, what string, err error, remedy string) {
	t.Helper()
	if !errors.Is(err, ErrUnsafe) {
		t.Errorf("%s: %v", what, err)
		return
	}
	if text := err.Error(); !strings.Contains(text, remedy) || strings.Contains(text, "\n") {
		t.Errorf("%s: %q doesn't say %q", what, text, remedy)
	}
}

func TestUnsafeDirectory(t *testing.T) {
	d, _ := testDir(t)
	mustSave(t, d, small("web"))
	for _, mode := range []os.FileMode{0o755, 0o750, 0o770, 0o707, 0o701, 0o710, 0o720} {
		if err := os.Chmod(d.path, mode); err != nil {
			t.Fatal(err)
		}
		remedy := "'chmod 0700 " + d.path + "'"
		_, err := Open(d.path)
		wantUnsafe(t, "open with "+mode.String(), err, remedy)
		_, err = d.Load()
		wantUnsafe(t, "load with "+mode.String(), err, remedy)
		wantUnsafe(t, "save with "+mode.String(), d.Save(small("web")), remedy)
	}
	if err := os.Chmod(d.path, 0o700); err != nil {
		t.Fatal(err)
	}
	mustSave(t, d, small("web"))
	_, err := openAs(d.path, d.clock, d.uid+1)
	wantUnsafe(t, "another's", err, "'chown -R ")
	wantUnsafe(t, "another's", err, " "+d.path+"'")
}

func TestUnsafeFiles(t *testing.T) {
	replace := func(make func(path string) error) func(*testing.T, *Dir) {
		return func(t *testing.T, d *Dir) {
			if err := os.Rename(d.file(newest), d.file("elsewhere")); err != nil {
				t.Fatal(err)
			}
			if err := make(d.file(newest)); err != nil {
				t.Fatal(err)
			}
		}
	}
	chmod := func(mode os.FileMode) func(*testing.T, *Dir) {
		return func(t *testing.T, d *Dir) {
			if err := os.Chmod(d.file(newest), mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, test := range []struct {
		name   string
		spoil  func(*testing.T, *Dir)
		remedy string
		lasts  bool // a save can't replace it
	}{
		{"others may read it", chmod(0o604), "chmod 0600", false},
		{"the group may read it", chmod(0o640), "chmod 0600", false},
		{"the group may write it", chmod(0o620), "chmod 0600", false},
		{"a link", replace(func(path string) error { return os.Symlink("elsewhere", path) }), "rm -r", false},
		{"a link to nothing", replace(func(path string) error { return os.Symlink("nowhere", path) }), "rm -r", false},
		{"a pipe", replace(func(path string) error { return unix.Mkfifo(path, 0o600) }), "rm -r", false},
		{"a directory", replace(func(path string) error { return os.Mkdir(path, 0o700) }), "rm -r", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			d, _ := testDir(t)
			mustSave(t, d, small("first"))
			mustSave(t, d, small("second"))
			test.spoil(t, d)
			l, err := d.Load()
			if err != nil || len(l.Problems) != 1 || ruleOf(t, l.Snapshot) != "first" {
				t.Fatalf("%v, problems %v", err, l.Problems)
			}
			wantUnsafe(t, "problem", l.Problems[0], test.remedy+" "+d.file(newest)+"'")

			err = d.Save(small("third"))
			if test.lasts {
				if l, loadErr := d.Load(); err == nil || loadErr != nil || ruleOf(t, l.Snapshot) != "first" {
					t.Errorf("%v, %v", err, loadErr)
				}
				return
			}
			if err != nil || ruleOf(t, mustLoad(t, d).Snapshot) != "third" {
				t.Errorf("%v", err)
			}
			if err := os.Remove(d.file(newest)); err != nil {
				t.Fatal(err)
			}
			if got := ruleOf(t, mustLoad(t, d).Snapshot); got != "first" {
				t.Errorf("the previous generation is %s", got)
			}
		})
	}
}

func TestFileOfAnother(t *testing.T) {
	d, clock := testDir(t)
	mustSave(t, d, small("web"))
	in, err := d.enter()
	if err != nil {
		t.Fatal(err)
	}
	defer in.leave()
	d.uid++
	_, err = d.open(in, newest, clock.now)
	wantUnsafe(t, "another's", err, d.file(newest)+"'")
}
