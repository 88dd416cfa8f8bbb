//go:build linux

package nft

import (
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/namewall/namewall/internal/set"
	"golang.org/x/sys/unix"
)

// known is what the kernel matrix knows of the kernels that it starts.
var known = flag.String("features", "", `what the running kernel can do, as "update destroy count", or "none"`)

// names are the features' names.
func (f Features) names() string {
	s := ""
	for _, feature := range []struct {
		has  bool
		name string
	}{{f.Update, "update"}, {f.Destroy, "destroy"}, {f.Count, "count"}} {
		if feature.has {
			s += " " + feature.name
		}
	}
	if s == "" {
		return "none"
	}
	return s[1:]
}

// atLeast tells whether the running kernel's version is this or a later one.
func atLeast(t *testing.T, major, minor int) bool {
	t.Helper()
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		t.Fatal(err)
	}
	text := unix.ByteSliceToString(name.Release[:])
	var version [2]int
	if _, err := fmt.Sscanf(text, "%d.%d", &version[0], &version[1]); err != nil {
		t.Fatalf("release %q: %v", text, err)
	}
	return slices.Compare(version[:], []int{major, minor}) >= 0
}

// The probe finds what a version promises. It may find more, where a distribution
// has backported it, but on kernels that are known.
func TestFeaturesOfTheRunningKernel(t *testing.T) {
	f := newKernel(t).writer().Features()
	if *known != "" && *known != f.names() {
		t.Errorf("%s, want %s", f.names(), *known)
	}
	for _, feature := range []struct {
		name  string
		has   bool
		since int // 6.x
	}{{"destroy", f.Destroy, 7}, {"update", f.Update, 12}, {"count", f.Count, 16}} {
		if !feature.has && atLeast(t, 6, feature.since) {
			t.Errorf("no %s, in spite of Linux 6.%d", feature.name, feature.since)
		}
	}
}

// What the probe says is what the kernel does: how adding an element that is
// there changes its life, by any message there is for it. Refreshing it extends
// its life in any case.
func TestAddingWhatIsThere(t *testing.T) {
	k := newKernel(t)
	k.Nft(declared)
	w, r := k.writer(), k.reader()
	left := func(n int) time.Duration {
		t.Helper()
		found, err := r.Get(Set{ID: web4}, key4(n))
		if err != nil || len(found) != 1 {
			t.Fatalf("%v, %v", found, err)
		}
		return found[0].Expires
	}
	const short, long = 10 * time.Minute, 50 * time.Minute
	for n, test := range []struct {
		name    string
		timeout time.Duration
		fresh   bool // with the expiration
		extends bool
	}{
		{"its timeout again", time.Hour, false, false},
		{"its timeout again, and the expiration", time.Hour, true, w.Features().Update},
		{"another timeout", 2 * time.Hour, false, w.Features().Update},
		{"another timeout, and the expiration", 2 * time.Hour, true, w.Features().Update},
	} {
		t.Run(test.name, func(t *testing.T) {
			k.Nft(fmt.Sprintf("add element inet filter web4 { 198.18.0.%d timeout 1h expires 10m }", n))
			if d := left(n); d > short {
				t.Fatalf("%v left at first", d)
			}
			b := k.batch()
			b.add(web4, key4(n), test.timeout, test.fresh)
			if err := b.exchange(); err != nil {
				t.Fatal(err)
			}
			if d := left(n); d > long != test.extends || !test.extends && d > short {
				t.Errorf("added again, %v left", d)
			}
			k.Nft(fmt.Sprintf("delete element inet filter web4 { 198.18.0.%d }\n"+
				"add element inet filter web4 { 198.18.0.%d timeout 1h expires 10m }", n, n))
			k.commit(w, refresh(n, time.Hour))
			if d := left(n); d <= long {
				t.Errorf("refreshed, %v left", d)
			}
		})
	}
}

// batch is an empty batch on a socket of its own.
func (k *kernel) batch() *batch {
	k.t.Helper()
	s, err := newSocket(k.options(), sendBuffer, receiveBuffer)
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() { _ = s.close() })
	b := &batch{link: newLink(s)}
	b.begin()
	return b
}

// add is a message that adds an element, there or not.
func (b *batch) add(id set.ID, key set.Key, timeout time.Duration, fresh bool) {
	list := b.enc.setElems(unix.NFT_MSG_NEWSETELEM, unix.NLM_F_REQUEST|unix.NLM_F_CREATE, b.message(), id)
	b.enc.elemFor(&key, timeout, fresh)
	b.enc.close(list)
	b.enc.end()
}

// The kernel's number of elements is that of those that are there.
func TestCount(t *testing.T) {
	k := newKernel(t)
	k.Nft(declared)
	w, r := k.writer(), k.reader()
	k.commit(w, add(1, time.Hour), add(2, time.Hour), add(3, time.Hour))
	k.commit(w, del(3), refresh(1, 2*time.Hour))
	s, err := r.Set(web4)
	want := -1
	if w.Features().Count {
		want = 2
	}
	if err != nil || s.Count != want {
		t.Errorf("%d elements, want %d; %v", s.Count, want, err)
	}
}
