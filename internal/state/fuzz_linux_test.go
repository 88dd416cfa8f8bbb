package state

import (
	"errors"
	"os"
	"testing"
	"time"
)

// FuzzLoad loads any file as it is, and with the header that makes any payload a
// file whose checksum is right. What is loaded is alive and whole: it can be
// saved, and is the same when it is loaded again.
func FuzzLoad(f *testing.F) {
	d, clock := testDir(f)
	golden, err := os.ReadFile(goldenFile)
	if err != nil {
		f.Fatal(err)
	}
	s := small("web")
	f.Add(golden, false, int64(0))
	f.Add(golden[headerSize:], true, int64(time.Minute))
	f.Add(mustEncode(f, s), true, int64(time.Hour))
	f.Add(sealed(mustEncode(f, s), clock.now, 1), false, int64(2*time.Hour))
	f.Add([]byte{}, true, int64(0))
	f.Fuzz(func(t *testing.T, b []byte, seal bool, passed int64) {
		clock.now = instant(1, time.Hour)
		if seal {
			b = sealed(b, clock.now, 1)
		}
		put(t, d, newest, b)
		clock.advance(time.Duration(max(0, passed)))
		l, err := d.Load()
		if err != nil {
			if !errors.Is(err, ErrNone) || len(l.Problems) != 1 || len(l.Bindings) > 0 {
				t.Fatalf("%v, problems %v", err, l.Problems)
			}
			return
		}
		for _, b := range l.Bindings {
			if b.Left <= 0 {
				t.Fatalf("expired: %v", b)
			}
			for _, r := range b.Reasons {
				if r.Left <= 0 || r.First < 0 || r.Last < 0 {
					t.Fatalf("expired: %v", b)
				}
			}
		}
		payload, err := encode(&l.Snapshot)
		if err != nil {
			t.Fatal(err)
		}
		again, err := decode(payload)
		if err != nil {
			t.Fatal(err)
		}
		if d := diff(expect(l.Snapshot, 0), again); d != "" {
			t.Fatalf("(-want +got):\n%s", d)
		}
	})
}
