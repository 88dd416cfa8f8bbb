package state

import (
	"bytes"
	"errors"
	"math"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
	"pgregory.net/rapid"
)

// layouts are all that there are.
var layouts = []string{
	"ipv4_addr", "ipv4_addr . inet_service", "ipv4_addr . inet_proto . inet_service",
	"ipv4_addr . ipv4_addr", "ipv4_addr . ipv4_addr . inet_proto . inet_service",
	"ipv6_addr", "ipv6_addr . inet_service", "ipv6_addr . inet_proto . inet_service",
	"ipv6_addr . ipv6_addr", "ipv6_addr . ipv6_addr . inet_proto . inet_service",
}

// Names are any bytes; few of them, so that they repeat.
func drawWord(t *rapid.T) string {
	return rapid.OneOf(
		rapid.SampledFrom([]string{"", "web", "www.example.com.", "a\\.b.example.com.", "\xff\x00"}),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 300), func(b []byte) string { return string(b) }),
	).Draw(t, "word")
}

func drawClient(t *rapid.T) netip.Addr {
	return rapid.OneOf(
		rapid.SampledFrom([]netip.Addr{
			{}, netip.MustParseAddr("::ffff:192.0.2.1"), netip.MustParseAddr("fe80::1%eth0"), netip.MustParseAddr("::"),
		}),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 4, 4), func(b []byte) netip.Addr { a, _ := netip.AddrFromSlice(b); return a }),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 16, 16), func(b []byte) netip.Addr { a, _ := netip.AddrFromSlice(b); return a }),
	).Draw(t, "client")
}

func drawDuration(t *rapid.T) time.Duration {
	return rapid.OneOf(
		rapid.SampledFrom([]time.Duration{0, 1, time.Millisecond - 1, time.Millisecond, math.MaxInt64, math.MinInt64}),
		rapid.Map(rapid.Int64Range(-int64(time.Hour), int64(10*24*time.Hour)), func(n int64) time.Duration { return time.Duration(n) }),
	).Draw(t, "duration")
}

func drawSnapshot(t *rapid.T) Snapshot {
	var s Snapshot
	for range rapid.IntRange(1, 4).Draw(t, "sets") {
		layout, err := set.ParseLayout(rapid.SampledFrom(layouts).Draw(t, "layout"))
		if err != nil {
			t.Fatal(err)
		}
		name := rapid.StringMatching(`[a-z_][a-z0-9/\\_.-]{0,20}`)
		family := rapid.SampledFrom([]set.Family{set.Inet, set.IP, set.IP6, set.Bridge, set.Netdev}).Draw(t, "family")
		s.Sets = append(s.Sets, Set{
			ID:     set.ID{Family: family, Table: name.Draw(t, "table"), Name: name.Draw(t, "set")},
			Layout: layout,
		})
	}
	for range rapid.IntRange(0, 3).Draw(t, "intervals") {
		s.Intervals = append(s.Intervals, Interval{Set: rapid.SampledFrom(s.Sets).Draw(t, "interval"), Rule: drawWord(t)})
	}
	for range rapid.IntRange(0, 4).Draw(t, "rules") {
		s.Rules = append(s.Rules, Rule{drawWord(t), drawWord(t)})
	}
	for range rapid.IntRange(0, 20).Draw(t, "bindings") {
		at := rapid.IntRange(0, len(s.Sets)-1).Draw(t, "at")
		n := s.Sets[at].Layout.Len()
		key, _ := set.KeyOf(rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "key"))
		b := Binding{Set: at, Key: key, Left: drawDuration(t), Revoked: Revoked(rapid.IntRange(0, int(revocations)-1).Draw(t, "revoked"))}
		for range rapid.IntRange(0, MaxReasons).Draw(t, "reasons") {
			b.Reasons = append(b.Reasons, Reason{
				Rule: drawWord(t), Origin: rule.Origin(rapid.IntRange(0, int(rule.Origins)-1).Draw(t, "origin")), Name: drawWord(t), Chain: drawWord(t), Client: drawClient(t),
				First: drawDuration(t), Last: drawDuration(t), Left: drawDuration(t),
			})
		}
		s.Bindings = append(s.Bindings, b)
	}
	return s
}

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSnapshot(t)
		passed := max(0, drawDuration(t))
		payload, err := encode(&s)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decode(payload)
		if err != nil {
			t.Fatal(err)
		}
		if d := diff(expect(s, 0), got); d != "" {
			t.Fatalf("read back (-want +got):\n%s", d)
		}
		if again, err := encode(&got); err != nil || !bytes.Equal(again, payload) {
			t.Fatalf("one snapshot has two encodings: %v", err)
		}
		before := len(got.Bindings)
		expired := got.age(passed)
		if d := diff(expect(s, passed), got); d != "" || expired != before-len(got.Bindings) {
			t.Fatalf("%v later, %d expired (-want +got):\n%s", passed, expired, d)
		}
	})
}

