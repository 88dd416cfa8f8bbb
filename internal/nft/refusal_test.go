//go:build linux

package nft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Every errno that nf_tables is known to give to a message about elements.
var elementErrnos = []unix.Errno{
	unix.ENOENT, unix.EEXIST, unix.ENFILE, unix.EINVAL, unix.EOPNOTSUPP, unix.ERANGE, unix.EBUSY,
	unix.ENOMEM, unix.ENOSPC, unix.EPERM, unix.EINTR, unix.EAGAIN, unix.E2BIG,
}

// badKey makes a fake kernel refuse every message that has this element.
func badKey(n int, errno unix.Errno) func(int, int, message) unix.Errno {
	key := key4(n)
	return func(_, _ int, m message) unix.Errno {
		if strings.Contains(string(m.body), string(key.Bytes())) && m.typ != nfType(unix.NFT_MSG_GETSETELEM) {
			return errno
		}
		return 0
	}
}

func TestEveryErrnoCostsOnlyItsElement(t *testing.T) {
	for _, errno := range elementErrnos {
		for _, f := range []Features{{}, {Update: true, Destroy: true}} {
			t.Run(fmt.Sprintf("%s %v", unix.ErrnoName(errno), f.Update), func(t *testing.T) {
				k := &fakeKernel{refuse: badKey(3, errno)}
				ops := []Op{
					{Kind: Add, Set: web6, Key: key6(1), Timeout: time.Hour},
					refresh(1, time.Hour), refresh(2, time.Hour), refresh(3, time.Hour), refresh(4, time.Hour), add(5, time.Hour), del(6),
				}
				if err := k.writer(f).Commit(ops); err != nil {
					t.Fatal(err)
				}
				for i, op := range ops {
					// What concerns a set concerns all of one message.
					bad := i == 3
					if errno == unix.ENOENT || errno == unix.EPERM || errno == unix.EBUSY {
						bad = op.Kind == Refresh
					}
					if bad != errors.Is(op.Err, errno) || bad != (op.Err != nil) {
						t.Errorf("operation %d: %v", i, op.Err)
					}
					var refusal *Error
					if bad && (!errors.As(op.Err, &refusal) || refusal.Set != web4 || refusal.Kind != Refresh) {
						t.Errorf("operation %d: %#v", i, op.Err)
					}
				}
			})
		}
	}
}

func TestTriesAreFew(t *testing.T) {
	many := func(op func(int) Op) (ops []Op) {
		for n := range 500 {
			ops = append(ops, op(n))
		}
		return ops
	}
	hour := func(op func(int, time.Duration) Op) func(int) Op {
		return func(n int) Op { return op(n, time.Hour) }
	}
	refuseAll := func(errno unix.Errno) func(int, int, message) unix.Errno {
		return func(_, _ int, m message) unix.Errno {
			if m.typ>>8 == unix.NFNL_SUBSYS_NFTABLES {
				return errno
			}
			return 0
		}
	}
	for _, test := range []struct {
		name   string
		ops    []Op
		refuse func(int, int, message) unix.Errno
		most   int
	}{
		{"all is well", many(hour(add)), nil, 1},
		{"no set", many(hour(add)), refuseAll(unix.ENOENT), 1},
		{"no set to delete from", many(del), refuseAll(unix.ENOENT), 1},
		{"another's table", many(hour(refresh)), refuseAll(unix.EPERM), 1},
		{"constant set", many(hour(add)), refuseAll(unix.EBUSY), 1},
		{"full set", many(hour(add)), refuseAll(unix.ENFILE), 2},
		{"one bad of many", many(hour(refresh)), badKey(77, unix.EINVAL), 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			k := &fakeKernel{refuse: test.refuse}
			if err := k.writer(Features{Update: true, Destroy: true}).Commit(test.ops); err != nil {
				t.Fatal(err)
			}
			if k.tries > test.most {
				t.Errorf("%d tries, want %d", k.tries, test.most)
			}
		})
	}
}

