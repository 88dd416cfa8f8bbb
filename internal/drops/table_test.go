package drops

import (
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/namewall/namewall/internal/set"
)

var noon = time.Date(2026, time.November, 26, 12, 0, 0, 0, time.UTC)

func packet(client, name, remote, service string, at time.Time) Packet {
	s, err := set.ParseService(service)
	if err != nil {
		panic(err)
	}
	p := Packet{At: at, Remote: netip.MustParseAddr(remote)}
	p.Key = Key{Client: ClientOf(netip.MustParseAddr(client)), Name: name, Service: s, Cause: "no_rule"}
	p.From = netip.MustParseAddr(client)
	if name == "" {
		p.Address, p.Cause = p.Remote, "never_asked"
	}
	return p
}

func after(d time.Duration) time.Time { return noon.Add(d) }

// Packets that differ in what doesn't matter are one drop.
func TestAdd(t *testing.T) {
	tb := NewTable()
	tb.Add(packet("192.0.2.1", "a.test.", "198.51.100.1", "tcp/443", noon))
	tb.Add(packet("192.0.2.1", "a.test.", "198.51.100.2", "tcp/443", after(time.Second)))
	d := tb.Add(packet("192.0.2.1", "a.test.", "198.51.100.1", "tcp/443", after(time.Minute)))
	if d.Count != 3 || !d.First.Equal(noon) || !d.Last.Equal(after(time.Minute)) ||
		!slices.Equal(d.Addresses, []netip.Addr{netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("198.51.100.2")}) {
		t.Errorf("%+v", d)
	}
	tb.Add(packet("192.0.2.2", "a.test.", "198.51.100.1", "tcp/443", after(2*time.Minute)))
	tb.Add(packet("192.0.2.1", "a.test.", "198.51.100.1", "tcp/80", after(3*time.Minute)))
	tb.Add(packet("192.0.2.1", "", "198.51.100.9", "udp/443", after(4*time.Minute)))
	tb.Add(packet("2001:db8::1", "a.test.", "2001:db8:1::1", "tcp/443", after(5*time.Minute)))
	d = tb.Add(packet("2001:db8::2", "a.test.", "2001:db8:1::1", "tcp/443", after(6*time.Minute)))
	if d.Count != 2 || d.Client.String() != "2001:db8::/64" || d.From.String() != "2001:db8::2" {
		t.Errorf("of a /64: %+v", d)
	}
	for _, test := range []struct {
		filter Filter
		want   int
	}{
		{Filter{}, 5},
		{Filter{Name: "a.test."}, 4},
		{Filter{Cause: "never_asked"}, 1},
		{Filter{Since: after(4 * time.Minute)}, 2},
		{Filter{Client: netip.MustParsePrefix("192.0.2.0/31")}, 3},
		{Filter{Client: netip.MustParsePrefix("2001:db8::2/128")}, 1},
		{Filter{Address: netip.MustParseAddr("198.51.100.2")}, 1},
	} {
		found, more := tb.List(test.filter, 100)
		if len(found) != test.want || more {
			t.Errorf("%+v: %d", test.filter, len(found))
		}
		if !slices.IsSortedFunc(found, func(a, b Drop) int { return b.Last.Compare(a.Last) }) {
			t.Errorf("%+v: not the latest first", test.filter)
		}
	}
	if found, more := tb.List(Filter{}, 2); len(found) != 2 || !more {
		t.Errorf("of more: %d, %v", len(found), more)
	}
}

// What comes keeps within the bounds: who scans pushes out no name, and of those
// with a name the one that was seen longest ago goes.
func TestBounded(t *testing.T) {
	tb := NewTable()
	tb.Add(packet("192.0.2.1", "first.test.", "198.51.100.1", "tcp/443", noon))
	for i := range 3 * MaxUnnamed {
		tb.Add(packet("192.0.2.1", "", fmt.Sprintf("198.18.%d.%d", i>>8, i&255), "tcp/443", after(time.Duration(i))))
	}
	for port := 1; port < 3*maxPorts; port++ {
		tb.Add(packet("192.0.2.1", "scanned.test.", "198.51.100.2", fmt.Sprintf("tcp/%d", port), after(time.Minute)))
	}
	if named, unnamed := tb.Used(); named != 1+maxPorts+1 || unnamed != MaxUnnamed {
		t.Errorf("%d named, %d unnamed", named, unnamed)
	}
	found, _ := tb.List(Filter{Name: "scanned.test."}, 100)
	rest := slices.IndexFunc(found, func(d Drop) bool { return d.Service.Port == 0 })
	if rest < 0 || found[rest].Count != 3*maxPorts-1-maxPorts || ServiceText(found[rest].Service) != "tcp" {
		t.Errorf("the ports beyond: %+v", found)
	}
	for i := range MaxNamed {
		tb.Add(packet("192.0.2.1", fmt.Sprintf("n%d.test.", i), "198.51.100.1", "tcp/443", after(time.Hour+time.Duration(i))))
		if i == 0 { // and so it is not the oldest
			tb.Add(packet("192.0.2.1", "first.test.", "198.51.100.1", "tcp/443", after(time.Hour+time.Duration(MaxNamed))))
		}
	}
	if named, _ := tb.Used(); named != MaxNamed {
		t.Errorf("%d named, want %d", named, MaxNamed)
	}
	for name, want := range map[string]int{"first.test.": 1, "scanned.test.": 0, "n0.test.": 0, "n1.test.": 1} {
		if found, _ := tb.List(Filter{Name: name}, 100); len(found) != want {
			t.Errorf("%s: %d drops, want %d", name, len(found), want)
		}
	}
	if n := len(tb.named.ports); n != MaxNamed {
		t.Errorf("ports of %d names are counted", n)
	}
	many := NewTable()
	for i := range 3 * maxAddresses {
		many.Add(packet("192.0.2.1", "a.test.", fmt.Sprintf("198.51.100.%d", i), "tcp/443", noon))
	}
	if found, _ := many.List(Filter{}, 1); len(found[0].Addresses) != maxAddresses || found[0].Addresses[0].String() != "198.51.100.23" {
		t.Errorf("%v", found[0].Addresses)
	}
}

