package conntrack

import (
	"encoding/binary"
	"net/netip"

	"github.com/mdlayher/netlink"
)

// end is one end of a connection, as one direction of its packets has it.
type end struct {
	addr netip.Addr
	port uint16 // 0 if the protocol has none
}

// entry is one tracked connection. Its slices are the message's.
type entry struct {
	proto    uint8
	src, dst end // of the opener's packets as they are sent
	seen     end // where they go after destination NAT: the source of the replies

	// What the kernel finds it by, in its own bytes.
	tuple, id, zone []byte
}

// tuple is one direction of a connection.
type tuple struct {
	src, dst end
	proto    uint8
	hasProto bool
}

// decode reads the body of a message about an entry. It reports false for what
// isn't one that can be named exactly. Of an attribute that is there twice the
// last counts, as for the kernel (nla_parse).
func decode(b []byte) (e entry, ok bool) {
	const genmsg = 4
	if len(b) < genmsg {
		return e, false
	}
	a, err := netlink.NewAttributeDecoder(b[genmsg:])
	if err != nil {
		return e, false
	}
	var orig, reply tuple
	for a.Next() {
		switch a.Type() {
		case attrTupleOrig:
			a.Do(keep(&e.tuple))
			orig = tuple{}
			a.Nested(orig.decode)
		case attrTupleReply:
			reply = tuple{}
			a.Nested(reply.decode)
		case attrID:
			a.Do(keep(&e.id))
		case attrZone:
			a.Do(keep(&e.zone))
		}
	}
	e.proto, e.src, e.dst, e.seen = orig.proto, orig.src, orig.dst, reply.src
	named := orig.src.addr.IsValid() && orig.dst.addr.IsValid() && orig.hasProto && len(e.id) == 4
	return e, named && a.Err() == nil
}

// keep notes an attribute's bytes without copying them.
func keep(to *[]byte) func([]byte) error {
	return func(b []byte) error {
		*to = b
		return nil
	}
}

func (t *tuple) decode(a *netlink.AttributeDecoder) error {
	a.ByteOrder = binary.BigEndian
	for a.Next() {
		switch a.Type() {
		case attrTupleIP:
			a.Nested(t.decodeIP)
		case attrTupleProto:
			a.Nested(t.decodeProto)
		}
	}
	return a.Err()
}

func (t *tuple) decodeIP(a *netlink.AttributeDecoder) error {
	for a.Next() {
		switch a.Type() {
		case attrV4Src, attrV6Src:
			a.Do(t.src.decode)
		case attrV4Dst, attrV6Dst:
			a.Do(t.dst.decode)
		}
	}
	return a.Err()
}

func (e *end) decode(b []byte) error {
	e.addr, _ = netip.AddrFromSlice(b)
	return nil
}

func (t *tuple) decodeProto(a *netlink.AttributeDecoder) error {
	a.ByteOrder = binary.BigEndian
	for a.Next() {
		switch a.Type() {
		case attrProtoNum:
			t.proto, t.hasProto = a.Uint8(), true
		case attrPortSrc:
			t.src.port = a.Uint16()
		case attrPortDst:
			t.dst.port = a.Uint16()
		}
	}
	return a.Err()
}
