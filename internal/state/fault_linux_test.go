package state

import (
	"errors"
	"os"
	"testing"
)

// faultyDisk calls fault before each step of a save, by number and name; the
// step is not taken if that fails.
type faultyDisk struct {
	disk
	pending
	fault func(step int, name string) error
	step  int
}

func (f *faultyDisk) next(name string) error {
	f.step++
	return f.fault(f.step, name)
}

func (f *faultyDisk) create() (pending, error) {
	if err := f.next("create"); err != nil {
		return nil, err
	}
	p, err := f.disk.create()
	f.pending = p
	return f, err
}

func (f *faultyDisk) Write(b []byte) (int, error) {
	if err := f.next("half a write"); err != nil {
		return 0, err
	}
	n, err := f.pending.Write(b[:len(b)/2])
	if err != nil {
		return n, err
	}
	if err := f.next("write"); err != nil {
		return n, err
	}
	m, err := f.pending.Write(b[len(b)/2:])
	return n + m, err
}

func (f *faultyDisk) Sync() error {
	if err := f.next("sync"); err != nil {
		return err
	}
	return f.pending.Sync()
}

func (f *faultyDisk) retire() error {
	if err := f.next("retire"); err != nil {
		return err
	}
	return f.disk.retire()
}

func (f *faultyDisk) CloseAtomicallyReplace() error {
	if err := f.next("replace"); err != nil {
		return err
	}
	return f.pending.CloseAtomicallyReplace()
}

func (f *faultyDisk) sync() error {
	if err := f.next("sync the directory"); err != nil {
		return err
	}
	return f.disk.sync()
}

// saveFaulty saves s, and calls fault before each step.
func (d *Dir) saveFaulty(s Snapshot, fault func(step int, name string) error) error {
	return d.save(s, func(in *visit) disk {
		return &faultyDisk{disk: (*realDisk)(in), fault: fault}
	})
}

// situations are what a save may find. Each leaves "good" as the newest
// generation that can be used, if there is one.
var situations = map[string]func(t *testing.T, d *Dir){
	"no generation":  func(*testing.T, *Dir) {},
	"one generation": func(t *testing.T, d *Dir) { mustSave(t, d, small("good")) },
	"two generations": func(t *testing.T, d *Dir) {
		mustSave(t, d, small("older"))
		mustSave(t, d, small("good"))
	},
	"the newest is missing": func(t *testing.T, d *Dir) {
		mustSave(t, d, small("good"))
		if err := os.Rename(d.file(newest), d.file(previous)); err != nil {
			t.Fatal(err)
		}
	},
	"the newest is damaged": func(t *testing.T, d *Dir) {
		mustSave(t, d, small("good"))
		mustSave(t, d, small("damaged"))
		put(t, d, newest, get(t, d, newest)[:200])
	},
	"the previous is damaged": func(t *testing.T, d *Dir) {
		mustSave(t, d, small("damaged"))
		mustSave(t, d, small("good"))
		put(t, d, previous, get(t, d, previous)[:200])
	},
	"the two are swapped": func(t *testing.T, d *Dir) {
		mustSave(t, d, small("older"))
		mustSave(t, d, small("good"))
		swap(t, d)
	},
	"both are damaged": func(t *testing.T, d *Dir) {
		put(t, d, newest, []byte("x"))
		put(t, d, previous, nil)
	},
}

// wantGoodOr is the promise of Save: whatever it did not finish, what could be
// loaded before can be, or what was saved.
func wantGoodOr(t *testing.T, d *Dir, had bool, step string) (saved bool) {
	t.Helper()
	l, err := d.Load()
	switch {
	case err == nil && ruleOf(t, l.Snapshot) == "saved":
		return true
	case err == nil && ruleOf(t, l.Snapshot) == "good", errors.Is(err, ErrNone) && !had:
		return false
	}
	t.Fatalf("after %s: %v, loaded %v, problems %v", step, err, l.Snapshot, l.Problems)
	return false
}

// afterwards, a save works and leaves two generations at most, and nothing else.
func wantWorking(t *testing.T, d *Dir) {
	t.Helper()
	mustSave(t, d, small("next"))
	if l, err := d.Load(); err != nil || ruleOf(t, l.Snapshot) != "next" {
		t.Errorf("%v, problems %v", err, l.Problems)
	}
	for _, name := range files(t, d) {
		if name != newest && name != previous {
			t.Errorf("%s is left", name)
		}
	}
}

var errInjected = errors.New("injected")

func TestFailureAtEveryStep(t *testing.T) {
	for name, prepare := range situations {
		t.Run(name, func(t *testing.T) {
			var steps []string
			for failing := 1; ; failing++ {
				d, _ := testDir(t)
				prepare(t, d)
				_, err := d.Load()
				had := err == nil
				var last string
				err = d.saveFaulty(small("saved"), func(step int, name string) error {
					last = name
					if step == failing {
						return errInjected
					}
					return nil
				})
				saved := wantGoodOr(t, d, had, last)
				for _, name := range files(t, d) {
					if name != newest && name != previous {
						t.Errorf("%s is left after %s", name, last)
					}
				}
				if err == nil {
					if !saved {
						t.Error("saved, but not loaded")
					}
					break
				}
				if !errors.Is(err, errInjected) {
					t.Fatalf("%s: %v", last, err)
				}
				steps = append(steps, last)
				wantWorking(t, d)
			}
			if len(steps) < 8 || steps[len(steps)-1] != "sync the directory" {
				t.Errorf("failed at %q only", steps)
			}
		})
	}
}
