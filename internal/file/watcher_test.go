package file

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// following is a Watcher of one file and what it has told.
type following struct {
	*testing.T
	path string
	told chan string // the file's text, or the error of reading it
}

func follow(t *testing.T, path string) *following {
	return &following{T: t, path: path, told: make(chan string, 100)}
}

func (f *following) changed(path string) bool {
	text, _, err := Read(path, 1000)
	if err != nil {
		text = "unreadable"
	}
	if path != f.path {
		text = "another file"
	}
	f.told <- text
	return false
}

func (f *following) known() map[string]Version {
	f.Helper()
	_, v, err := Read(f.path, 1000)
	if err != nil {
		f.Fatal(err)
	}
	return map[string]Version{f.path: v}
}

// begun waits until the watcher has looked at what it looks at in the beginning:
// it has when it has told of something. A nudge that comes before the first look is
// seen, and one after it is heard; but not one that sets a single time, which the
// kernel takes for a write (fsnotify_change).
func (f *following) begun() {
	f.Helper()
	nudge := time.Unix(1, 0)
	do(f.T, os.Chtimes(f.path, nudge, nudge))
	f.next("old")
}

// next is what it tells next.
func (f *following) next(want string) {
	f.Helper()
	select {
	case got := <-f.told:
		if got != want {
			f.Errorf("told of %q, want %q", got, want)
		}
	case <-time.After(20 * time.Second):
		f.Errorf("told of nothing, want %q", want)
	}
}

// quiet fails if there is more to tell. In a synctest bubble.
func (f *following) quiet() {
	f.Helper()
	time.Sleep(10 * pollEvery)
	select {
	case got := <-f.told:
		f.Errorf("told of %q, want nothing", got)
	default:
	}
}

// Every way in which files are changed is noticed, without looking on suspicion.
func TestNotices(t *testing.T) {
	for _, test := range []struct {
		name   string
		set    func(t *testing.T, dir string) // makes dir/list
		change func(t *testing.T, dir string)
		want   string
	}{
		{"in place", plain, func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "list"), "new")
		}, "new"},
		{"rename", plain, func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, ".list.tmp"), "new")
			do(t, os.Rename(filepath.Join(dir, ".list.tmp"), filepath.Join(dir, "list")))
		}, "new"},
		{"an editor's backup", plain, func(t *testing.T, dir string) {
			do(t, os.Rename(filepath.Join(dir, "list"), filepath.Join(dir, "list~")))
			write(t, filepath.Join(dir, "list"), "new")
		}, "new"},
		{"the same text and size", plain, func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, ".list.tmp"), "old")
			do(t, os.Rename(filepath.Join(dir, ".list.tmp"), filepath.Join(dir, "list")))
		}, "old"},
		{"deleted", plain, func(t *testing.T, dir string) {
			do(t, os.Remove(filepath.Join(dir, "list")))
		}, "unreadable"},
		{"a directory in its place", plain, func(t *testing.T, dir string) {
			do(t, os.Remove(filepath.Join(dir, "list")))
			do(t, os.Mkdir(filepath.Join(dir, "list"), 0o700))
		}, "unreadable"},
		{"a configmap", configmap, func(t *testing.T, dir string) {
			do(t, os.Mkdir(filepath.Join(dir, "..2"), 0o700))
			write(t, filepath.Join(dir, "..2", "list"), "new")
			do(t, os.Symlink("..2", filepath.Join(dir, "..data_tmp")))
			do(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
			do(t, os.RemoveAll(filepath.Join(dir, "..1")))
		}, "new"},
		{"the link's target in place", linked, func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "far", "list"), "new")
		}, "new"},
		{"another link", linked, func(t *testing.T, dir string) {
			write(t, filepath.Join(dir, "far", "other"), "new")
			do(t, os.Symlink("far/other", filepath.Join(dir, "tmp")))
			do(t, os.Rename(filepath.Join(dir, "tmp"), filepath.Join(dir, "list")))
		}, "new"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			test.set(t, dir)
			f := follow(t, filepath.Join(dir, "list"))
			n, err := newNotifier()
			do(t, err)
			w := newWatcher(f.known(), f.changed, func(err error) { t.Error(err) })
			w.poll = time.Hour
			defer w.Close()
			go w.run(n)
			f.begun()
			test.change(t, dir)
			f.next(test.want)
			// And so for the next one, wherever it shows now.
			do(t, os.RemoveAll(f.path))
			write(t, f.path, "newest")
			f.next("newest")
		})
	}
}

