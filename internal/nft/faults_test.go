//go:build linux

package nft

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/namewall/namewall/internal/set"
	"golang.org/x/sys/unix"
)

func TestOneBadElementCostsOnlyItself(t *testing.T) {
	onEachKernel(t, declared, func(t *testing.T, k *kernel, w *Writer) {
		var ops []Op
		for n := range 20 {
			ops = append(ops, add(n, time.Hour), refresh(20+n, time.Hour))
		}
		bad := []int{0, 13, 39}
		for _, i := range bad {
			ops[i].Key = key6(i) // too long for this set
		}
		if err := w.Commit(ops); err != nil {
			t.Fatal(err)
		}
		var failed []int
		for i, op := range ops {
			if op.Err != nil {
				failed = append(failed, i)
				if !errors.Is(op.Err, unix.EINVAL) || ErrnoName(op.Err) != "EINVAL" {
					t.Errorf("operation %d: %v", i, op.Err)
				}
			}
		}
		if !slices.Equal(failed, bad) {
			t.Errorf("operations %v failed, want %v", failed, bad)
		}
		if n := len(k.list(web4)); n != 37 {
			t.Errorf("%d elements", n)
		}
	})
}

func TestOneMissingSetCostsOnlyItsOwn(t *testing.T) {
	onEachKernel(t, declared, func(t *testing.T, k *kernel, w *Writer) {
		var ops []Op
		for n := range 50 {
			gone, tableless := add(n, time.Hour), refresh(n, time.Hour)
			gone.Set.Name, tableless.Set.Table = "gone", "gone"
			ops = append(ops, gone, add(n, time.Hour), tableless, Op{Kind: Add, Set: web6, Key: key6(n), Timeout: time.Hour})
		}
		if err := w.Commit(ops); err != nil {
			t.Fatal(err)
		}
		for i, op := range ops {
			if missing := i%2 == 0; missing != errors.Is(op.Err, ErrNoSet) || missing != (op.Err != nil) {
				t.Fatalf("operation %d: %v", i, op.Err)
			}
		}
		if a, b := len(k.list(web4)), len(k.list(web6)); a != 50 || b != 50 {
			t.Errorf("%d and %d elements", a, b)
		}
	})
}

func TestFullSetCostsOnlyNewcomers(t *testing.T) {
	const ruleset = `table inet filter {
		set web4 { type ipv4_addr; flags timeout; size 5; elements = { 198.18.0.1 timeout 1m, 198.18.0.2 timeout 1m, 198.18.0.3 timeout 1m, 198.18.0.4 timeout 1m } }
		set web6 { type ipv6_addr; flags timeout; }
	}`
	onEachKernel(t, ruleset, func(t *testing.T, k *kernel, w *Writer) {
		ops := []Op{
			add(11, time.Hour), add(12, time.Hour), add(13, time.Hour),
			refresh(1, time.Hour), refresh(2, time.Hour),
			{Kind: Add, Set: web6, Key: key6(1), Timeout: time.Hour},
			del(3),
		}
		if err := w.Commit(ops); err != nil {
			t.Fatal(err)
		}
		// There was room for one, and for the one in the place of 198.18.0.3.
		for i, op := range ops {
			if full := i == 2; full != errors.Is(op.Err, ErrFull) || full != (op.Err != nil) {
				t.Errorf("operation %d: %v", i, op.Err)
			}
		}
		if got := ErrnoName(ops[2].Err); got != "ENFILE" {
			t.Errorf("errno %s", got)
		}
		k.wantKeys(web4, "198.18.0.1", "198.18.0.2", "198.18.0.4", "198.18.0.11", "198.18.0.12")
		k.wantLife(web4, "198.18.0.1", time.Hour)
		k.wantKeys(web6, "2001:db8::1")

		// Full as it is, what is in it can be refreshed.
		k.commit(w, refresh(1, 2*time.Hour), refresh(2, 2*time.Hour), refresh(4, 2*time.Hour), refresh(11, 2*time.Hour), refresh(12, 2*time.Hour))
		k.wantLife(web4, "198.18.0.12", 2*time.Hour)
	})
}

func TestManyElements(t *testing.T) {
	onEachKernel(t, declared, func(t *testing.T, k *kernel, w *Writer) {
		// More than an attribute, a message or a batch can hold.
		const many = 10_000
		ops := make([]Op, 0, many)
		for n := range many {
			op := add(n, time.Hour)
			if n%2 == 0 {
				op.Set, op.Key = web6, key6(n)
			}
			ops = append(ops, op)
		}
		k.commit(w, ops...)
		for i := range ops {
			ops[i].Kind, ops[i].Timeout = Refresh, 2*time.Hour
		}
		k.commit(w, ops...)
		r := k.reader()
		for _, id := range []set.ID{web4, web6} {
			s, err := r.Set(id)
			if err != nil {
				t.Fatal(err)
			}
			seen := make(map[set.Key]bool)
			err = r.Elements(s, func(e Element) error {
				seen[e.Key] = true
				if e.Timeout != 2*time.Hour || e.Expires < time.Hour {
					return fmt.Errorf("%+v was not refreshed", e)
				}
				return nil
			})
			if err != nil || len(seen) != many/2 {
				t.Errorf("%s: %d elements, %v", id, len(seen), err)
			}
		}
	})
}