// An age that no duration can express is the longest one.
func TestAgesDoNotOverflow(t *testing.T) {
	s := small("web")
	s.Bindings[0].Reasons[0].First = math.MaxInt64 - 1
	s.age(time.Minute)
	if r := s.Bindings[0].Reasons[0]; r.First != math.MaxInt64 || r.Last != time.Minute+time.Second {
		t.Errorf("first %v, last %v", r.First, r.Last)
	}
}

// More bindings than CBOR's limits allow unless they are set.
func TestRoundTripLarge(t *testing.T) {
	s := small("web")
	one := s.Bindings[0]
	one.Reasons = nil
	s.Bindings = slices.Repeat([]Binding{one}, 1<<17+1)
	got, err := decode(mustEncode(t, s))
	if err != nil || len(got.Bindings) != len(s.Bindings) {
		t.Errorf("%d bindings, %v", len(got.Bindings), err)
	}
}

func TestEncodeRefuses(t *testing.T) {
	for name, spoil := range map[string]func(*Snapshot){
		"a negative set":                 func(s *Snapshot) { s.Bindings[1].Set = -1 },
		"a set out of bounds":            func(s *Snapshot) { s.Bindings[1].Set = 1 },
		"a key that is long":             func(s *Snapshot) { s.Bindings[1].Key, _ = set.KeyOf(make([]byte, 16)) },
		"no key":                         func(s *Snapshot) { s.Bindings[1].Key = set.Key{} },
		"too many reasons":               func(s *Snapshot) { s.Bindings[1].Reasons = make([]Reason, MaxReasons+1) },
		"an unknown revocation":          func(s *Snapshot) { s.Bindings[1].Revoked = revocations },
		"an unknown origin":              func(s *Snapshot) { s.Bindings[1].Reasons[0].Origin = rule.Origins },
		"too many bindings":              func(s *Snapshot) { s.Bindings = make([]Binding, MaxBindings+1) },
		"an unknown family":              func(s *Snapshot) { s.Sets[0].ID.Family = 99 },
		"a set without a name":           func(s *Snapshot) { s.Sets[0].ID.Name = "" },
		"an interval set without a name": func(s *Snapshot) { s.Intervals = []Interval{{Rule: "web"}} },
		"a layout that is none": func(s *Snapshot) {
			s.Sets[0].Layout = set.Layout{Pair: true, Port: true}
			s.Bindings = nil
		},
	} {
		s := small("web")
		spoil(&s)
		if _, err := encode(&s); err == nil {
			t.Errorf("%s was encoded", name)
		}
	}
}

