package nft

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"
)

// Numbers of linux/netfilter/nf_tables.h that golang.org/x/sys/unix lacks.
const (
	msgDestroySetElem = 30 // NFT_MSG_DESTROYSETELEM
	msgDestroyTable   = 26 // NFT_MSG_DESTROYTABLE
	msgDestroySet     = 29 // NFT_MSG_DESTROYSET

	attrSetHandle = 16 // NFTA_SET_HANDLE
	attrSetCount  = 20 // NFTA_SET_COUNT
	attrKeyEnd    = 10 // NFTA_SET_ELEM_KEY_END

	attrElemExpressions = 11 // NFTA_SET_ELEM_EXPRESSIONS

	tableOwner = 2 // NFT_TABLE_F_OWNER
)

// Lengths of what every nf_tables message begins with.
const (
	headerLen = unix.SizeofNlMsghdr
	genmsgLen = 4 // struct nfgenmsg
	attrLen   = unix.SizeofNlAttr
)

var errMalformed = errors.New("malformed netlink message")

// align rounds up to the boundary on which messages and attributes begin
// (NLMSG_ALIGNTO, NLA_ALIGNTO).
func align(n int) int { return (n + 3) &^ 3 }

// nfType is the type of an nf_tables message: subsystem and message number.
func nfType(msg uint16) uint16 { return unix.NFNL_SUBSYS_NFTABLES<<8 | msg }

// message is one netlink message, in the buffer that it was received in.
type message struct {
	typ   uint16
	flags uint16
	seq   uint32
	body  []byte // what follows struct nlmsghdr
}

// nextMessage takes the first message off b. It reports false if b does not
// begin with a whole one.
func nextMessage(b []byte) (m message, rest []byte, ok bool) {
	if len(b) < headerLen {
		return m, nil, false
	}
	n := binary.NativeEndian.Uint32(b)
	if n < headerLen || uint64(n) > uint64(len(b)) {
		return m, nil, false
	}
	m = message{
		typ:   binary.NativeEndian.Uint16(b[4:]),
		flags: binary.NativeEndian.Uint16(b[6:]),
		seq:   binary.NativeEndian.Uint32(b[8:]),
		body:  b[headerLen:n],
	}
	return m, b[min(align(int(n)), len(b)):], true
}

// nf splits the body of an nf_tables message into its family and attributes.
func (m message) nf() (family uint8, attrs attrs, ok bool) {
	if len(m.body) < genmsgLen {
		return 0, attrs, false
	}
	return m.body[0], attrsOf(m.body[genmsgLen:]), true
}

// generation is the lower half of the number of the ruleset's generation that an
// nf_tables message is of (nft_base_seq); -1 if it is too short to say.
func (m message) generation() int {
	if len(m.body) < genmsgLen {
		return -1
	}
	return int(binary.BigEndian.Uint16(m.body[2:]))
}

// attrs walks over a run of attributes without copying them, as a
// bufio.Scanner does over lines.
//
// netlink.AttributeDecoder of mdlayher/netlink allocates a decoder for every
// nest; here an element would cost three.
type attrs struct {
	typ uint16 // of the current attribute, without flags
	val []byte // of the current attribute

	rest []byte
	err  error
}

func attrsOf(b []byte) attrs { return attrs{rest: b} }

// next moves to the next attribute. It reports false at the end, and where
// there is no whole attribute, which err then says.
func (a *attrs) next() bool {
	if len(a.rest) == 0 {
		return false
	}
	if len(a.rest) < attrLen {
		return a.fail()
	}
	n := int(binary.NativeEndian.Uint16(a.rest))
	if n < attrLen || n > len(a.rest) {
		return a.fail()
	}
	a.typ = binary.NativeEndian.Uint16(a.rest[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
	a.val = a.rest[attrLen:n]
	a.rest = a.rest[min(align(n), len(a.rest)):]
	return true
}

func (a *attrs) fail() bool {
	a.rest, a.err = nil, errMalformed
	return false
}

// uint32 is the current attribute as a number; 0 and an error if it is none.
func (a *attrs) uint32() uint32 {
	if len(a.val) != 4 {
		a.err = errMalformed
		return 0
	}
	return binary.BigEndian.Uint32(a.val)
}

// uint64 is the current attribute as a number; 0 and an error if it is none.
func (a *attrs) uint64() uint64 {
	if len(a.val) != 8 {
		a.err = errMalformed
		return 0
	}
	return binary.BigEndian.Uint64(a.val)
}

// text is the current attribute without the final zero that the kernel's
// strings have.
func (a *attrs) text() []byte {
	if n := len(a.val); n > 0 && a.val[n-1] == 0 {
		return a.val[:n-1]
	}
	return a.val
}
