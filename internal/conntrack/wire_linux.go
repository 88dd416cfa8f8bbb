package conntrack

import (
	"encoding/binary"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Numbers of linux/netfilter/nfnetlink_conntrack.h, which golang.org/x/sys/unix
// lacks.
const (
	msgGet    = 1 // IPCTNL_MSG_CT_GET
	msgDelete = 2 // IPCTNL_MSG_CT_DELETE
	msgStats  = 4 // IPCTNL_MSG_CT_GET_STATS_CPU

	attrTupleOrig  = 1  // CTA_TUPLE_ORIG
	attrTupleReply = 2  // CTA_TUPLE_REPLY
	attrID         = 12 // CTA_ID
	attrZone       = 18 // CTA_ZONE
	attrFilter     = 25 // CTA_FILTER

	attrTupleIP    = 1 // CTA_TUPLE_IP
	attrTupleProto = 2 // CTA_TUPLE_PROTO

	attrV4Src = 1 // CTA_IP_V4_SRC
	attrV4Dst = 2 // CTA_IP_V4_DST
	attrV6Src = 3 // CTA_IP_V6_SRC
	attrV6Dst = 4 // CTA_IP_V6_DST

	attrProtoNum = 1 // CTA_PROTO_NUM
	attrPortSrc  = 2 // CTA_PROTO_SRC_PORT
	attrPortDst  = 3 // CTA_PROTO_DST_PORT

	attrFilterOrig  = 1 // CTA_FILTER_ORIG_FLAGS
	attrFilterReply = 2 // CTA_FILTER_REPLY_FLAGS
	filterSrc       = 1 << 0
	filterDst       = 1 << 1
)

// header is struct nfgenmsg, with which every message begins.
func header(family uint8) []byte { return []byte{family, unix.NFNETLINK_V0, 0, 0} }

func message(msg uint16, flags netlink.HeaderFlags, data []byte) netlink.Message {
	return netlink.Message{
		Header: netlink.Header{
			Type:  netlink.HeaderType(unix.NFNL_SUBSYS_CTNETLINK<<8 | msg),
			Flags: netlink.Request | flags,
		},
		Data: data,
	}
}

// statistics asks for a few numbers of each processor, which any kernel has that
// tracks connections.
func statistics() netlink.Message {
	return message(msgStats, netlink.Dump, header(unix.AF_UNSPEC))
}

// dump asks for all entries of a family.
func dump(family uint8) netlink.Message {
	return message(msgGet, netlink.Dump, header(family))
}

// dumpOf asks for the entries with an IPv4 address in one place of one of their
// tuples. Kernels before 5.8 don't know of filters and send everything.
func dumpOf(addr netip.Addr, p place) netlink.Message {
	ip := appendAttribute(nil, p.addr, addr.AsSlice())
	tuple := appendAttribute(nil, attrTupleIP|netlink.Nested, ip)
	flags := appendAttribute(nil, p.filter, binary.NativeEndian.AppendUint32(nil, p.flag))
	data := appendAttribute(header(unix.AF_INET), p.tuple|netlink.Nested, tuple)
	data = appendAttribute(data, attrFilter|netlink.Nested, flags)
	return message(msgGet, netlink.Dump, data)
}

// place is where an address can be in an entry.
type place struct {
	tuple, addr, filter uint16
	flag                uint32
}

// The places of a flow's address: it opened the connection, it was where the
// opener meant to go, or where destination NAT led.
var places = [...]place{
	{attrTupleOrig, attrV4Src, attrFilterOrig, filterSrc},
	{attrTupleOrig, attrV4Dst, attrFilterOrig, filterDst},
	{attrTupleReply, attrV4Src, attrFilterReply, filterSrc},
}

// deletion deletes e and no other: by its tuple, in its zone, and by its id,
// which a later connection with the same tuple has not. Without a tuple the
// kernel would flush the table (ctnetlink_del_conntrack).
func deletion(family uint8, e *entry) netlink.Message {
	data := appendAttribute(header(family), attrTupleOrig|netlink.Nested, e.tuple)
	data = appendAttribute(data, attrID, e.id)
	if e.zone != nil {
		data = appendAttribute(data, attrZone, e.zone)
	}
	return message(msgDelete, netlink.Acknowledge, data)
}

func appendAttribute(b []byte, typ uint16, v []byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(unix.SizeofNlAttr+len(v)))
	b = binary.NativeEndian.AppendUint16(b, typ)
	b = append(b, v...)
	for len(b)%unix.NLA_ALIGNTO != 0 {
		b = append(b, 0)
	}
	return b
}