// An element that expires between the addition and the deletion of one batch
// makes the deletion fail: a race on kernels that read the clock twice (5.10).
func TestRefreshTriesAgainWhenTheElementExpires(t *testing.T) {
	for _, times := range []int{1, 2, 100} {
		lost := 0
		k := &fakeKernel{refuse: func(_, _ int, m message) unix.Errno {
			if m.typ == nfType(unix.NFT_MSG_DELSETELEM) && lost < times {
				lost++
				return unix.ENOENT
			}
			return 0
		}}
		ops := []Op{refresh(1, time.Hour)}
		if err := k.writer(Features{}).Commit(ops); err != nil {
			t.Fatal(err)
		}
		if failed := times > 1; failed != errors.Is(ops[0].Err, unix.ENOENT) || failed != (ops[0].Err != nil) {
			t.Errorf("lost %d times: %v", times, ops[0].Err)
		}
		if errors.Is(ops[0].Err, ErrNoSet) {
			t.Errorf("%v: the set is there", ops[0].Err)
		}
	}
}

// Nothing is left to delete, however the kernel says it.
func TestDeleteOfNothing(t *testing.T) {
	for _, test := range []struct {
		name    string
		errno   unix.Errno
		message uint16
		f       Features
	}{
		{"no set", unix.ENOENT, msgDestroySetElem, Features{Destroy: true}},
		{"no set, before 6.7", unix.ENOENT, unix.NFT_MSG_NEWSETELEM, Features{}},
		{"expired meanwhile, before 6.7", unix.ENOENT, unix.NFT_MSG_DELSETELEM, Features{}},
		{"no room for what is to be deleted, before 6.7", unix.ENFILE, unix.NFT_MSG_NEWSETELEM, Features{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			key := key4(2)
			k := &fakeKernel{refuse: func(_, _ int, m message) unix.Errno {
				if m.typ == nfType(test.message) && strings.Contains(string(m.body), string(key.Bytes())) {
					return test.errno
				}
				return 0
			}}
			ops := []Op{del(1), del(2), del(3)}
			if err := k.writer(test.f).Commit(ops); err != nil {
				t.Fatal(err)
			}
			for i, op := range ops {
				if op.Err != nil {
					t.Errorf("operation %d: %v", i, op.Err)
				}
			}
		})
	}
}

// An element that comes and goes between the tries of an Add.
func TestAddOfAnElementThatComesAndGoes(t *testing.T) {
	for _, times := range []int{1, 2, 3, 100} {
		refused := 0
		k := &fakeKernel{refuse: func(_, _ int, m message) unix.Errno {
			if m.typ == nfType(unix.NFT_MSG_NEWSETELEM) && refused < times {
				refused++
				return unix.EEXIST
			}
			return 0
		}}
		ops := []Op{add(1, time.Hour)}
		if err := k.writer(Features{}).Commit(ops); err != nil {
			t.Fatal(err)
		}
		if failed := times > 1; failed != errors.Is(ops[0].Err, unix.EEXIST) || failed != (ops[0].Err != nil) {
			t.Errorf("refused %d times: %v", times, ops[0].Err)
		}
	}
}

// A set that is deleted while it is looked up has no elements.
func TestSetVanishesBetweenTries(t *testing.T) {
	k := &fakeKernel{}
	k.answer = func(try int, b []byte) [][]byte {
		switch m, _, _ := nextMessage(b); {
		case try == 1:
			return [][]byte{errorReply(m.seq+1, unix.EEXIST), errorReply(m.seq+1, 0)}
		case m.typ == unix.NFNL_MSG_BATCH_BEGIN:
			return [][]byte{errorReply(m.seq+1, unix.ENOENT)}
		default:
			return [][]byte{errorReply(m.seq, unix.ENOENT), errorReply(m.seq+1, unix.ENOENT)}
		}
	}
	ops := []Op{add(1, time.Hour)}
	if err := k.writer(Features{}).Commit(ops); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(ops[0].Err, ErrNoSet) {
		t.Errorf("got %v", ops[0].Err)
	}
}

