//go:build linux

package nft

import (
	"errors"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/namewall/namewall/internal/set"
	"golang.org/x/sys/unix"
)

// asked is a ruleset that drops packets to what the set has, of which their
// sender is told.
const asked = `table inet filter {
	set web4 { type ipv4_addr; flags timeout; counter; elements = { 198.18.0.1 timeout 1h } }
	chain out {
		type filter hook output priority filter;
		ip daddr @web4 drop
	}
}`

// lookUps are look-ups of 198.18.0.1, one after the other, until they are ended.
type lookUps struct {
	found, missed atomic.Int64
	stop          chan struct{}
	done          chan error
}

// lookUp begins to call some, which makes a few look-ups.
func (k *kernel) lookUp(some func(l *lookUps) error) *lookUps {
	l := &lookUps{stop: make(chan struct{}), done: make(chan error, 1)}
	go func() {
		l.done <- k.Do(func() error {
			for {
				select {
				case <-l.stop:
					return nil
				default:
				}
				if err := some(l); err != nil {
					return err
				}
			}
		})
	}()
	return l
}

// end ends the look-ups. It returns the error that has ended them already, if
// one has.
func (l *lookUps) end() error {
	close(l.stop)
	return <-l.done
}

// ended tells whether an error has ended the look-ups.
func (l *lookUps) ended() bool { return len(l.done) > 0 }

// packets are look-ups by packets, of which each has one.
func (k *kernel) packets() *lookUps {
	k.t.Helper()
	k.Command("", "ip", "route", "add", "198.18.0.1", "dev", "lo")
	var fd int
	err := k.Do(func() (err error) {
		fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		return err
	})
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() { _ = unix.Close(fd) })
	to := &unix.SockaddrInet4{Port: 9, Addr: [4]byte{198, 18, 0, 1}}
	return k.lookUp(func(l *lookUps) error {
		switch err := unix.Sendto(fd, []byte{0}, 0, to); {
		case errors.Is(err, unix.EPERM):
			l.found.Add(1)
		case err == nil:
			l.missed.Add(1)
		default:
			return err
		}
		return nil
	})
}

// requests are look-ups by those who read the set, as the audit does.
func (k *kernel) requests() *lookUps {
	r := k.reader()
	keys := slices.Repeat([]set.Key{key4(1)}, askMax)
	return k.lookUp(func(l *lookUps) error {
		found, err := r.Get(Set{ID: web4}, keys...)
		l.found.Add(int64(len(found)))
		l.missed.Add(int64(len(keys) - len(found)))
		return err
	})
}

// seldom bounds how many look-ups may miss on a kernel that can't update
// elements: one in so many, while the very element is refreshed all the time. A
// refresh in two transactions makes nearly half of them miss.
const seldom = 1000

// An element is found while it is refreshed: always where the kernel updates it
// in place. Where it is replaced a look-up that is under way at the moment of the
// commit may find neither (nft_rhash_lookup); Linux 6.17 and stable kernels since
// 6.12 have packets look again then.
func TestLookUpsDuringRefresh(t *testing.T) {
	onEachKernel(t, asked, func(t *testing.T, k *kernel, w *Writer) {
		refreshes, enough := 2000, int64(20_000)
		if testing.Short() {
			refreshes, enough = 500, 5000
		}
		for name, begin := range map[string]func() *lookUps{"packets": k.packets, "requests": k.requests} {
			l := begin()
			start, n := time.Now(), 0
			for ; (n < refreshes || l.found.Load() < enough) && !l.ended(); n++ {
				k.commit(w, refresh(1, time.Hour))
			}
			took := time.Since(start)
			if err := l.end(); err != nil {
				t.Fatal(err)
			}
			missed, all := l.missed.Load(), l.missed.Load()+l.found.Load()
			t.Logf("%s: %d of %d missed during %d refreshes in %v", name, missed, all, n, took.Round(time.Millisecond))
			if missed > all/seldom || missed > 0 && w.Features().Update {
				t.Errorf("%d %s missed", missed, name)
			}
		}
	})
}

// Where the kernel updates an element in place its counter goes on, elsewhere it
// begins again.
func TestRefreshAndTheCounter(t *testing.T) {
	onEachKernel(t, asked, func(t *testing.T, k *kernel, w *Writer) {
		l := k.packets()
		for l.found.Load() < 10 && !l.ended() {
			runtime.Gosched()
		}
		if err := l.end(); err != nil {
			t.Fatal(err)
		}
		counter := func() int64 { return int64(k.list(web4)["198.18.0.1"].Counter.Packets) }
		want := l.found.Load()
		if n := counter(); n != want {
			t.Errorf("counted %d of %d packets", n, want)
		}
		k.commit(w, refresh(1, time.Hour))
		if !w.Features().Update {
			want = 0
		}
		if n := counter(); n != want {
			t.Errorf("counted %d after the refresh, want %d", n, want)
		}
	})
}