// Files with a checksum that is right and a content that namewall never writes.
func TestDecodeRefuses(t *testing.T) {
	for name, spoil := range map[string]func(*payload){
		"an unknown family":            func(p *payload) { p.Sets[0].Family = "inet4" },
		"a name of no set":             func(p *payload) { p.Sets[0].Name = "web 4" },
		"an unknown layout":            func(p *payload) { p.Sets[0].Layout = "ether_addr" },
		"an interval set that is none": func(p *payload) { p.Ranges = []rangesRow{{Set: setRow{Family: "inet", Table: "t", Name: "4"}}} },
		"another layout":               func(p *payload) { p.Sets[0].Layout = "ipv6_addr" },
		"no sets":                      func(p *payload) { p.Sets = nil },
		"a set out of bounds":          func(p *payload) { p.Set[1] = 1 },
		"too few keys":                 func(p *payload) { p.Keys = p.Keys[:len(p.Keys)-1] },
		"too many keys":                func(p *payload) { p.Keys = append(p.Keys, 0) },
		"too few bindings":             func(p *payload) { p.Set = p.Set[:1] },
		"too few lives":                func(p *payload) { p.Left = p.Left[:1] },
		"no numbers of reasons":        func(p *payload) { p.Reasons = nil },
		"more reasons":                 func(p *payload) { p.Reasons[1]++ },
		"fewer reasons":                func(p *payload) { p.Reasons[1]-- },
		"many reasons": func(p *payload) {
			p.Reasons[0] += MaxReasons
			for _, column := range []*[]uint32{&p.Rule, &p.Name, &p.Chain, &p.Client} {
				*column = append(*column, make([]uint32, MaxReasons)...)
			}
			p.Origin = append(p.Origin, make([]byte, MaxReasons)...)
			for _, column := range []*[]uint64{&p.First, &p.Last, &p.Until} {
				*column = append(*column, slices.Repeat([]uint64{1}, MaxReasons)...)
			}
		},
		"many bindings": func(p *payload) {
			p.Set = append(p.Set, make([]uint32, MaxBindings)...)
			p.Left = append(p.Left, slices.Repeat([]uint64{1}, MaxBindings)...)
			p.Reasons = append(p.Reasons, make([]byte, MaxBindings)...)
			p.Revoked = append(p.Revoked, make([]byte, MaxBindings)...)
			p.Keys = append(p.Keys, make([]byte, 4*MaxBindings)...)
		},
		"too few revocations":   func(p *payload) { p.Revoked = p.Revoked[:1] },
		"an unknown revocation": func(p *payload) { p.Revoked[1] = byte(revocations) },
		"too few rules":         func(p *payload) { p.Rule = p.Rule[:1] },
		"too few names":         func(p *payload) { p.Name = p.Name[:1] },
		"too few chains":        func(p *payload) { p.Chain = p.Chain[:1] },
		"too few clients":       func(p *payload) { p.Client = p.Client[:1] },
		"too few origins":       func(p *payload) { p.Origin = p.Origin[:1] },
		"an unknown origin":     func(p *payload) { p.Origin[1] = byte(rule.Origins) },
		"too few first times":   func(p *payload) { p.First = p.First[:1] },
		"too few last times":    func(p *payload) { p.Last = p.Last[:1] },
		"too few ends":          func(p *payload) { p.Until = p.Until[:1] },
		"a rule out of bounds":  func(p *payload) { p.Rule[1] = uint32(len(p.Words)) },
		"a name out of bounds":  func(p *payload) { p.Name[1] = math.MaxUint32 },
		"a chain out of bounds": func(p *payload) { p.Chain[1] = math.MaxUint32 },
		"a client out of bounds": func(p *payload) {
			p.Client[1] = uint32(len(p.Clients))
		},
		"a life that is over":   func(p *payload) { p.Left[1] = 0 },
		"a life without an end": func(p *payload) { p.Left[1] = math.MaxUint64 },
		"a life beyond a duration": func(p *payload) {
			p.Left[1] = math.MaxInt64/uint64(time.Millisecond) + 1
		},
		"a reason that is over": func(p *payload) { p.Until[1] = 0 },
		"an age beyond a duration": func(p *payload) {
			p.First[1] = math.MaxUint64
		},
	} {
		var p payload
		if err := decoding.Unmarshal(mustEncode(t, small("web")), &p); err != nil {
			t.Fatal(err)
		}
		spoil(&p)
		var buf bytes.Buffer
		if err := encoding.MarshalToBuffer(&p, &buf); err != nil {
			t.Fatal(err)
		}
		if s, err := decode(buf.Bytes()); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
}

// What CBOR allows and the format doesn't.
func TestDecodeIsStrict(t *testing.T) {
	good := mustEncode(t, small("web"))
	var fields []cbor.RawMessage
	if err := cbor.Unmarshal(good, &fields); err != nil {
		t.Fatal(err)
	}
	array := func(fields ...cbor.RawMessage) []byte {
		b := []byte{0x80 | byte(len(fields))} // fewer than 24
		for _, f := range fields {
			b = append(b, f...)
		}
		return b
	}
	with := func(i int, field string) []byte {
		changed := slices.Clone(fields)
		changed[i] = cbor.RawMessage(field)
		return array(changed...)
	}
	if _, err := decode(array(fields...)); err != nil {
		t.Fatal(err)
	}
	const words, clients, set, keys, left = 3, 4, 5, 6, 7 // fields of payload
	for name, b := range map[string][]byte{
		"nothing":               {},
		"null":                  {0xf6},
		"undefined":             {0xf7},
		"null for a column":     with(set, "\xf6"),
		"null for a number":     with(set, "\x82\x00\xf6"),
		"false for a number":    with(set, "\x82\x00\xf4"),
		"a simple value":        with(set, "\x82\x00\xe0"),
		"an empty map":          {0xa0},
		"a byte more":           append(bytes.Clone(good), 0),
		"a second item":         append(bytes.Clone(good), good...),
		"a field more":          array(append(slices.Clone(fields), cbor.RawMessage{0})...),
		"a field less":          array(fields[:len(fields)-1]...),
		"an indefinite array":   append(append([]byte{0x9f}, good[1:]...), 0xff),
		"an indefinite column":  with(set, "\x9f\x00\x00\xff"),
		"a tag":                 append([]byte{0xd9, 0xd9, 0xf7}, good...),
		"a tag in a column":     with(set, "\x82\x00\xc1\x00"),
		"a negative index":      with(set, "\x82\x00\x20"),
		"an index of 64 bits":   with(set, "\x82\x00\x1b\x01\x00\x00\x00\x00\x00\x00\x00"),
		"a life in floats":      with(left, "\x82\x01\xf9\x3c\x00"),
		"a text for a number":   with(left, "\x82\x01\x611"),
		"a text for words":      with(words, "\x82\x40\x611"),
		"a client of 5 bytes":   with(clients, "\x81\x45\x01\x02\x03\x04\x05"),
		"deep nesting":          with(set, "\x82\x00\x81\x81\x81\x81\x81\x00"),
		"four thousand million": with(set, "\x9a\xff\xff\xff\xff\x00"),
		"more than an int":      with(set, "\x9b\xff\xff\xff\xff\xff\xff\xff\xff\x00"),
		"a byte string of 2^63": with(keys, "\x5b\x80\x00\x00\x00\x00\x00\x00\x00\x00"),
	} {
		if s, err := decode(b); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
}