// With a send buffer for a few elements only, a commit becomes several.
func TestSmallSendBuffer(t *testing.T) {
	k := newKernel(t)
	k.Nft(declared)
	for _, announced := range []bool{true, false} {
		t.Run(fmt.Sprintf("announced %v", announced), func(t *testing.T) {
			w := k.writer()
			conn := w.sock.(*netlinkSocket).conn
			if err := conn.SetWriteBuffer(4096); err != nil {
				t.Fatal(err)
			}
			if announced {
				n, err := conn.WriteBuffer()
				if err != nil {
					t.Fatal(err)
				}
				w.sendMax = n - sendOverhead
			}
			var ops []Op
			for n := range 1500 {
				ops = append(ops, refresh(n, time.Hour))
			}
			k.commit(w, ops...)
			if n := len(k.list(web4)); n != len(ops) {
				t.Errorf("%d elements", n)
			}
			k.Nft("flush set inet filter web4")
		})
	}
}

// Refusals by the hundred have to fit into a receive buffer of the size that an
// unprivileged process gets.
func TestManyRefusals(t *testing.T) {
	onEachKernel(t, declared, func(t *testing.T, k *kernel, w *Writer) {
		conn := w.sock.(*netlinkSocket).conn
		if err := conn.SetReadBuffer(212992 / 2); err != nil {
			t.Fatal(err)
		}
		n, err := conn.ReadBuffer()
		if err != nil {
			t.Fatal(err)
		}
		w.replyMax = n / replyCost
		var ops []Op
		for n := range 300 {
			op := refresh(n, time.Hour)
			if n%2 == 0 {
				op.Key = key6(n)
			}
			ops = append(ops, op)
		}
		if err := w.Commit(ops); err != nil {
			t.Fatal(err)
		}
		for i, op := range ops {
			if bad := i%2 == 0; bad != errors.Is(op.Err, unix.EINVAL) || bad != (op.Err != nil) {
				t.Fatalf("operation %d: %v", i, op.Err)
			}
		}
		if n := len(k.list(web4)); n != len(ops)/2 {
			t.Errorf("%d elements", n)
		}
	})
}

func TestSetOfAnotherOwner(t *testing.T) {
	k := newKernel(t)
	k.Nft(declared)
	w, owner := k.writer(), k.writer()
	owned := set.ID{Family: set.IP, Table: "theirs", Name: "s"}
	if err := owner.declare(owned, key4(99), tableOwner); err != nil {
		t.Fatal(err)
	}
	ops := []Op{add(1, time.Hour), {Kind: Add, Set: owned, Key: key4(1), Timeout: time.Hour}, add(2, time.Hour)}
	if err := w.Commit(ops); err != nil {
		t.Fatal(err)
	}
	if ops[0].Err != nil || !errors.Is(ops[1].Err, unix.EPERM) || ops[2].Err != nil {
		t.Errorf("%v, %v, %v", ops[0].Err, ops[1].Err, ops[2].Err)
	}
	k.wantKeys(web4, "198.18.0.1", "198.18.0.2")
}

func TestConstantSet(t *testing.T) {
	k := newKernel(t)
	k.Nft(declared + `
		table ip fixed {
			set web4 { type ipv4_addr; flags constant; elements = { 192.0.2.1 } }
			chain c { ip saddr @web4 accept; }
		}`)
	constant := set.ID{Family: set.IP, Table: "fixed", Name: "web4"}
	ops := []Op{{Kind: Add, Set: constant, Key: key4(1), Timeout: time.Hour}, add(1, time.Hour)}
	if err := k.writer().Commit(ops); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(ops[0].Err, unix.EBUSY) || ops[1].Err != nil {
		t.Errorf("%v, %v", ops[0].Err, ops[1].Err)
	}
}

// The kernel asks for the right of whoever sends, each time.
func TestWithoutCapability(t *testing.T) {
	k := newKernel(t)
	k.Nft(declared)
	w, r := k.writer(), k.reader()
	err := k.Do(func() error {
		if err := dropNetAdmin(); err != nil {
			return err
		}
		ops := []Op{add(1, time.Hour), {Kind: Add, Set: web6, Key: key6(1), Timeout: time.Hour}}
		err := w.Commit(ops)
		if !errors.Is(err, unix.EPERM) || errors.Is(err, ErrBroken) || ErrnoName(err) != "EPERM" {
			t.Errorf("commit: %v", err)
		}
		for _, op := range ops {
			if !errors.Is(op.Err, unix.EPERM) {
				t.Errorf("operation: %v", op.Err)
			}
		}
		if _, err := r.Set(web4); !errors.Is(err, unix.EPERM) {
			t.Errorf("set: %v", err)
		}
		if _, err := r.Sets(); !errors.Is(err, unix.EPERM) {
			t.Errorf("sets: %v", err)
		}
		if _, err := r.Get(Set{ID: web4}, key4(1)); !errors.Is(err, unix.EPERM) {
			t.Errorf("get: %v", err)
		}
		if _, err := OpenWriter(Options{}); !errors.Is(err, unix.EPERM) {
			t.Errorf("open: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	// The same sockets work for who may use them.
	k.commit(w, add(1, time.Hour))
	if _, err := r.Set(web4); err != nil {
		t.Error(err)
	}
}

// dropNetAdmin takes CAP_NET_ADMIN from the calling thread.
func dropNetAdmin() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	data[0].Effective &^= 1 << unix.CAP_NET_ADMIN
	return unix.Capset(&header, &data[0])
}