// However much is dropped, memory is bounded, and so is the file.
func TestMemory(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	tb := NewTable()
	for i := range 2 * MaxNamed {
		client := fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)
		name := fmt.Sprintf("some-host-of-a-vendor-%d.example.test.", i)
		for a := range 2 * maxAddresses {
			tb.Add(packet(client, name, fmt.Sprintf("198.51.100.%d", a), "tcp/443", after1(i)))
		}
		tb.Add(packet(client, "", fmt.Sprintf("198.18.%d.%d", i>>8&255, i&255), "tcp/443", after1(i)))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	used := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	content, err := Encode(tb.All())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d and %d drops take %.1f MiB, and %.1f MiB in a file", MaxNamed, MaxUnnamed, float64(used)/(1<<20), float64(len(content))/(1<<20))
	if used > 24<<20 || len(content) > 8<<20 {
		t.Errorf("%d bytes, %d in a file", used, len(content))
	}
	back, err := Decode(content)
	if err != nil || len(back) != MaxNamed+MaxUnnamed {
		t.Errorf("%d come back, %v", len(back), err)
	}
	runtime.KeepAlive(tb)
}

func after1(i int) time.Time { return after(time.Duration(i) * time.Second) }

// A week after its last packet a drop is forgotten.
func TestExpire(t *testing.T) {
	tb := NewTable()
	tb.Add(packet("192.0.2.1", "old.test.", "198.51.100.1", "tcp/443", noon))
	tb.Add(packet("192.0.2.1", "new.test.", "198.51.100.1", "tcp/443", noon))
	tb.Add(packet("192.0.2.1", "", "198.51.100.1", "tcp/443", noon))
	tb.Add(packet("192.0.2.1", "new.test.", "198.51.100.1", "tcp/443", after(time.Hour)))
	before := tb.Changes()
	tb.Expire(after(Kept))
	if named, unnamed := tb.Used(); named != 2 || unnamed != 1 || tb.Changes() != before {
		t.Errorf("%d named, %d unnamed within the week", named, unnamed)
	}
	tb.Expire(after(Kept + time.Second))
	found, _ := tb.List(Filter{}, 10)
	if len(found) != 1 || found[0].Name != "new.test." || tb.Changes() == before {
		t.Errorf("after it: %+v", found)
	}
}

// What was kept comes back, joined with what has been seen meanwhile.
func TestRestore(t *testing.T) {
	old := NewTable()
	old.Add(packet("192.0.2.1", "a.test.", "198.51.100.1", "tcp/443", noon))
	old.Add(packet("192.0.2.1", "b.test.", "198.51.100.1", "tcp/443", after(time.Hour)))
	tb := NewTable()
	tb.Add(packet("192.0.2.1", "a.test.", "198.51.100.2", "tcp/443", after(2*time.Hour)))
	tb.Restore(old.All(), after(time.Minute))
	found, _ := tb.List(Filter{}, 10)
	if len(found) != 2 || found[0].Name != "a.test." || found[0].Count != 2 || !found[0].First.Equal(noon) || !found[0].Last.Equal(after(2*time.Hour)) {
		t.Errorf("%+v", found)
	}
	if !found[1].Last.Equal(after(time.Minute)) {
		t.Errorf("of the future: %v", found[1].Last)
	}
}

func TestServiceText(t *testing.T) {
	for want, s := range map[string]set.Service{
		"tcp/443": {Proto: 6, Port: 443}, "udp": {Proto: 17}, "icmp/8": {Proto: 1, Port: 8}, "ipv6-icmp/128": {Proto: 58, Port: 128},
		"gre": {Proto: 47}, "89": {Proto: 89}, "sctp/9": {Proto: 132, Port: 9},
	} {
		if got := ServiceText(s); got != want {
			t.Errorf("%+v: %s, want %s", s, got, want)
		}
	}
}
