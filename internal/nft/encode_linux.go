package nft

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/namewall/namewall/internal/set"
	"golang.org/x/sys/unix"
)

// encoder writes netlink messages one after the other into a buffer, which it
// keeps: once the buffer has grown, encoding allocates nothing.
//
// Messages and nests are opened and closed in pairs; lengths are filled in on
// closing. Nothing is checked: names and keys come from package set, and the
// caller keeps a nest below the 64 KiB that an attribute's length can say.
type encoder struct {
	buf []byte
	msg int // where the open message begins
}

func (e *encoder) reset() { e.buf = e.buf[:0] }

// begin opens a message. res is the resource id of struct nfgenmsg, which only
// the ends of a batch need.
func (e *encoder) begin(typ, flags uint16, seq uint32, family set.Family, res uint16) {
	e.msg = len(e.buf)
	b := binary.NativeEndian.AppendUint32(e.buf, 0)
	b = binary.NativeEndian.AppendUint16(b, typ)
	b = binary.NativeEndian.AppendUint16(b, flags)
	b = binary.NativeEndian.AppendUint32(b, seq)
	b = binary.NativeEndian.AppendUint32(b, 0) // the kernel's portid
	b = append(b, uint8(family), unix.NFNETLINK_V0)
	e.buf = binary.BigEndian.AppendUint16(b, res)
}

func (e *encoder) end() {
	binary.NativeEndian.PutUint32(e.buf[e.msg:], uint32(len(e.buf)-e.msg))
}

// addFlags sets further flags of the message that was closed last.
func (e *encoder) addFlags(flags uint16) {
	p := e.buf[e.msg+6:]
	binary.NativeEndian.PutUint16(p, binary.NativeEndian.Uint16(p)|flags)
}

// batchBegin and batchEnd are what a transaction stands between.
func (e *encoder) batchBegin(seq uint32) {
	e.begin(unix.NFNL_MSG_BATCH_BEGIN, unix.NLM_F_REQUEST, seq, 0, unix.NFNL_SUBSYS_NFTABLES)
	e.end()
}

func (e *encoder) batchEnd(seq uint32) {
	e.begin(unix.NFNL_MSG_BATCH_END, unix.NLM_F_REQUEST, seq, 0, unix.NFNL_SUBSYS_NFTABLES)
	e.end()
}

func (e *encoder) head(typ uint16, n int) {
	b := binary.NativeEndian.AppendUint16(e.buf, uint16(attrLen+n))
	e.buf = binary.NativeEndian.AppendUint16(b, typ)
}

func (e *encoder) pad() {
	for len(e.buf)&3 != 0 {
		e.buf = append(e.buf, 0)
	}
}

func (e *encoder) text(typ uint16, s string) {
	e.head(typ, len(s)+1)
	e.buf = append(append(e.buf, s...), 0)
	e.pad()
}

func (e *encoder) bytes(typ uint16, v []byte) {
	e.head(typ, len(v))
	e.buf = append(e.buf, v...)
	e.pad()
}

func (e *encoder) uint32(typ uint16, v uint32) {
	e.head(typ, 4)
	e.buf = binary.BigEndian.AppendUint32(e.buf, v)
}

func (e *encoder) uint64(typ uint16, v uint64) {
	e.head(typ, 8)
	e.buf = binary.BigEndian.AppendUint64(e.buf, v)
}

// open begins a nest and returns what close needs.
func (e *encoder) open(typ uint16) int {
	at := len(e.buf)
	e.head(unix.NLA_F_NESTED|typ, 0)
	return at
}

func (e *encoder) close(at int) {
	binary.NativeEndian.PutUint16(e.buf[at:], uint16(len(e.buf)-at))
}

// set opens a message about elements of a set, up to their list.
func (e *encoder) setElems(typ, flags uint16, seq uint32, id set.ID) (list int) {
	e.begin(nfType(typ), flags, seq, id.Family, 0)
	e.text(unix.NFTA_SET_ELEM_LIST_TABLE, id.Table)
	e.text(unix.NFTA_SET_ELEM_LIST_SET, id.Name)
	return e.open(unix.NFTA_SET_ELEM_LIST_ELEMENTS)
}

// setElemsLen is the size of what setElems writes.
func setElemsLen(id set.ID) int {
	return headerLen + genmsgLen + align(attrLen+len(id.Table)+1) + align(attrLen+len(id.Name)+1) + attrLen
}

// elem is one element by its key, without a life: to delete it or ask for it.
func (e *encoder) elem(k *set.Key) {
	at := e.openElem(k)
	e.close(at)
}

// elemFor is one element that is to live for d. With fresh its expiration is
// said too: a kernel that updates elements takes an equal timeout alone for no
// change at all (nft_add_set_elem), and one that does not ignores it.
func (e *encoder) elemFor(k *set.Key, d time.Duration, fresh bool) {
	at := e.openElem(k)
	ms := milliseconds(d)
	e.uint64(unix.NFTA_SET_ELEM_TIMEOUT, ms)
	if fresh {
		e.uint64(unix.NFTA_SET_ELEM_EXPIRATION, ms)
	}
	e.close(at)
}

func (e *encoder) openElem(k *set.Key) int {
	at := e.open(unix.NFTA_LIST_ELEM)
	key := e.open(unix.NFTA_SET_ELEM_KEY)
	e.bytes(unix.NFTA_DATA_VALUE, k.Bytes())
	e.close(key)
	return at
}

// elemLen is the most that an element with a key of n bytes takes.
func elemLen(n int) int {
	return attrLen + attrLen + attrLen + align(n) + 2*(attrLen+8)
}

// milliseconds is a timeout in the kernel's unit, rounded up. Less than a
// second is made one: 0 stands for no end, and a kernel may take less than a
// jiffy for it.
func milliseconds(d time.Duration) uint64 {
	d = max(d, time.Second)
	return uint64(min(d, math.MaxInt64-time.Millisecond)+time.Millisecond-1) / uint64(time.Millisecond)
}
