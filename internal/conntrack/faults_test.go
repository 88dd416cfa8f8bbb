//go:build linux

package conntrack

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/mdlayher/netlink"
	"github.com/mdlayher/netlink/nltest"
	"golang.org/x/sys/unix"
)

// reply answers one request.
type reply func() []netlink.Message

// fake is a kernel that answers as the test says.
type fake struct {
	dials int
	stats unix.Errno // what the request for statistics is refused with
	// The answers to dumps and to deletions, in turn.
	dumps, deletes []reply
}

func (f *fake) open() (*Table, error) {
	t := &Table{dial: func() (*netlink.Conn, error) {
		f.dials++
		return nltest.Dial(f.answer), nil
	}}
	return t, t.open()
}

func (f *fake) answer(reqs []netlink.Message) ([]netlink.Message, error) {
	if len(reqs) == 0 {
		return nil, errors.New("nothing to read")
	}
	queue := &f.dumps
	switch reqs[0].Header.Type {
	case statistics().Header.Type:
		queue = &[]reply{refuse(f.stats)}
	case message(msgDelete, 0, nil).Header.Type:
		queue = &f.deletes
	}
	if len(*queue) == 0 {
		return nil, errors.New("an unexpected request")
	}
	next := (*queue)[0]
	*queue = (*queue)[1:]
	replies := next()
	for i := range replies {
		replies[i].Header.Sequence, replies[i].Header.PID = reqs[0].Header.Sequence, reqs[0].Header.PID
	}
	return replies, nil
}

// refuse is an error, or with errno 0 an acknowledgement.
func refuse(errno unix.Errno) reply {
	return func() []netlink.Message {
		b := binary.NativeEndian.AppendUint32(nil, uint32(-int32(errno)))
		return []netlink.Message{{Header: netlink.Header{Type: netlink.Error}, Data: append(b, make([]byte, unix.SizeofNlMsghdr)...)}}
	}
}

// listing is a dump of one entry, to 198.51.100.7.
func listing(flags netlink.HeaderFlags) reply {
	return func() []netlink.Message {
		e := creation(flow("198.51.100.7").Addr)
		e.Data = appendAttribute(e.Data, attrID, []byte{1, 2, 3, 4})
		e.Header.Flags = netlink.Multi | flags
		done := netlink.Header{Type: netlink.Done, Flags: netlink.Multi | flags}
		return []netlink.Message{e, {Header: done, Data: make([]byte, 4)}}
	}
}

func TestUnavailable(t *testing.T) {
	for _, errno := range []unix.Errno{unix.EINVAL, unix.EOPNOTSUPP, unix.EPROTONOSUPPORT} {
		f := fake{stats: errno}
		if _, err := f.open(); !errors.Is(err, ErrUnavailable) || !errors.Is(err, errno) {
			t.Errorf("%v: %v", errno, err)
		}
	}
	f := fake{stats: unix.EPERM}
	if _, err := f.open(); errors.Is(err, ErrUnavailable) || !errors.Is(err, unix.EPERM) {
		t.Errorf("without a permission: %v", err)
	}
}

// many flows of one family are one dump.
func many() []Flow {
	flows := []Flow{flow("198.51.100.7")}
	for len(flows) <= filteredMax {
		flows = append(flows, Flow{Addr: created(len(flows))})
	}
	return flows
}

func TestInterruptedDumpIsRepeated(t *testing.T) {
	f := fake{
		dumps:   []reply{listing(netlink.DumpInterrupted), listing(0)},
		deletes: []reply{refuse(0), refuse(unix.ENOENT)},
	}
	table, err := f.open()
	if err != nil {
		t.Fatal(err)
	}
	if n, err := table.Kill(many()); n != 1 || err != nil || len(f.dumps)+len(f.deletes) > 0 {
		t.Errorf("killed %d: %v; not asked: %d dumps, %d deletions", n, err, len(f.dumps), len(f.deletes))
	}
}

func TestInterruptionsAreBounded(t *testing.T) {
	f := fake{
		dumps:   slices.Repeat([]reply{listing(netlink.DumpInterrupted)}, passesMax+1),
		deletes: slices.Repeat([]reply{refuse(unix.ENOENT)}, passesMax+1),
	}
	table, err := f.open()
	if err != nil {
		t.Fatal(err)
	}
	if n, err := table.Kill(many()); n != 0 || !errors.Is(err, ErrInterrupted) {
		t.Errorf("killed %d: %v", n, err)
	}
	if len(f.dumps) != 1 {
		t.Errorf("%d dumps left of %d", len(f.dumps), passesMax+1)
	}
}

// A refused deletion is reported, and leaves the socket in step.
func TestRefusedDeletion(t *testing.T) {
	f := fake{dumps: []reply{listing(0)}, deletes: []reply{refuse(unix.EPERM)}}
	table, err := f.open()
	if err != nil {
		t.Fatal(err)
	}
	if n, err := table.Kill(many()); n != 0 || !errors.Is(err, unix.EPERM) {
		t.Errorf("killed %d: %v", n, err)
	}
	if table.broken || f.dials != 1 {
		t.Errorf("broken: %t, %d sockets", table.broken, f.dials)
	}
}

// After lost replies nobody knows to what the next one belongs: there is another
// socket then.
func TestBrokenSocketIsOpenedAnew(t *testing.T) {
	for name, lost := range map[string]fake{
		"in a dump":     {},
		"in a deletion": {dumps: []reply{listing(0)}},
	} {
		table, err := lost.open()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := table.Kill(many()); err == nil {
			t.Errorf("%s: lost replies are no error", name)
		}
		lost.dumps = append(lost.dumps, listing(0))
		lost.deletes = append(lost.deletes, refuse(0))
		if n, err := table.Kill(many()); n != 1 || err != nil || lost.dials != 2 {
			t.Errorf("%s: killed %d over socket %d: %v", name, n, lost.dials, err)
		}
		if err := table.Close(); err != nil {
			t.Error(err)
		}
	}
}
