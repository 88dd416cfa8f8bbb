package nflog

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	nflog "github.com/florianl/go-nflog/v2"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Read reads a group until ctx is done, and then returns nil, or until it can't:
// that it is another process's is ErrInUse.
func Read(ctx context.Context, group uint16, o Options, to Sink) error {
	g, err := nflog.Open(&nflog.Config{
		Group: group, Copymode: nflog.CopyPacket, Bufsize: copied, Timeout: flushAfter, Flags: nflog.FlagSeq, NetNS: o.NetNS,
	})
	if err != nil {
		return fmt.Errorf("NFLOG group %d: %w", group, err)
	}
	defer release(g.Con, group)
	reading, cancel := context.WithCancel(ctx)
	r := &reader{ctx: reading, to: to, failed: make(chan error, 1)}
	defer r.end()
	defer cancel()
	if err := g.RegisterWithErrorFunc(reading, r.packet, r.error); err != nil {
		return fmt.Errorf("NFLOG group %d: %w", group, reason(g.Con, group, err))
	}
	to.Reading()
	select {
	case <-ctx.Done():
		return nil
	case err := <-r.failed:
		return fmt.Errorf("NFLOG group %d: %w", group, err)
	}
}

// reader is what the library calls, from a goroutine of its own.
type reader struct {
	ctx    context.Context
	failed chan error

	mu    sync.Mutex // guards what follows
	to    Sink       // nil: nobody wants to know any more
	next  uint32     // sequence number of the next packet, once seen is true
	seen  bool
	taken int // packets since
	since time.Time
}

// end has the sink left alone: the library's goroutine may end later.
func (r *reader) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.to = nil
}

// packet takes one packet. It returns 0 to go on.
func (r *reader) packet(a nflog.Attribute) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.to == nil {
		return 1
	}
	if a.Seq != nil {
		if gap := *a.Seq - r.next; r.seen && gap > 0 {
			r.to.Lost(uint64(gap))
		}
		r.next, r.seen = *a.Seq+1, true
	}
	var payload []byte
	if a.Payload != nil {
		payload = *a.Payload
	}
	if p, ok := Decode(payload); ok {
		r.to.Packet(p)
	} else {
		r.to.Undecoded()
	}
	r.pace()
	return 0
}

// pace waits until another packet may be taken. The kernel drops what doesn't fit
// into the socket's buffer meanwhile.
func (r *reader) pace() {
	now := time.Now()
	if r.taken++; now.Sub(r.since) >= time.Second {
		r.taken, r.since = 1, now
	}
	if r.taken < perSecond {
		return
	}
	select {
	case <-time.After(time.Second - now.Sub(r.since)):
	case <-r.ctx.Done():
	}
}

// error takes an error of the socket. It returns 0 to go on: an overrun is over,
// and how much was lost shows in the next packet's number.
func (r *reader) error(err error) int {
	if errors.Is(err, unix.ENOBUFS) {
		return 0
	}
	if r.ctx.Err() == nil {
		r.failed <- err
	}
	return 1
}

// Messages that configure a group (linux/netfilter/nfnetlink_log.h).
const (
	configMessage = 1 // NFULNL_MSG_CONFIG
	configCommand = 1 // NFULA_CFG_CMD
	bind          = 1 // NFULNL_CFG_CMD_BIND
	unbind        = 2 // NFULNL_CFG_CMD_UNBIND
	unbindFamily  = 4 // NFULNL_CFG_CMD_PF_UNBIND, of no family: it does nothing
)

// reason is why a group can't be read. The library says so in words only, and so
// the kernel is asked once more. It has one error for two reasons: of a group that
// another socket has bound, and for who may not (nfulnl_recv_config, nfnetlink_rcv).
func reason(con *netlink.Conn, group uint16, said error) error {
	switch err := configure(con, 0, unbindFamily); {
	case errors.Is(err, unix.EPERM):
		return ErrPermission
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.EOPNOTSUPP): // nfnetlink_rcv_msg
		return ErrNone
	}
	switch err := configure(con, group, bind); {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EBUSY):
		return ErrInUse
	case err != nil:
		return err
	}
	return said // what was in the way has gone meanwhile
}

// release gives the group back at once. Closing the socket does so only when a
// process that is being started, and has a copy of it until it runs its program
// (O_CLOEXEC), has closed it too. The library's own Close may wait before there is
// something to wait for, and nobody can wait for its goroutine to unbind.
func release(con *netlink.Conn, group uint16) {
	if m, err := command(group, unbind); err == nil {
		_, _ = con.Send(m) // the kernel answers a stranger to the group with EPERM
	}
	_ = con.Close()
}

// configure sends a command about a group, and returns what the kernel says.
func configure(con *netlink.Conn, group uint16, what byte) error {
	m, err := command(group, what)
	if err != nil {
		return err
	}
	m.Header.Flags |= netlink.Acknowledge
	_, err = con.Execute(m)
	return err
}

// command is a message with a command about a group.
func command(group uint16, what byte) (netlink.Message, error) {
	attributes, err := netlink.MarshalAttributes([]netlink.Attribute{{Type: configCommand, Data: []byte{what}}})
	if err != nil {
		return netlink.Message{}, err
	}
	general := binary.BigEndian.AppendUint16([]byte{unix.AF_UNSPEC, unix.NFNETLINK_V0}, group) // struct nfgenmsg
	return netlink.Message{
		Header: netlink.Header{Type: unix.NFNL_SUBSYS_ULOG<<8 | configMessage, Flags: netlink.Request},
		Data:   append(general, attributes...),
	}, nil
}
