package state

import (
	"errors"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// While one process saves, another neither saves nor takes the temporary file
// for a leftover.
func TestTwoProcesses(t *testing.T) {
	d, _ := testDir(t)
	mustSave(t, d, small("web"))
	saving, err := d.enter()
	if err != nil {
		t.Fatal(err)
	}
	if err := saving.lock(); err != nil {
		t.Fatal(err)
	}
	put(t, d, ".state123", []byte("x"))
	other, err := Open(d.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Save(small("other")); !errors.Is(err, ErrBusy) {
		t.Errorf("saved: %v", err)
	}
	mustLoad(t, d)
	wantFiles(t, d, ".state123", "state")
	// A child process has the file until its exec. It must not keep the lock.
	inherited, err := unix.Dup(int(saving.self.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(inherited) }()
	saving.leave()
	mustSave(t, other, small("other"))
}

func TestManyGoroutines(t *testing.T) {
	d, _ := testDir(t)
	var wg sync.WaitGroup
	const each = 5
	for _, name := range []string{"a", "b", "c"} {
		wg.Go(func() {
			for range each {
				if err := d.Save(small(name)); err != nil {
					t.Error(err)
				}
			}
		})
		wg.Go(func() {
			for range each {
				if l, err := d.Load(); len(l.Problems) > 0 || err != nil && !errors.Is(err, ErrNone) {
					t.Errorf("%v, problems %v", err, l.Problems)
				}
			}
		})
	}
	wg.Wait()
	h, err := parseHeader(get(t, d, newest), int64(len(get(t, d, newest))))
	if err != nil || h.Serial != 3*each {
		t.Errorf("serial %d, %v", h.Serial, err)
	}
}