// A socket that breaks while an Add is looked up breaks the commit.
func TestLookUpBreaks(t *testing.T) {
	k := &fakeKernel{}
	k.answer = func(try int, b []byte) [][]byte {
		if m, _, _ := nextMessage(b); try == 1 {
			return [][]byte{errorReply(m.seq+1, unix.EEXIST)}
		}
		return nil
	}
	ops := []Op{add(1, time.Hour)}
	if err := k.writer(Features{}).Commit(ops); !errors.Is(err, ErrBroken) || !errors.Is(ops[0].Err, err) {
		t.Errorf("%v, %v", err, ops[0].Err)
	}
}

func TestWholeBatchErrors(t *testing.T) {
	for _, test := range []struct {
		name   string
		kernel fakeKernel
		is     error
		broken bool
	}{
		{"no capability", fakeKernel{refuse: ofBegin(unix.EPERM)}, unix.EPERM, false},
		{"no memory", fakeKernel{refuse: ofBegin(unix.ENOMEM)}, unix.ENOMEM, false},
		{"no nf_tables", fakeKernel{refuse: ofBegin(unix.EOPNOTSUPP)}, unix.EOPNOTSUPP, false},
		{"fails at the end", fakeKernel{refuse: ofBegin(unix.ELOOP)}, unix.ELOOP, false},
		{"stale generation", fakeKernel{refuse: ofBegin(unix.ERESTART)}, unix.ERESTART, false},
		{"no memory to send", fakeKernel{sendErr: always(unix.ENOBUFS)}, unix.ENOBUFS, false},
		{"no memory for a copy", fakeKernel{sendErr: always(unix.ENOMEM)}, unix.ENOMEM, false},
		{"nothing short enough", fakeKernel{sendErr: always(unix.EMSGSIZE)}, unix.EMSGSIZE, false},
		{"closed", fakeKernel{sendErr: always(unix.EBADF)}, unix.EBADF, true},
		{"no route", fakeKernel{sendErr: always(unix.ECONNREFUSED)}, unix.ECONNREFUSED, true},
		{"replies lost", fakeKernel{receiveErr: []error{unix.ENOBUFS}}, unix.ENOBUFS, true},
		{"receive fails", fakeKernel{receiveErr: []error{unix.EBADF}}, unix.EBADF, true},
		{"silence", fakeKernel{answer: saying()}, errMalformed, true},
		{"empty datagram", fakeKernel{answer: saying([]byte{})}, errMalformed, true},
		{"garbage", fakeKernel{answer: saying([]byte("garbage"))}, errMalformed, true},
		{"half a reply", fakeKernel{answer: saying(errorReply(2, 0)[:20])}, errMalformed, true},
		{"too short for an error", fakeKernel{answer: saying(shortened(errorReply(2, 0), 20))}, errMalformed, true},
		{"reply to something else", fakeKernel{answer: saying(errorReply(99, 0))}, errMalformed, true},
		{"reply of before", fakeKernel{answer: saying(errorReply(0, unix.EINVAL))}, errMalformed, true},
		{"another kind of message", fakeKernel{answer: saying(typed(errorReply(2, 0), unix.NLMSG_DONE))}, errMalformed, true},
		{"acknowledges another message", fakeKernel{answer: saying(errorReply(2, 0))}, errMalformed, true},
		{"commit fails though acknowledged", fakeKernel{answer: saying(errorReply(1, unix.ENOMEM), errorReply(3, 0))}, unix.ENOMEM, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			k := test.kernel
			ops := []Op{add(1, time.Hour), {Kind: Add, Set: web6, Key: key6(1), Timeout: time.Hour}}
			err := k.writer(Features{Update: true}).Commit(ops)
			if !errors.Is(err, test.is) || errors.Is(err, ErrBroken) != test.broken {
				t.Errorf("commit: %v", err)
			}
			for _, op := range ops {
				if !errors.Is(op.Err, err) {
					t.Errorf("operation: %v", op.Err)
				}
			}
		})
	}
}

func ofBegin(errno unix.Errno) func(int, int, message) unix.Errno {
	return func(_, message int, _ message) unix.Errno {
		if message == 0 {
			return errno
		}
		return 0
	}
}

func always(err error) func(int, []byte) error {
	return func(int, []byte) error { return err }
}

