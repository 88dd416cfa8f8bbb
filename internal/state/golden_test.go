package state

import (
	"bytes"
	"flag"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

var golden = flag.Bool("golden", false, "write testdata/v3 anew; the format is version 3 only as long as nobody has such files")

const goldenFile = "testdata/v3"

// goldenSnapshot has something of all that there is.
func goldenSnapshot() (Snapshot, Instant, uint64) {
	layout := func(text string) set.Layout {
		l, err := set.ParseLayout(text)
		if err != nil {
			panic(err)
		}
		return l
	}
	client4, client6 := netip.MustParseAddr("192.0.2.9"), netip.MustParseAddr("2001:db8::9")
	addr4, addr6 := netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("2001:db8:1::7")
	https := set.Service{Proto: 6, Port: 443}
	s := Snapshot{Sets: []Set{
		{set.ID{Family: set.Inet, Table: "filter", Name: "web4"}, layout("ipv4_addr . inet_proto . inet_service")},
		{set.ID{Family: set.IP6, Table: "t_6", Name: "a/b.c-d"}, layout("ipv6_addr")},
		{set.ID{Family: set.Bridge, Table: "br", Name: "pairs"}, layout("ipv6_addr . ipv6_addr . inet_proto . inet_service")},
		{set.ID{Family: set.Netdev, Table: "nd", Name: "unused"}, layout("ipv4_addr . ipv4_addr")},
	}}
	s.Rules = []Rule{{"web", "delete"}, {"odd", "kill"}}
	s.Intervals = []Interval{{Set: Set{set.ID{Family: set.Inet, Table: "filter", Name: "nets"}, layout("ipv4_addr . inet_service")}, Rule: "odd"}}
	www := Reason{
		Rule: "web", Name: "www.example.com.", Chain: "www.example.com. > cdn.example.net.", Client: client4,
		First: 90 * time.Second, Last: 1500 * time.Millisecond, Left: time.Hour + time.Millisecond,
	}
	odd := Reason{
		Rule: "odd", Name: "\\255\xff.example.", Client: netip.MustParseAddr("fe80::9%eth0"),
		First: 400 * 24 * time.Hour, Left: 7 * 24 * time.Hour,
	}
	nobody := Reason{Rule: "web", Name: "www.example.com.", Left: time.Millisecond}
	written := Reason{Rule: "odd", Origin: rule.ByLine, Left: 2 * time.Hour}
	byHand := Reason{Rule: "web", Origin: rule.ByHand, Name: "ticket 17", First: time.Minute, Last: time.Minute, Left: time.Hour}
	s.Bindings = []Binding{
		{Set: 0, Key: s.Sets[0].Layout.Key(client4, addr4, https), Left: time.Hour + time.Millisecond, Reasons: []Reason{www}},
		{Set: 1, Key: s.Sets[1].Layout.Key(client6, addr6, https), Left: 8 * 24 * time.Hour, Reasons: []Reason{odd, www, nobody, written, byHand}},
		{Set: 2, Key: s.Sets[2].Layout.Key(client6, addr6, https), Left: time.Millisecond, Revoked: RevokedKill},
	}
	taken := Instant{
		Wall: time.Date(2026, time.November, 22, 3, 4, 5, 678901234, time.UTC),
		Boot: BootID{0x0f, 0x1e, 0x2d, 0x3c, 0x4b, 0x5a, 0x69, 0x78, 0x87, 0x96, 0xa5, 0xb4, 0xc3, 0xd2, 0xe1, 0xf0},
		Up:   90*time.Minute + 1,
	}
	return s, taken, 0x0102030405060708
}

// A file that was written by the first namewall that wrote version 3 is read by
// all that read version 3, and written alike.
func TestGolden(t *testing.T) {
	s, taken, serial := goldenSnapshot()
	file := sealed(mustEncode(t, s), taken, serial)
	if *golden {
		if err := os.WriteFile(goldenFile, file, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(goldenFile)
	if err != nil {
		t.Fatal(err)
	}
	h, err := parseHeader(want, int64(len(want)))
	if err != nil {
		t.Fatal(err)
	}
	if h.Serial != serial || !h.taken().Wall.Equal(taken.Wall) || h.taken().Boot != taken.Boot || h.taken().Up != taken.Up {
		t.Errorf("serial %x, taken %v", h.Serial, h.taken())
	}
	got, err := decode(want[headerSize:])
	if err != nil {
		t.Fatal(err)
	}
	if d := diff(s, got); d != "" {
		t.Errorf("read (-want +got):\n%s", d)
	}
	if !bytes.Equal(file, want) {
		t.Errorf("written:\n%x\nwant:\n%x", file, want)
	}
}
