package set

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
)

func TestParseID(t *testing.T) {
	id, err := ParseID("inet", "filter", "web4")
	if err != nil || id.String() != "inet filter web4" {
		t.Fatalf("got %v, %v", id, err)
	}
	for _, words := range [][3]string{
		{"inet4", "filter", "web4"},
		{"inet", "", "web4"},
		{"inet", "filter", "4web"},
		{"inet", "filter", "web 4"},
		{"inet", "fil;ter", "web4"},
		{"inet", "filter", strings.Repeat("x", 256)},
	} {
		if id, err := ParseID(words[0], words[1], words[2]); err == nil {
			t.Errorf("%q accepted as %v", words, id)
		}
	}
}

func TestParseService(t *testing.T) {
	for in, want := range map[string]Service{
		"tcp/2804": {6, 2804}, "udp/1": {17, 1}, "sctp/65535": {132, 65535},
	} {
		got, err := ParseService(in)
		if err != nil || got != want || got.String() != in {
			t.Errorf("%s: got %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "tcp", "tcp/", "/443", "tcp/0", "tcp/65536", "tcp/-1", "icmp/1", "tcp/443/1", "TCP/443"} {
		if got, err := ParseService(in); err == nil {
			t.Errorf("%q accepted as %v", in, got)
		}
	}
}

func TestLayouts(t *testing.T) {
	client4, addr4 := netip.MustParseAddr("192.0.2.9"), netip.MustParseAddr("198.51.100.7")
	client6, addr6 := netip.MustParseAddr("2001:db8::9"), netip.MustParseAddr("2001:db8:1::7")
	https := Service{Proto: 6, Port: 443}
	for _, test := range []struct{ layout, key string }{
		{"ipv4_addr", "c6336407"},
		{"ipv4_addr . inet_service", "c633640701bb0000"},
		{"ipv4_addr . inet_proto . inet_service", "c63364070600000001bb0000"},
		{"ipv4_addr . ipv4_addr", "c0000209c6336407"},
		{"ipv4_addr . ipv4_addr . inet_proto . inet_service", "c0000209c63364070600000001bb0000"},
		{"ipv6_addr", "20010db8000100000000000000000007"},
		{"ipv6_addr . inet_service", "20010db800010000000000000000000701bb0000"},
		{"ipv6_addr . inet_proto . inet_service", "20010db80001000000000000000000070600000001bb0000"},
		{"ipv6_addr . ipv6_addr", "20010db800000000000000000000000920010db8000100000000000000000007"},
		{"ipv6_addr . ipv6_addr . inet_proto . inet_service", "20010db800000000000000000000000920010db80001000000000000000000070600000001bb0000"},
	} {
		t.Run(test.layout, func(t *testing.T) {
			l, err := ParseLayout(test.layout)
			if err != nil || l.String() != test.layout {
				t.Fatalf("got %v, %v", l, err)
			}
			client, addr := client4, addr4
			if l.V6 {
				client, addr = client6, addr6
			}
			key := l.Key(client, addr, https)
			if got := hex.EncodeToString(key.Bytes()); got != test.key || len(got)/2 != l.Len() {
				t.Errorf("key %s, want %s", got, test.key)
			}
			gotClient, gotAddr, gotService, ok := l.Split(key)
			if !ok || gotAddr != addr || l.Pair && gotClient != client ||
				l.Port && gotService.Port != 443 || l.Proto && gotService.Proto != 6 {
				t.Errorf("split into %v %v %v %v", gotClient, gotAddr, gotService, ok)
			}
			again, ok := KeyOf(key.Bytes())
			if !ok || again != key {
				t.Errorf("a key read back differs")
			}
		})
	}
}

func TestParseLayoutBlanks(t *testing.T) {
	if l, err := ParseLayout("ipv4_addr.inet_proto .inet_service"); err != nil || l != (Layout{Proto: true, Port: true}) {
		t.Errorf("got %v, %v", l, err)
	}
	for _, in := range []string{
		"", ".", "ipv4_addr .", "inet_service", "ipv4_addr . inet_proto", "ipv4_addr . ipv6_addr",
		"ipv4_addr . ipv4_addr . inet_service", "ipv4_addr . ipv4_addr . ipv4_addr", "ether_addr", "ipv4_addr . mark",
		"inet_service . ipv4_addr", "ipv4_addr . inet_service . inet_proto",
	} {
		if l, err := ParseLayout(in); err == nil {
			t.Errorf("%q accepted as %v", in, l)
		}
	}
}

func TestFits(t *testing.T) {
	v4, v6 := netip.MustParseAddr("192.0.2.9"), netip.MustParseAddr("2001:db8::9")
	plain, pair := Layout{}, Layout{Pair: true}
	if !plain.Fits(v6, v4) || plain.Fits(v4, v6) || !pair.Fits(v4, v4) || pair.Fits(v6, v4) || pair.Fits(netip.Addr{}, v4) || plain.Fits(v4, netip.Addr{}) {
		t.Error("families are mixed up")
	}
}

func TestKeyOfTooLong(t *testing.T) {
	if _, ok := KeyOf(make([]byte, KeyMax+1)); ok {
		t.Error("41 bytes taken for a key")
	}
}