func saying(replies ...[]byte) func(int, []byte) [][]byte {
	return func(int, []byte) [][]byte { return replies }
}

func shortened(b []byte, n int) []byte {
	binary.NativeEndian.PutUint32(b, uint32(n))
	return b[:n]
}

func typed(b []byte, typ uint16) []byte {
	binary.NativeEndian.PutUint16(b[4:], typ)
	return b
}

func TestInterruptedReceiveGoesOn(t *testing.T) {
	k := &fakeKernel{receiveErr: []error{unix.EINTR, unix.EINTR}}
	if err := k.writer(Features{}).Commit([]Op{add(1, time.Hour)}); err != nil {
		t.Error(err)
	}
}

// Several replies may share a datagram.
func TestRepliesInOneDatagram(t *testing.T) {
	k := &fakeKernel{answer: func(try int, b []byte) [][]byte {
		if try > 1 {
			return new(fakeKernel).batch(b)
		}
		return [][]byte{append(errorReply(2, unix.ENOENT), errorReply(3, 0)...)}
	}}
	ops := []Op{add(1, time.Hour), {Kind: Add, Set: web6, Key: key6(1), Timeout: time.Hour}}
	if err := k.writer(Features{}).Commit(ops); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(ops[0].Err, ErrNoSet) || ops[1].Err != nil {
		t.Errorf("%v, %v", ops[0].Err, ops[1].Err)
	}
}

func TestTooLongDatagramsAreSplit(t *testing.T) {
	const most = 3000
	k := &fakeKernel{sendErr: func(_ int, b []byte) error {
		if len(b) > most {
			return unix.EMSGSIZE
		}
		return nil
	}}
	w := k.writer(Features{})
	var ops []Op
	for n := range 900 {
		ops = append(ops, refresh(n, time.Hour))
	}
	for range 2 {
		if err := w.Commit(ops); err != nil {
			t.Fatal(err)
		}
	}
	if len(k.sent) < 2 || k.tries-len(k.sent) > 10 {
		t.Errorf("%d datagrams in %d tries", len(k.sent), k.tries)
	}
}

// When a batch fails as a whole, those that went before it are done.
func TestEarlierBatchesStay(t *testing.T) {
	k := &fakeKernel{refuse: func(try, message int, _ message) unix.Errno {
		if try == 2 && message == 0 {
			return unix.ENOMEM
		}
		return 0
	}}
	var ops []Op
	for n := range batchMax + 10 {
		ops = append(ops, add(n, time.Hour))
	}
	if err := k.writer(Features{}).Commit(ops); !errors.Is(err, unix.ENOMEM) {
		t.Fatal(err)
	}
	for i, op := range ops {
		if failed := i >= batchMax; failed != errors.Is(op.Err, unix.ENOMEM) || failed != (op.Err != nil) {
			t.Fatalf("operation %d: %v", i, op.Err)
		}
	}
}

func TestExplanationOfARefusal(t *testing.T) {
	for _, capped := range []bool{true, false} {
		k := &fakeKernel{answer: saying(explained(2, unix.EINVAL, capped))}
		ops := []Op{add(1, time.Hour)}
		if err := k.writer(Features{}).Commit(ops); err != nil {
			t.Fatal(err)
		}
		var e *Error
		if !errors.As(ops[0].Err, &e) || e.Detail != "Set is tired" {
			t.Errorf("capped %v: %v", capped, ops[0].Err)
		}
	}
}

func TestNothingToCommit(t *testing.T) {
	k := &fakeKernel{}
	if err := k.writer(Features{}).Commit(nil); err != nil || k.tries != 0 {
		t.Errorf("%v after %d tries", err, k.tries)
	}
}

func TestWriterOfAFakeKernel(t *testing.T) {
	k := &fakeKernel{}
	w := k.writer(Features{Count: true})
	if w.Portid() != 4711 || !w.Features().Count {
		t.Errorf("port %d, %+v", w.Portid(), w.Features())
	}
	if err := w.Close(); err != nil || !k.closed {
		t.Errorf("closed %v, %v", k.closed, err)
	}
}
