package nflog

import (
	"encoding/binary"
	"net/netip"
)

// Protocols (https://www.iana.org/assignments/protocol-numbers).
const (
	hopByHop     = 0
	icmp         = 1
	tcp          = 6
	udp          = 17
	dccp         = 33
	routing      = 43
	fragment     = 44
	auth         = 51
	icmp6        = 58
	destinations = 60
	sctp         = 132
	mobility     = 135
	udplite      = 136
)

// Decode reads the headers of an IPv4 or IPv6 packet, of which the end may be cut
// off. It reports false if it is neither, or ends before the addresses.
func Decode(b []byte) (Packet, bool) {
	if len(b) == 0 {
		return Packet{}, false
	}
	switch b[0] >> 4 {
	case 4:
		return decode4(b)
	case 6:
		return decode6(b)
	}
	return Packet{}, false
}

// decode4 reads an IPv4 header (RFC 791 section 3.1).
func decode4(b []byte) (Packet, bool) {
	const least = 20
	if len(b) < least {
		return Packet{}, false
	}
	p := Packet{Proto: b[9], Src: netip.AddrFrom4([4]byte(b[12:16])), Dst: netip.AddrFrom4([4]byte(b[16:20]))}
	length := int(b[0]&15) * 4
	first := binary.BigEndian.Uint16(b[6:])&0x1fff == 0 // the fragment's offset
	if first && length >= least && length <= len(b) {
		p.ports(b[length:])
	}
	return p, true
}

// decode6 reads an IPv6 header and those that extend it (RFC 8200 sections 3 and
// 4).
func decode6(b []byte) (Packet, bool) {
	const header = 40
	if len(b) < header {
		return Packet{}, false
	}
	p := Packet{Proto: b[6], Src: netip.AddrFrom16([16]byte(b[8:24])), Dst: netip.AddrFrom16([16]byte(b[24:40]))}
	for b = b[header:]; ; {
		length := 0
		switch p.Proto {
		case hopByHop, routing, destinations, mobility:
			if len(b) >= 2 {
				length = 8 + int(b[1])*8
			}
		case auth: // RFC 4302 section 2.2
			if len(b) >= 2 {
				length = 8 + int(b[1])*4
			}
		case fragment:
			length = 8
			if len(b) >= length && binary.BigEndian.Uint16(b[2:])&^7 != 0 { // not the first
				p.Proto = b[0]
				return p, true
			}
		default:
			p.ports(b)
			return p, true
		}
		if length == 0 || length > len(b) {
			return p, true // what it carries has been cut off
		}
		p.Proto, b = b[0], b[length:]
	}
}

// ports reads what the transport's header begins with.
func (p *Packet) ports(b []byte) {
	switch p.Proto {
	case tcp, udp, dccp, sctp, udplite:
		if len(b) >= 4 {
			p.SrcPort, p.DstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		}
	case icmp, icmp6:
		if len(b) >= 1 {
			p.DstPort = uint16(b[0])
		}
	}
}
