package state

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestNothingToLoad(t *testing.T) {
	d, _ := testDir(t)
	if l, err := d.Load(); !errors.Is(err, ErrNone) || len(l.Problems) > 0 {
		t.Errorf("%v, problems: %v", err, l.Problems)
	}
}

func TestGenerations(t *testing.T) {
	d, clock := testDir(t)
	for i, name := range []string{"first", "second", "third"} {
		mustSave(t, d, small(name))
		clock.advance(time.Minute)
		l := mustLoad(t, d)
		if got := ruleOf(t, l.Snapshot); got != name || l.Path != d.file(newest) {
			t.Errorf("save %d: loaded %s from %s", i, got, l.Path)
		}
	}
	wantFiles(t, d, newest, previous)
	if err := os.Remove(d.file(newest)); err != nil {
		t.Fatal(err)
	}
	l := mustLoad(t, d) // as a killed save may leave it
	if got := ruleOf(t, l.Snapshot); got != "second" || l.Path != d.file(previous) {
		t.Errorf("loaded %s from %s", got, l.Path)
	}
	if l.Passed != 2*time.Minute || !l.Saved.Equal(clock.now.Wall.Add(-2*time.Minute)) {
		t.Errorf("%v passed since %v", l.Passed, l.Saved)
	}
	for _, name := range []string{newest, previous} {
		mustSave(t, d, small("fourth"))
		info, err := os.Stat(d.file(name))
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}

func TestLoadAgesLives(t *testing.T) {
	d, clock := testDir(t)
	mustSave(t, d, small("web"))
	for _, test := range []struct {
		name    string
		now     Instant
		passed  time.Duration
		by      Reckoning
		expired int
	}{
		{"at once", instant(1, time.Hour), 0, ByBoot, 0},
		{"an hour later, to the nanosecond", instant(1, 2*time.Hour-1), time.Hour - 1, ByBoot, 0},
		{"an hour later", instant(1, 2*time.Hour), time.Hour, ByBoot, 1},
		{"after a day in suspension", instant(1, 25*time.Hour), 24 * time.Hour, ByBoot, 2},
		{"after a reboot, by the wall clock", instant(2, 0), 23 * time.Hour, ByWall, 2},
		{"after a reboot with a clock behind", Instant{Boot: BootID{2}}, 0, ByNone, 0},
	} {
		clock.now = test.now
		l := mustLoad(t, d)
		want := expect(small("web"), test.passed)
		if diff := diff(want, l.Snapshot); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
		if l.Passed != test.passed || l.By != test.by || l.Expired != test.expired || l.Taken != test.now {
			t.Errorf("%s: %v passed %v, %d expired, taken %v", test.name, l.Passed, l.By, l.Expired, l.Taken)
		}
	}
}

// On a machine whose clock begins at 1970 with every boot, no time counts as
// passed while it is off, and lives sink only while it is on: they never grow.
func TestLivesNeverGrow(t *testing.T) {
	d, clock := testDir(t)
	s := small("web")
	for minutes := 120; minutes > 0; minutes-- {
		mustSave(t, d, s)
		clock.now = Instant{Wall: time.Unix(0, 0), Boot: BootID{byte(minutes)}}
		l := mustLoad(t, d)
		if diff := diff(s, l.Snapshot); diff != "" {
			t.Fatalf("%d minutes left (-want +got):\n%s", minutes, diff)
		}
		clock.advance(time.Minute)
		s = expect(l.Snapshot, time.Minute)
	}
	if len(s.Bindings) > 0 {
		t.Errorf("alive after two hours: %v", s)
	}
}

// The moment of a snapshot is when it was taken, if the caller says so, and not
// when it is saved.
func TestTaken(t *testing.T) {
	d, clock := testDir(t)
	s := small("web")
	s.Taken = d.Now()
	clock.advance(10 * time.Minute)
	mustSave(t, d, s)
	if l := mustLoad(t, d); l.Passed != 10*time.Minute || l.Bindings[0].Left != 50*time.Minute {
		t.Errorf("%v passed, %v left", l.Passed, l.Bindings[0].Left)
	}
}

func TestSaveRefuses(t *testing.T) {
	d, _ := testDir(t)
	mustSave(t, d, small("good"))
	s := small("bad")
	s.Bindings[0].Set = 7
	if err := d.Save(s); err == nil {
		t.Error("saved a set that isn't there")
	}
	if got := ruleOf(t, mustLoad(t, d).Snapshot); got != "good" {
		t.Errorf("loaded %s", got)
	}
}

func TestGoldenFileLoads(t *testing.T) {
	d, clock := testDir(t)
	file, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	put(t, d, newest, file)
	want, taken, _ := goldenSnapshot()
	clock.now = taken
	if diff := diff(want, mustLoad(t, d).Snapshot); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOpenMakesTheDirectory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "namewall")
	if _, err := Open(path); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != os.ModeDir|0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if _, err := Open(filepath.Join(path, "sub", "sub")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("made a parent, too: %v", err)
	}
	if err := os.WriteFile(filepath.Join(path, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(filepath.Join(path, "file")); err == nil {
		t.Error("a file is no directory")
	}
}

// systemd makes StateDirectory= a link for a dynamic user.
func TestOpenFollowsLinks(t *testing.T) {
	d, _ := testDir(t)
	mustSave(t, d, small("web"))
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(d.path, link); err != nil {
		t.Fatal(err)
	}
	linked, err := OpenWithClock(link, d.clock)
	if err != nil {
		t.Fatal(err)
	}
	mustSave(t, linked, small("linked"))
	if got := ruleOf(t, mustLoad(t, d).Snapshot); got != "linked" {
		t.Errorf("loaded %s", got)
	}
}

// CoreDNS may change its working directory after the Corefile was read.
func TestRelativePath(t *testing.T) {
	first := t.TempDir()
	t.Chdir(first)
	d, err := Open("namewall")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	mustSave(t, d, small("web"))
	mustLoad(t, d)
	if _, err := os.Stat(filepath.Join(first, "namewall", newest)); err != nil {
		t.Error(err)
	}
}

// Who deletes or closes the directory of a running namewall can repair it.
func TestDirectoryComesBack(t *testing.T) {
	d, _ := testDir(t)
	mustSave(t, d, small("web"))
	if err := os.RemoveAll(d.path); err != nil {
		t.Fatal(err)
	}
	mustSave(t, d, small("again"))
	wantFiles(t, d, newest)
	if info, err := os.Stat(d.path); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

func TestLeftoversAreRemoved(t *testing.T) {
	d, _ := testDir(t)
	mustSave(t, d, small("web"))
	for _, name := range []string{".state123", ".state0", ".state", ".state12x", "state.2", "README"} {
		put(t, d, name, []byte("x"))
	}
	if _, err := Open(d.path); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, d, ".state", ".state12x", "README", "state", "state.2")
}
