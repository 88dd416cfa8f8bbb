package state

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// ownMounts runs the calling test again in a process with a mount namespace of
// its own, where it may mount what it likes, and reports true there. It needs
// root, or a user namespace in which the tests are root (unshare -Urnm); without,
// the test fails.
func ownMounts(t *testing.T) bool {
	t.Helper()
	const inside = "STATE_TEST_MOUNTS"
	if os.Getenv(inside) != "" {
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			t.Fatal(err)
		}
		return true
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, unix.EPERM) {
		t.Fatalf("making a mount namespace: %v (run as root, or under 'unshare -Urnm')", err)
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

// mount makes a file system in memory and a Dir on it.
func mount(t *testing.T, options string) *Dir {
	t.Helper()
	path := t.TempDir()
	if err := unix.Mount("tmpfs", path, "tmpfs", 0, options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(path, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	d, err := Open(filepath.Join(path, "namewall"))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// contents are all files with their content.
func contents(t *testing.T, d *Dir) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for _, name := range files(t, d) {
		all[name] = string(get(t, d, name))
	}
	return all
}

// saysTheSame fails unless an error names the state file, and is the same when it
// comes again.
func saysTheSame(t *testing.T, d *Dir, s Snapshot, err error) {
	t.Helper()
	if again := d.Save(s); again == nil || again.Error() != err.Error() || !strings.Contains(err.Error(), d.file(newest)+": ") {
		t.Errorf("%v, and the next time: %v", err, again)
	}
}

// The disk has space for so many pages of a save that needs about twenty, or for
// no file more: nothing changes until it has enough.
func TestDiskFull(t *testing.T) {
	if !ownMounts(t) {
		return
	}
	large := large(1000)
	large.Bindings[0].Reasons[0].Rule = "saved"
	page := os.Getpagesize()
	for _, full := range []string{"size=256k", "nr_inodes=5"} {
		d := mount(t, full)
		mustSave(t, d, small("older"))
		mustSave(t, d, small("good"))
		before := contents(t, d)
		ballast := filepath.Join(filepath.Dir(d.path), "ballast")
		if err := os.WriteFile(ballast, make([]byte, free(t, d.path)), 0o600); err != nil {
			t.Fatal(err)
		}
		failures := 0
		for {
			err := d.Save(large)
			if err == nil {
				break
			}
			if failures++; !errors.Is(err, unix.ENOSPC) {
				t.Fatal(err)
			}
			saysTheSame(t, d, large, err)
			if after := contents(t, d); !maps.Equal(before, after) {
				t.Fatalf("%s: a save that failed has changed the files: %q", full, files(t, d))
			}
			info, err := os.Stat(ballast)
			switch {
			case err != nil:
				t.Fatal(err)
			case info.Size() >= int64(page):
				err = os.Truncate(ballast, info.Size()-int64(page))
			default:
				err = os.Remove(ballast)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if failures == 0 {
			t.Errorf("%s: never full", full)
		}
		if got := ruleOf(t, mustLoad(t, d).Snapshot); got != "saved" {
			t.Errorf("loaded %s", got)
		}
	}
}

// free is how many bytes are free on a file system of limited size, 0 on others.
func free(t *testing.T, path string) int64 {
	t.Helper()
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		t.Fatal(err)
	}
	if n := int64(fs.Bavail * uint64(fs.Bsize)); n < 1<<20 {
		return n
	}
	return 0
}

func TestReadOnly(t *testing.T) {
	if !ownMounts(t) {
		return
	}
	d := mount(t, "size=1m")
	mustSave(t, d, small("older"))
	mustSave(t, d, small("good"))
	put(t, d, ".state123", nil)
	before := contents(t, d)
	root := filepath.Dir(d.path)
	if err := unix.Mount("", root, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	again, err := Open(d.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Save(small("saved")); !errors.Is(err, unix.EROFS) {
		t.Errorf("saved: %v", err)
	} else {
		saysTheSame(t, again, small("saved"), err)
	}
	if got := ruleOf(t, mustLoad(t, again).Snapshot); got != "good" {
		t.Errorf("loaded %s", got)
	}
	if after := contents(t, d); !maps.Equal(before, after) {
		t.Errorf("files are %q", files(t, d))
	}
	if _, err := Open(filepath.Join(root, "new")); !errors.Is(err, unix.EROFS) {
		t.Errorf("made a directory: %v", err)
	}
	if err := unix.Mount("", root, "", unix.MS_REMOUNT, ""); err != nil {
		t.Fatal(err)
	}
	if again, err = Open(d.path); err != nil {
		t.Fatal(err)
	}
	wantWorking(t, again)
}
