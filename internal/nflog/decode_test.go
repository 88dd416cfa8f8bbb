package nflog

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// Headers of TCP, up to and with the addresses.
const (
	header4 = "450000280000400040060000" + "c0000201" + "c6336407"
	header6 = "6000000000140640" + "20010db8000000000000000000000010" + "20010db8010000000000000000000007"
)

func bytesOf(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDecode(t *testing.T) {
	src4, dst4 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("198.51.100.7")
	src6, dst6 := netip.MustParseAddr("2001:db8::10"), netip.MustParseAddr("2001:db8:100::7")
	v4 := func(proto uint8, from, to uint16) Packet {
		return Packet{Src: src4, Dst: dst4, Proto: proto, SrcPort: from, DstPort: to}
	}
	v6 := func(proto uint8, from, to uint16) Packet {
		return Packet{Src: src6, Dst: dst6, Proto: proto, SrcPort: from, DstPort: to}
	}
	with4 := func(proto string) string { return header4[:18] + proto + header4[20:] }
	with6 := func(proto string) string { return header6[:12] + proto + header6[14:] }
	for _, test := range []struct {
		name, packet string
		want         Packet
		bad          bool
	}{
		{"tcp", header4 + "c00001bb00000000", v4(tcp, 49152, 443), false},
		{"udp", with4("11") + "c00001bb", v4(udp, 49152, 443), false},
		{"sctp", with4("84") + "c0000b80", v4(sctp, 49152, 2944), false},
		{"icmp", with4("01") + "0800", v4(icmp, 0, 8), false},
		{"gre", with4("2f") + "00000800", v4(47, 0, 0), false},
		{"options", "46" + header4[2:] + "94040000" + "c00001bb", v4(tcp, 49152, 443), false},
		{"options cut off", "46" + header4[2:] + "9404", v4(tcp, 0, 0), false},
		{"a length that can't be", "44" + header4[2:] + "c00001bb", v4(tcp, 0, 0), false},
		{"the first fragment", header4[:12] + "2000" + header4[16:] + "c00001bb", v4(tcp, 49152, 443), false},
		{"a later fragment", header4[:12] + "2010" + header4[16:] + "c00001bb", v4(tcp, 0, 0), false},
		{"ports cut off", header4 + "c000", v4(tcp, 0, 0), false},
		{"addresses cut off", header4[:38], Packet{}, true},
		{"neither", "0001080006040001", Packet{}, true},
		{"nothing", "", Packet{}, true},

		{"tcp over IPv6", header6 + "c00001bb", v6(tcp, 49152, 443), false},
		{"icmpv6", with6("3a") + "8000", v6(icmp6, 0, 128), false},
		{"no next header", with6("3b"), v6(59, 0, 0), false},
		{"hop by hop, and destination options", with6("00") + "3c00050200000100" + "0601000000000000 0000000000000000" + "c00001bb", v6(tcp, 49152, 443), false},
		{"routing", with6("2b") + "1100000000000000" + "c00001bb", v6(udp, 49152, 443), false},
		{"authentication", with6("33") + "0604000000000001 00000001 000000000000000000000000" + "c00001bb", v6(tcp, 49152, 443), false},
		{"the first fragment of IPv6", with6("2c") + "0600000100000001" + "c00001bb", v6(tcp, 49152, 443), false},
		{"a later fragment of IPv6", with6("2c") + "0600001100000001" + "c00001bb", v6(tcp, 0, 0), false},
		{"an extension cut off", with6("00") + "06ff", v6(hopByHop, 0, 0), false},
		{"addresses of IPv6 cut off", header6[:78], Packet{}, true},
	} {
		got, ok := Decode(bytesOf(t, test.packet))
		if got != test.want || ok == test.bad {
			t.Errorf("%s: got %+v, %v", test.name, got, ok)
		}
	}
}

// Nothing in a packet does any harm, and of a packet that another decoder reads
// too, addresses and protocol are the same.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		header4 + "c00001bb", header4[:12] + "2010" + header4[16:],
		header6 + "c00001bb", header6[:12] + "2c" + header6[14:] + "0600001100000001", header6[:12] + "00" + header6[14:] + "3c00050200000100",
	} {
		b, err := hex.DecodeString(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, ok := Decode(b)
		if !ok {
			if len(b) >= 40 && (b[0]>>4 == 4 || b[0]>>4 == 6) {
				t.Errorf("%x is refused", b)
			}
			return
		}
		if b[0]>>4 == 4 {
			h, err := ipv4.ParseHeader(b)
			if err == nil && (h.Protocol != int(p.Proto) || !h.Src.Equal(p.Src.AsSlice()) || !h.Dst.Equal(p.Dst.AsSlice())) {
				t.Errorf("%x: %+v, %v", b, p, h)
			}
			if err == nil && h.FragOff != 0 && p.DstPort != 0 {
				t.Errorf("%x: a later fragment with a port", b)
			}
			return
		}
		h, err := ipv6.ParseHeader(b)
		if err != nil || !h.Src.Equal(p.Src.AsSlice()) || !h.Dst.Equal(p.Dst.AsSlice()) {
			t.Errorf("%x: %+v, %v, %v", b, p, h, err)
		}
	})
}
