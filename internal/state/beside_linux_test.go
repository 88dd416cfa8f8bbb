package state

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"testing"
)

// What is kept beside the state comes back as it was, is replaced as a whole, and
// does the state no harm.
func TestKeep(t *testing.T) {
	d, _ := testDir(t)
	mustSave(t, d, small("web"))
	if content, err := d.Recall("drops"); content != nil || err != nil {
		t.Errorf("before anything was kept: %q, %v", content, err)
	}
	for _, content := range [][]byte{[]byte("first, and longer"), []byte("second"), {}} {
		if err := d.Keep("drops", content); err != nil {
			t.Fatal(err)
		}
		got, err := d.Recall("drops")
		if err != nil || !bytes.Equal(got, content) {
			t.Errorf("got %q, %v, want %q", got, err, content)
		}
	}
	info, err := os.Stat(d.file("drops"))
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	mustSave(t, d, small("web"))
	mustLoad(t, d)

	// What a save that was killed has left is removed.
	put(t, d, ".drops123", []byte("half"))
	if _, err := OpenWithClock(d.path, d.clock); err != nil {
		t.Fatal(err)
	}
	if left := files(t, d); slices.Contains(left, ".drops123") || !slices.Contains(left, "drops") {
		t.Errorf("%q", left)
	}
}

func TestKeepUnsafe(t *testing.T) {
	d, _ := testDir(t)
	if err := d.Keep("drops", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(d.file("drops"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := d.Recall("drops")
	wantUnsafe(t, "what others may read", err, "'chmod 0600 ")
	if err := errors.Join(os.Remove(d.file("drops")), os.Symlink("/etc/hostname", d.file("drops"))); err != nil {
		t.Fatal(err)
	}
	_, err = d.Recall("drops")
	wantUnsafe(t, "a link", err, "'rm -r ")
	if err := os.Chmod(d.path, 0o755); err != nil {
		t.Fatal(err)
	}
	wantUnsafe(t, "a directory of everybody's", d.Keep("drops", nil), "'chmod 0700 ")
}
