//go:build linux

package nft

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// asked is a ruleset that drops packets to what the set has, of which their
// sender is told.
const asked = `table inet filter {
	set web4 { type ipv4_addr; flags timeout; elements = { 198.18.0.1 timeout 1h } }
	chain out {
		type filter hook output priority filter;
		ip daddr @web4 drop
	}
}`

// stream is packets to 198.18.0.1, as many as can be sent, each of which is
// looked up once.
type stream struct {
	found, missed atomic.Int64
	stop          chan struct{}
	done          chan error
}

func (k *kernel) stream() *stream {
	k.t.Helper()
	k.Command("", "ip", "route", "add", "198.18.0.1", "dev", "lo")
	s := &stream{stop: make(chan struct{}), done: make(chan error, 1)}
	go func() { s.done <- k.Do(s.send) }()
	return s
}

// send sends the packets.
func (s *stream) send() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	to := &unix.SockaddrInet4{Port: 9, Addr: [4]byte{198, 18, 0, 1}}
	for {
		select {
		case <-s.stop:
			return nil
		default:
		}
		switch err := unix.Sendto(fd, []byte{0}, 0, to); {
		case errors.Is(err, unix.EPERM):
			s.found.Add(1)
		case err == nil:
			s.missed.Add(1)
		default:
			return err
		}
	}
}

// seldom bounds how many look-ups may miss on a kernel that can't update
// elements: one in so many, while the very element is refreshed all the time. A
// refresh in two transactions makes one in three miss.
const seldom = 1000

// Packets find an element while it is refreshed: always where the kernel updates
// it in place, and where it is replaced but for a look-up that is under way at the
// moment of the commit (nft_rhash_lookup). Linux 6.17 and stable kernels since
// 6.12 look again then.
func TestLookUpsDuringRefresh(t *testing.T) {
	onEachKernel(t, asked, func(t *testing.T, k *kernel, w *Writer) {
		const refreshes, lookUps = 2000, 20_000
		s := k.stream()
		start, n := time.Now(), 0
		for ; n < refreshes || s.found.Load() < lookUps; n++ {
			k.commit(w, refresh(1, time.Hour))
			if len(s.done) > 0 {
				break
			}
		}
		took := time.Since(start)
		close(s.stop)
		if err := <-s.done; err != nil {
			t.Fatal(err)
		}
		missed, all := s.missed.Load(), s.missed.Load()+s.found.Load()
		t.Logf("%d of %d look-ups missed during %d refreshes in %v", missed, all, n, took.Round(time.Millisecond))
		if most := all / seldom; missed > most || missed > 0 && w.Features().Update {
			t.Errorf("%d look-ups missed", missed)
		}
	})
}
