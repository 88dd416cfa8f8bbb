package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// twoGenerations is a directory with "old" and "new", and the newest file.
func twoGenerations(t testing.TB) (*Dir, []byte) {
	t.Helper()
	d, clock := testDir(t)
	mustSave(t, d, small("old"))
	clock.advance(time.Second)
	mustSave(t, d, small("new"))
	return d, get(t, d, newest)
}

// wantOld is for a newest generation that can't be used: the other one is, and
// one line says why.
func wantOld(t *testing.T, d *Dir, what string, why ...error) {
	t.Helper()
	l, err := d.Load()
	if err != nil || len(l.Problems) != 1 || ruleOf(t, l.Snapshot) != "old" || l.Path != d.file(previous) {
		t.Fatalf("%s: %v, problems %v, loaded %v from %s", what, err, l.Problems, l.Snapshot, l.Path)
	}
	problem := l.Problems[0]
	if !slices.ContainsFunc(why, func(w error) bool { return errors.Is(problem, w) }) {
		t.Errorf("%s: problem %v", what, problem)
	}
	if text := problem.Error(); !strings.HasPrefix(text, d.file(newest)+": ") || strings.Contains(text, "\n") {
		t.Errorf("%s: problem %q", what, text)
	}
}

func TestTruncated(t *testing.T) {
	d, file := twoGenerations(t)
	for n := range len(file) {
		put(t, d, newest, file[:n])
		wantOld(t, d, "truncated", ErrDamaged)
	}
}

func TestEveryBit(t *testing.T) {
	d, file := twoGenerations(t)
	for i := range len(file) * 8 {
		flipped := bytes.Clone(file)
		flipped[i/8] ^= 1 << (i % 8)
		put(t, d, newest, flipped)
		// A later version, or a time far ahead, is what the bits say.
		wantOld(t, d, "a bit flipped", ErrDamaged, ErrVersion, ErrFuture)
	}
}

func TestDamage(t *testing.T) {
	payload := mustEncode(t, small("new"))
	now := instant(1, time.Hour)
	for _, test := range []struct {
		name   string
		change func(file []byte) []byte
		why    error
		misfit bool // its checksum is right, and Save relies on that
	}{
		{"empty", func([]byte) []byte { return nil }, ErrDamaged, false},
		{"zeros", func(b []byte) []byte { return make([]byte, len(b)) }, ErrDamaged, false},
		{"zeros at the end", func(b []byte) []byte { return append(b[:len(b)-10], make([]byte, 10)...) }, ErrDamaged, false},
		{"something else", func([]byte) []byte { return []byte("#!/bin/sh\necho something else\n") }, ErrDamaged, false},
		{"a byte more", func(b []byte) []byte { return append(b, 0) }, ErrDamaged, false},
		{"twice", func(b []byte) []byte { return append(b, b...) }, ErrDamaged, false},
		{"two pieces changed about", func(b []byte) []byte {
			return slices.Concat(b[:headerSize], b[headerSize+32:headerSize+64], b[headerSize:headerSize+32], b[headerSize+64:])
		}, ErrDamaged, false},
		{"the payload of another", func(b []byte) []byte {
			return append(b[:headerSize], mustEncode(t, small("old"))...)
		}, ErrDamaged, false},
		{"the next version", func(b []byte) []byte { binary.BigEndian.PutUint32(b[8:], version+1); return b }, ErrVersion, false},
		{"the next version, shorter", func(b []byte) []byte { binary.BigEndian.PutUint32(b[8:], version+1); return b[:20] }, ErrVersion, false},
		{"version 0", func(b []byte) []byte { binary.BigEndian.PutUint32(b[8:], 0); return b }, ErrVersion, false},
		{"a payload with more", func([]byte) []byte { return sealed(append(payload, 0), now, 9) }, ErrDamaged, true},
		{"no payload", func([]byte) []byte { return sealed(nil, now, 9) }, ErrDamaged, true},
		{"an uptime that is negative", func([]byte) []byte {
			return sealed(payload, Instant{Wall: now.Wall, Boot: now.Boot, Up: -1}, 9)
		}, ErrDamaged, false},
		{"saved in the future", func([]byte) []byte {
			return sealed(payload, Instant{Wall: now.Wall.AddDate(11, 0, 0)}, 9)
		}, ErrFuture, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			d, file := twoGenerations(t)
			put(t, d, newest, test.change(file))
			wantOld(t, d, test.name, test.why)

			if test.misfit {
				return
			}
			// It is replaced, and the good generation stays.
			mustSave(t, d, small("third"))
			if got := ruleOf(t, mustLoad(t, d).Snapshot); got != "third" {
				t.Errorf("loaded %s", got)
			}
			put(t, d, newest, nil)
			wantOld(t, d, "damaged again", ErrDamaged)
		})
	}
}