func plain(t *testing.T, dir string) { write(t, filepath.Join(dir, "list"), "old") }

// configmap is how Kubernetes mounts them.
func configmap(t *testing.T, dir string) {
	do(t, os.Mkdir(filepath.Join(dir, "..1"), 0o700))
	write(t, filepath.Join(dir, "..1", "list"), "old")
	do(t, os.Symlink("..1", filepath.Join(dir, "..data")))
	do(t, os.Symlink("..data/list", filepath.Join(dir, "list")))
}

func linked(t *testing.T, dir string) {
	do(t, os.Mkdir(filepath.Join(dir, "far"), 0o700))
	write(t, filepath.Join(dir, "far", "list"), "old")
	do(t, os.Symlink("far/list", filepath.Join(dir, "list")))
}

// Where the kernel tells nothing, a change is noticed all the same; and a file is
// told of once it has come to rest, and once.
func TestPolls(t *testing.T) {
	dir := t.TempDir()
	plain(t, dir)
	synctest.Test(t, func(t *testing.T) {
		f := follow(t, filepath.Join(dir, "list"))
		w := newWatcher(f.known(), f.changed, nil)
		defer w.Close()
		go w.run(nil)
		f.quiet()
		write(t, f.path, "new")
		f.next("new")
		f.quiet()

		text := ""
		for range 2 * pollEvery / pause { // looks fall into this
			text += "x"
			write(t, f.path, text)
			time.Sleep(pause / 2)
		}
		f.next(text)
		f.quiet()

		do(t, os.Remove(f.path))
		f.next("unreadable")
		f.quiet()
		write(t, f.path, text)
		f.next(text)
		f.quiet()
	})
}

// What changed between the reading and the beginning is noticed.
func TestChangedBefore(t *testing.T) {
	dir := t.TempDir()
	plain(t, dir)
	synctest.Test(t, func(t *testing.T) {
		f := follow(t, filepath.Join(dir, "list"))
		known := f.known()
		write(t, f.path, "newer")
		w := newWatcher(known, f.changed, nil)
		defer w.Close()
		go w.run(nil)
		f.next("newer")
	})
}

// Who asks for another try gets it, until it is content.
func TestAgain(t *testing.T) {
	dir := t.TempDir()
	plain(t, dir)
	synctest.Test(t, func(t *testing.T) {
		f := follow(t, filepath.Join(dir, "list"))
		tries := 0
		w := newWatcher(f.known(), func(path string) bool {
			tries++
			return f.changed(path) || tries < 3
		}, nil)
		defer w.Close()
		go w.run(nil)
		write(t, f.path, "new")
		for range 3 {
			f.next("new")
		}
		f.quiet()
	})
}

// Without room for another watch the files are looked at now and then, which is
// told once.
func TestBlind(t *testing.T) {
	dir := t.TempDir()
	plain(t, dir)
	synctest.Test(t, func(t *testing.T) {
		n, err := newNotifier()
		do(t, err)
		n.close() // the kernel refuses every directory from now on
		f := follow(t, filepath.Join(dir, "list"))
		told := 0
		w := newWatcher(f.known(), f.changed, func(error) { told++ })
		defer w.Close()
		go w.run(n)
		write(t, f.path, "new")
		f.next("new")
		write(t, f.path, "newer")
		f.next("newer")
		if told != 1 {
			t.Errorf("told of its blindness %d times", told)
		}
	})
}

// After Close nothing is told.
func TestClose(t *testing.T) {
	dir := t.TempDir()
	plain(t, dir)
	synctest.Test(t, func(t *testing.T) {
		f := follow(t, filepath.Join(dir, "list"))
		w := newWatcher(f.known(), f.changed, nil)
		go w.run(nil)
		write(t, f.path, "new")
		time.Sleep(pause / 2) // it has been seen, and may not be at rest
		w.Close()
		w.Close()
		f.quiet()
	})
}
