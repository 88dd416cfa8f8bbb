package nftset

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/namewall/namewall/internal/state"
)

func newSaver(l *lab) *saver {
	return &saver{
		gate: l.gate, saved: prometheus.NewGauge(prometheus.GaugeOpts{Name: "saved"}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{Name: "failures"}),
	}
}

func saves(t *testing.T, s *saver) {
	t.Helper()
	if err := s.save(); err != nil {
		t.Error(err)
	}
}

// A new process finds what the last one has promised, and asks for it once.
func TestSaverHandsOn(t *testing.T) {
	l := newLab(t, "nftset web {\n name *.example.com\n set inet filter web4\n}")
	dir := filepath.Join(t.TempDir(), "namewall")
	s := newSaver(l)
	if earlier := s.use(dir); len(earlier.Bindings) != 0 {
		t.Fatalf("%d promises at the first start", len(earlier.Bindings))
	}
	saves(t, s)
	if _, err := os.Stat(filepath.Join(dir, "state")); err == nil {
		t.Error("a file was written although nothing was promised")
	}
	if m := l.ask("www.example.com. A", false, false, "www.example.com. 60 IN A 198.51.100.1"); len(m.Answer) != 1 {
		t.Fatal(m)
	}
	saves(t, s)
	next := newSaver(l)
	earlier := next.use(dir)
	if len(earlier.Bindings) != 1 || earlier.Bindings[0].Reasons[0].Name != "www.example.com." {
		t.Errorf("%+v", earlier)
	}
	if again := next.use(dir); len(again.Bindings) != 0 {
		t.Error("a reload was given what is in memory already")
	}
}

// What an answer was promised without a write is saved, too: an element that an
// earlier process left, which had no time to save it.
func TestSaverOfWhatWasFound(t *testing.T) {
	l := newLab(t, "nftset web {\n name *.example.com\n set inet filter web4\n}")
	dir := filepath.Join(t.TempDir(), "namewall")
	s := newSaver(l)
	s.use(dir)
	l.ns.Command("", "nft", "add element inet filter web4 { 198.51.100.1 timeout 2h }")
	l.await("the gate has heard of the element", func() bool { return l.gate.Stats().Bindings == 1 })
	if m := l.ask("www.example.com. A", false, false, "www.example.com. 60 IN A 198.51.100.1"); len(m.Answer) != 1 {
		t.Fatal(m)
	}
	if n := l.gate.Commits(); n != 0 {
		t.Fatalf("%d commits for an element that is there", n)
	}
	saves(t, s)
	if earlier := newSaver(l).use(dir); len(earlier.Bindings) != 1 || len(earlier.Bindings[0].Reasons) != 1 {
		t.Errorf("%+v", earlier)
	}
}

// A directory that can't be used costs the state, and neither the start nor
// what comes after; when it can be used, saving goes on.
func TestSaverGoesOnWithoutADirectory(t *testing.T) {
	l := newLab(t, "nftset web {\n name *.example.com\n set inet filter web4\n}")
	dir := filepath.Join(t.TempDir(), "namewall")
	if err := os.Mkdir(dir, 0o755); err != nil { // others may read it
		t.Fatal(err)
	}
	p := l.inst.shared()
	s := p.saver
	s.use(dir)
	if told := p.problems(); len(told) != 1 || !strings.Contains(told[0], "no state is kept: "+dir) {
		t.Errorf("status tells %q", told)
	}
	if err := s.problem(); !errors.Is(err, state.ErrUnsafe) || !strings.Contains(err.Error(), "chmod") {
		t.Errorf("no remedy: %v", err)
	}
	l.ask("www.example.com. A", false, false, "www.example.com. 60 IN A 198.51.100.1")
	if err := s.save(); !errors.Is(err, state.ErrUnsafe) {
		t.Errorf("saved where others read: %v", err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	saves(t, s)
	if _, err := os.Stat(filepath.Join(dir, "state")); err != nil || len(p.problems()) > 0 {
		t.Errorf("%v, still told: %q", err, p.problems())
	}
}

// A state file that can't be read is a failure, also if another one takes its
// place or the start is a clean one.
func TestSaverCountsDamage(t *testing.T) {
	l := newLab(t, "nftset web {\n name *.example.com\n set inet filter web4\n}")
	dir := filepath.Join(t.TempDir(), "namewall")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "state"), []byte("garbage\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newSaver(l)
	failures := &increments{Counter: s.failures}
	s.failures = failures
	s.use(dir)
	if failures.n != 1 {
		t.Errorf("%d failures", failures.n)
	}
}

// increments is a counter of which a test knows the count.
type increments struct {
	prometheus.Counter
	n int
}

func (c *increments) Inc() { c.n++ }
