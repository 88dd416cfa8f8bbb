//go:build linux

package nft

import (
	"testing"
	"time"

	"github.com/namewall/namewall/internal/set"
)

// A reading is one of elements in several datagrams, between two counts.
type reading struct {
	keys          []int
	before, after int
	interrupted   bool
}

func TestWhichReadingIsBelieved(t *testing.T) {
	three := []int{1, 2, 3}
	for name, test := range map[string]struct {
		readings []reading
		believed int // from 1; 0: none
	}{
		"undisturbed":            {[]reading{{three, 3, 3, false}}, 1},
		"expired, not collected": {[]reading{{three, 9, 9, false}}, 1},
		"not counted":            {[]reading{{three, -1, -1, false}, {three, -1, -1, false}}, 2},
		"no longer counted":      {[]reading{{three, 3, -1, false}, {three, 3, 3, false}}, 2},
		"collected":              {[]reading{{three, 4, 3, false}, {three, 3, 3, false}}, 2},
		"resized":                {[]reading{{[]int{1, 2, 1}, 3, 3, false}, {three, 3, 3, false}}, 2},
		"interrupted":            {[]reading{{three, 3, 3, true}, {three, 3, 3, true}}, 2},
		"interrupted, differ":    {[]reading{{three, 3, 3, true}, {[]int{1, 2}, 3, 3, true}, {three, 3, 3, true}}, 0},
		"collected, differ":      {[]reading{{[]int{1, 2}, 4, 3, false}, {three, 3, 2, false}, {three, 2, 2, false}}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			count, believed := 0, 0
			c := checksums{count: func() int { return count }}
			for i, r := range test.readings {
				count = r.before
				c.next()
				for _, key := range r.keys {
					c.add(Element{Key: key4(key), Timeout: time.Hour, Expires: time.Hour})
				}
				count = r.after
				if c.complete(2, r.interrupted) {
					believed = i + 1
					break
				}
			}
			if believed != test.believed {
				t.Errorf("reading %d was believed, want %d", believed, test.believed)
			}
		})
	}
}

// Elements that the kernel collects during a reading make the list go on too
// late, so that it lacks some.
func TestElementsWhileOthersAreCollected(t *testing.T) {
	const lasting, dying = 5000, 5000
	k := newKernel(t)
	k.Nft(declared)
	w, r, counting := k.writer(), k.reader(), k.reader()
	k.fill(w, lasting)
	ops := make([]Op, dying)
	for i := range ops {
		ops[i] = add(lasting+i, time.Second)
	}
	k.commit(w, ops...)
	s, err := r.Set(web4)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[set.Key]bool)
	calls := 0
	err = r.Elements(s, func(e Element) error {
		seen[e.Key] = true
		if calls++; calls != (lasting+dying)/2 {
			return nil
		}
		// Where the kernel doesn't count there is nothing to wait for, and two
		// readings are taken.
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
			now, err := counting.Set(web4)
			if err != nil || now.Count <= lasting {
				return err
			}
			if time.Now().After(deadline) {
				t.Errorf("%d elements are still there", now.Count)
				return nil
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range lasting {
		if !seen[key4(i)] {
			t.Fatalf("element %d is missing of %d", i, len(seen))
		}
	}
}
