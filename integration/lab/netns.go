//go:build linux

package lab

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"

	"github.com/vishvananda/netns"
)

// NS is a network namespace without a name: it needs no /run/netns, can't
// collide with another one's, and is gone when this process is.
type NS struct {
	name   string
	handle netns.NsHandle
	jobs   chan func() // for the keeper
}

// newNS makes a namespace that lives until the test ends.
func newNS(t T, name string) *NS {
	t.Helper()
	n := &NS{name: name, jobs: make(chan func())}
	made := make(chan error)
	go n.keep(made)
	if err := <-made; err != nil {
		t.Fatalf("network namespace for the %s: %v", name, err)
	}
	t.Cleanup(func() {
		close(n.jobs)
		n.handle.Close()
	})
	return n
}

// keep is the goroutine that owns the namespace's first thread. Processes are
// started from this thread with Pdeathsig, which the kernel delivers when the
// thread ends (prctl(2)): at the latest with this process, whatever killed it.
func (n *NS) keep(made chan<- error) {
	runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
	var err error
	n.handle, err = netns.New()
	made <- err
	for job := range n.jobs {
		job()
	}
}

// Do runs f on a thread of its own in the namespace and returns f's error.
// What f itself opens belongs to the namespace for ever; goroutines that f
// starts are outside. f must return: it can't end the test.
func (n *NS) Do(f func() error) error {
	done := make(chan error)
	go func() {
		// Never unlocked: a thread that can't be trusted to be back home must
		// not return to the pool, and in a user namespace home is out of reach.
		runtime.LockOSThread()
		err := netns.Set(n.handle)
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

// DialContext connects from within the namespace. The address must be a
// literal: names would be looked up outside.
func (n *NS) DialContext(ctx context.Context, network, address string) (conn net.Conn, err error) {
	err = n.Do(func() error {
		var d net.Dialer
		conn, err = d.DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// path is where ip(8) finds the namespace.
func (n *NS) path() string {
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), int(n.handle))
}
