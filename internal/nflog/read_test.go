//go:build linux

package nflog

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/namewall/namewall/internal/nstest"
)

// limit is how long anything that is expected may take.
const limit = 20 * time.Second

// collector is a sink for tests.
type collector struct {
	reading chan struct{}
	gate    sync.Mutex // held by a test that wants packets to wait

	mu        sync.Mutex // guards what follows
	packets   []Packet
	lost      uint64
	undecoded int
}

func newCollector() *collector { return &collector{reading: make(chan struct{})} }

func (c *collector) Reading() { close(c.reading) }

func (c *collector) Packet(p Packet) {
	c.gate.Lock()
	defer c.gate.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.packets = append(c.packets, p)
}

func (c *collector) Undecoded() { c.undecoded++ }

func (c *collector) Lost(n uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lost += n
}

// counts is how many packets have come, and how many were lost.
func (c *collector) counts() (seen, lost int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.packets), int(c.lost)
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, limit)
		}
	}
}

// read reads group 7 of a namespace until the test ends.
func read(t *testing.T, ns *nstest.Namespace) *collector {
	t.Helper()
	c := newCollector()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- Read(ctx, 7, Options{NetNS: ns.FD()}, c) }()
	select {
	case <-c.reading:
	case err := <-done:
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return c
}

const logging = `table inet filter {
	chain output {
		type filter hook output priority filter;
		ip daddr 127.0.0.7 log group 7 drop
		ip6 daddr ::1 meta l4proto != icmpv6 log group 7 drop
	}
}`

// send has the kernel make one UDP packet for each of the addresses.
func send(t *testing.T, ns *nstest.Namespace, to ...string) {
	t.Helper()
	err := ns.Do(func() error {
		for _, address := range to {
			conn, err := net.Dial("udp", address)
			if err != nil {
				return err
			}
			_, err = conn.Write([]byte("x"))
			if err != nil && !errors.Is(err, unix.EPERM) { // that it was dropped
				return err
			}
			_ = conn.Close()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	ns := nstest.New(t)
	ns.Nft(logging)
	c := read(t, ns)
	send(t, ns, "127.0.0.7:443", "[::1]:53", "127.0.0.8:443")
	_ = ns.Do(func() error { // is dropped
		d := net.Dialer{Timeout: time.Millisecond}
		_, err := d.Dial("tcp", "127.0.0.7:22")
		return err
	})
	until(t, "three packets", func() bool { seen, _ := c.counts(); return seen >= 3 })
	c.mu.Lock()
	defer c.mu.Unlock()
	var got []string
	for _, p := range c.packets[:3] {
		got = append(got, fmt.Sprint(p.Src, " ", p.Dst, " ", p.Proto, " ", p.DstPort))
	}
	if want := "[127.0.0.1 127.0.0.7 17 443 ::1 ::1 17 53 127.0.0.1 127.0.0.7 6 22]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

// What comes too fast is dropped by the kernel, and counted to the packet.
func TestLost(t *testing.T) {
	t.Parallel()
	ns := nstest.New(t)
	ns.Nft(logging)
	c := read(t, ns)
	c.gate.Lock()
	const flood = 8000
	conn := dial(t, ns, "127.0.0.7:443")
	for range flood {
		_, _ = conn.Write([]byte("x"))
	}
	c.gate.Unlock()
	sent := flood
	until(t, "the count of what was lost", func() bool {
		_, _ = conn.Write([]byte("x")) // whose number tells
		sent++
		_, lost := c.counts()
		return lost > 0
	})
	until(t, "the rest", func() bool { seen, lost := c.counts(); return seen+lost == sent })
	if seen, lost := c.counts(); lost < flood/2 {
		t.Errorf("%d lost, %d seen", lost, seen)
	}
}

func dial(t *testing.T, ns *nstest.Namespace, address string) (conn net.Conn) {
	t.Helper()
	if err := ns.Do(func() (err error) {
		conn, err = net.Dial("udp", address)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// Why a group can't be read is told apart.
func TestFaults(t *testing.T) {
	t.Parallel()
	ns := nstest.New(t)
	read(t, ns)
	if err := Read(t.Context(), 7, Options{NetNS: ns.FD()}, newCollector()); !errors.Is(err, ErrInUse) {
		t.Errorf("a group that is read: %v", err)
	}
	err := ns.Do(func() error {
		// Of this thread alone, which ends with it.
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		if err := unix.Capset(&header, &make([]unix.CapUserData, 2)[0]); err != nil {
			t.Errorf("%v", err)
		}
		return Read(t.Context(), 8, Options{}, newCollector())
	})
	if !errors.Is(err, ErrPermission) {
		t.Errorf("without capabilities: %v", err)
	}
}

// A group is free again at once, even if a process that is being started still has
// its socket.
func TestFreeAgain(t *testing.T) {
	t.Parallel()
	ns := nstest.New(t)
	starting, stop := context.WithCancel(t.Context())
	started := make(chan struct{})
	go func() {
		defer close(started)
		for starting.Err() == nil {
			_, _ = ns.Try("", "nft", "--version")
		}
	}()
	defer func() { stop(); <-started }()
	for range 100 {
		ctx, cancel := context.WithCancel(t.Context())
		c := newCollector()
		done := make(chan error, 1)
		go func() { done <- Read(ctx, 9, Options{NetNS: ns.FD()}, c) }()
		select {
		case <-c.reading:
			cancel()
		case err := <-done:
			cancel()
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