func TestBothDamaged(t *testing.T) {
	d, file := twoGenerations(t)
	put(t, d, newest, file[:100])
	put(t, d, previous, nil)
	l, err := d.Load()
	if !errors.Is(err, ErrNone) || len(l.Problems) != 2 || len(l.Bindings) > 0 {
		t.Errorf("%v, problems %v", err, l.Problems)
	}
	mustSave(t, d, small("third"))
	if l, err := d.Load(); err != nil || ruleOf(t, l.Snapshot) != "third" {
		t.Errorf("%v", err)
	}
}

// A problem with the previous generation is told, too.
func TestPreviousDamaged(t *testing.T) {
	d, file := twoGenerations(t)
	put(t, d, previous, file[:10])
	l, err := d.Load()
	if err != nil || ruleOf(t, l.Snapshot) != "new" || len(l.Problems) != 1 || !errors.Is(l.Problems[0], ErrDamaged) {
		t.Errorf("%v, problems %v", err, l.Problems)
	}
}

func swap(t *testing.T, d *Dir) {
	t.Helper()
	a, b := get(t, d, newest), get(t, d, previous)
	put(t, d, newest, b)
	put(t, d, previous, a)
}

// The newest generation is the one that was saved last, whatever its name.
func TestSwapped(t *testing.T) {
	d, _ := twoGenerations(t)
	swap(t, d)
	if l := mustLoad(t, d); ruleOf(t, l.Snapshot) != "new" || l.Path != d.file(previous) {
		t.Errorf("loaded from %s", l.Path)
	}
	mustSave(t, d, small("third"))
	if got := ruleOf(t, mustLoad(t, d).Snapshot); got != "third" {
		t.Errorf("loaded %s", got)
	}
	put(t, d, newest, nil)
	if l, err := d.Load(); err != nil || ruleOf(t, l.Snapshot) != "new" {
		t.Errorf("the save has kept the older one: %v", err)
	}
}

// Serials don't end.
func TestLastSerial(t *testing.T) {
	d, clock := testDir(t)
	put(t, d, newest, sealed(mustEncode(t, small("last")), clock.now, 1<<64-1))
	for _, name := range []string{"next", "after"} {
		mustSave(t, d, small(name))
		swap(t, d)
		if got := ruleOf(t, mustLoad(t, d).Snapshot); got != name {
			t.Errorf("loaded %s", got)
		}
		swap(t, d)
	}
}

// A length that a file claims costs no memory unless the file has it.
func TestLengthsCostNothing(t *testing.T) {
	d, clock := testDir(t)
	header := func(length uint64) []byte {
		h := newHeader(nil, clock.now, 1)
		h.Length = length
		h.hash().Sum(h.Sum[:0])
		return h.bytes()
	}
	words := []byte("\x8e\x80\x9a\x00\x80\x00\x01") // no sets, and a column of 2^23+1
	rest := []byte("\x80\x80\x40\x80\x40\x80\x80\x80\x80\x80\x80\x80")
	for name, make := range map[string]func(){
		"2^64-1":  func() { put(t, d, newest, header(1<<64-1)) },
		"2^63":    func() { put(t, d, newest, header(1<<63)) },
		"2^40":    func() { put(t, d, newest, header(1<<40)) },
		"maxFile": func() { put(t, d, newest, header(maxFile-headerSize)) },
		"a hole of a terabyte": func() {
			put(t, d, newest, header(1<<40))
			if err := os.Truncate(d.file(newest), headerSize+1<<40); err != nil {
				t.Fatal(err)
			}
		},
		"words that aren't there": func() { put(t, d, newest, sealed(words, clock.now, 1)) },
		"more words than any state": func() {
			put(t, d, newest, sealed(slices.Concat(words, bytes.Repeat([]byte{0x40}, 1<<23+1), rest), clock.now, 1))
		},
	} {
		make()
		info, err := os.Stat(d.file(newest))
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		l, err := d.Load()
		runtime.ReadMemStats(&after)
		if !errors.Is(err, ErrNone) || len(l.Problems) != 1 || !errors.Is(l.Problems[0], ErrDamaged) {
			t.Errorf("%s: %v, problems %v", name, err, l.Problems)
		}
		allowed := uint64(1 << 20)
		if info.Size() < maxFile {
			allowed += uint64(info.Size())
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > allowed {
			t.Errorf("%s: %d bytes allocated", name, n)
		}
	}
}
