//go:build linux

package nft

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/namewall/namewall/internal/set"
	"golang.org/x/sys/unix"
)

// unhex reads golden bytes: hex digits with blanks, and comments behind ';'.
// They are those of a little-endian machine.
func unhex(t *testing.T, s string) []byte {
	t.Helper()
	var digits strings.Builder
	for line := range strings.Lines(s) {
		code, _, _ := strings.Cut(line, ";")
		digits.WriteString(strings.Join(strings.Fields(code), ""))
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func golden(t *testing.T, got []byte, want string) {
	t.Helper()
	if b := unhex(t, want); string(got) != string(b) {
		t.Errorf("encoded\n%s\nwant\n%s", hex.Dump(got), hex.Dump(b))
	}
}

const (
	goldenBegin = `
		14000000 1000 0100 01000000 00000000 ; length, NFNL_MSG_BATCH_BEGIN, REQUEST, 1, the kernel
		00 00 000a                           ; for nf_tables`
	goldenSet = `
		0b00 0100 66696c74657200 00          ; LIST_TABLE "filter"
		0900 0200 7765623400 000000          ; LIST_SET "web4"`
	goldenKey = `
		0c00 0180 0800 0100 c6120001         ; KEY { VALUE 198.18.0.1 }`
	goldenHour = `
		0c00 0400 000000000036ee80           ; TIMEOUT 3600000 ms`
	goldenExpiration = `
		0c00 0500 000000000036ee80           ; EXPIRATION`
)

// Batches of one element that several kernels are sent.
const (
	goldenReplace = goldenBegin + `
		4c000000 0c0a 0104 02000000 00000000 ; NEWSETELEM, REQUEST CREATE
		01 00 0000` + goldenSet + `
		2000 0380 1c00 0180` + goldenKey + goldenHour + `
		40000000 0e0a 0100 03000000 00000000 ; DELSETELEM, REQUEST
		01 00 0000` + goldenSet + `
		1400 0380 1000 0180` + goldenKey + `
		4c000000 0c0a 0504 04000000 00000000 ; NEWSETELEM, REQUEST ACK CREATE
		01 00 0000` + goldenSet + `
		2000 0380 1c00 0180` + goldenKey + goldenHour + `
		14000000 1100 0100 05000000 00000000 00 00 000a`
	goldenDestroy = goldenBegin + `
		40000000 1e0a 0500 02000000 00000000 ; DESTROYSETELEM, REQUEST ACK
		01 00 0000` + goldenSet + `
		1400 0380 1000 0180` + goldenKey + `
		14000000 1100 0100 03000000 00000000 00 00 000a`
)

func TestGoldenBatches(t *testing.T) {
	old, middle, current := Features{}, Features{Destroy: true}, Features{Update: true, Destroy: true}
	ops := func(k Kind) []Op { return []Op{{Kind: k, Set: web4, Key: key4(1), Timeout: time.Hour}} }
	for _, test := range []struct {
		name     string
		features Features
		ops      []Op
		want     string
	}{
		{"add", current, ops(Add), goldenBegin + `
			4c000000 0c0a 0506 02000000 00000000 ; NEWSETELEM, REQUEST ACK EXCL CREATE
			01 00 0000` + goldenSet + `
			2000 0380 1c00 0180` + goldenKey + goldenHour + `
			14000000 1100 0100 03000000 00000000 00 00 000a`},
		{"refresh", current, ops(Refresh), goldenBegin + `
			58000000 0c0a 0504 02000000 00000000 ; NEWSETELEM, REQUEST ACK CREATE
			01 00 0000` + goldenSet + `
			2c00 0380 2800 0180` + goldenKey + goldenHour + goldenExpiration + `
			14000000 1100 0100 03000000 00000000 00 00 000a`},
		{"delete", current, ops(Delete), goldenDestroy},
		{"add before 6.12", old, ops(Add), goldenBegin + `
			4c000000 0c0a 0506 02000000 00000000
			01 00 0000` + goldenSet + `
			2000 0380 1c00 0180` + goldenKey + goldenHour + `
			14000000 1100 0100 03000000 00000000 00 00 000a`},
		{"refresh before 6.12", old, ops(Refresh), goldenReplace},
		{"refresh before 6.12, since 6.7", middle, ops(Refresh), goldenReplace},
		{"delete before 6.12, since 6.7", middle, ops(Delete), goldenDestroy},
		{"delete before 6.7", old, ops(Delete), goldenBegin + `
			4c000000 0c0a 0104 02000000 00000000 ; NEWSETELEM, REQUEST CREATE
			01 00 0000` + goldenSet + `
			2000 0380 1c00 0180` + goldenKey + goldenHour + `
			40000000 0e0a 0500 03000000 00000000 ; DELSETELEM, REQUEST ACK
			01 00 0000` + goldenSet + `
			1400 0380 1000 0180` + goldenKey + `
			14000000 1100 0100 04000000 00000000 00 00 000a`},
		{"two kinds in two sets", current, []Op{
			{Kind: Add, Set: web4, Key: key4(1), Timeout: time.Hour},
			{Kind: Add, Set: web6, Key: key6(1), Timeout: time.Hour},
			{Kind: Delete, Set: web4, Key: key4(1)},
			{Kind: Add, Set: web4, Key: key4(1), Timeout: time.Hour},
		}, goldenBegin + `
			40000000 1e0a 0100 02000000 00000000 ; the deletions first
			01 00 0000` + goldenSet + `
			1400 0380 1000 0180` + goldenKey + `
			68000000 0c0a 0106 03000000 00000000 ; two elements of one set in one message
			01 00 0000` + goldenSet + `
			3c00 0380
			1c00 0180` + goldenKey + goldenHour + `
			1c00 0180` + goldenKey + goldenHour + `
			58000000 0c0a 0506 04000000 00000000 ; the last is acknowledged
			01 00 0000
			0b00 0100 66696c74657200 00
			0900 0200 7765623600 000000          ; "web6"
			2c00 0380 2800 0180
			1800 0180 1400 0100 20010db8000000000000000000000001` + goldenHour + `
			14000000 1100 0100 05000000 00000000 00 00 000a`},
	} {
		t.Run(test.name, func(t *testing.T) {
			k := &fakeKernel{}
			w := k.writer(test.features)
			if err := w.Commit(test.ops); err != nil {
				t.Fatal(err)
			}
			if len(k.sent) != 1 {
				t.Fatalf("%d datagrams", len(k.sent))
			}
			golden(t, k.sent[0], test.want)
		})
	}
}

// An element of each layout, as it is deleted or asked for, added, and refreshed.
func TestGoldenElements(t *testing.T) {
	client4, addr4 := netip.MustParseAddr("192.0.2.9"), netip.MustParseAddr("198.51.100.7")
	client6, addr6 := netip.MustParseAddr("2001:db8::9"), netip.MustParseAddr("2001:db8:1::7")
	https := set.Service{Proto: 6, Port: 443}
	const v4, v6 = "c6336407", "20010db8000100000000000000000007"
	const c4, c6 = "c0000209", "20010db8000000000000000000000009"
	for _, test := range []struct{ layout, bare, timed, fresh, key string }{
		{"ipv4_addr", "1000", "1c00", "2800", "0c00 0180 0800 0100" + v4},
		{"ipv4_addr . inet_service", "1400", "2000", "2c00", "1000 0180 0c00 0100" + v4 + "01bb0000"},
		{"ipv4_addr . inet_proto . inet_service", "1800", "2400", "3000", "1400 0180 1000 0100" + v4 + "06000000 01bb0000"},
		{"ipv4_addr . ipv4_addr", "1400", "2000", "2c00", "1000 0180 0c00 0100" + c4 + v4},
		{"ipv4_addr . ipv4_addr . inet_proto . inet_service", "1c00", "2800", "3400", "1800 0180 1400 0100" + c4 + v4 + "06000000 01bb0000"},
		{"ipv6_addr", "1c00", "2800", "3400", "1800 0180 1400 0100" + v6},
		{"ipv6_addr . inet_service", "2000", "2c00", "3800", "1c00 0180 1800 0100" + v6 + "01bb0000"},
		{"ipv6_addr . inet_proto . inet_service", "2400", "3000", "3c00", "2000 0180 1c00 0100" + v6 + "06000000 01bb0000"},
		{"ipv6_addr . ipv6_addr", "2c00", "3800", "4400", "2800 0180 2400 0100" + c6 + v6},
		{"ipv6_addr . ipv6_addr . inet_proto . inet_service", "3400", "4000", "4c00", "3000 0180 2c00 0100" + c6 + v6 + "06000000 01bb0000"},
	} {
		t.Run(test.layout, func(t *testing.T) {
			l, err := set.ParseLayout(test.layout)
			if err != nil {
				t.Fatal(err)
			}
			client, addr := client4, addr4
			if l.V6 {
				client, addr = client6, addr6
			}
			key := l.Key(client, addr, https)
			var e encoder
			e.elem(&key)
			golden(t, e.buf, test.bare+"0180"+test.key)
			e.reset()
			e.elemFor(&key, time.Hour, false)
			golden(t, e.buf, test.timed+"0180"+test.key+goldenHour)
			e.reset()
			e.elemFor(&key, time.Hour, true)
			golden(t, e.buf, test.fresh+"0180"+test.key+goldenHour+goldenExpiration)
			if n := elemLen(l.Len()); len(e.buf) != n {
				t.Errorf("takes %d bytes, calculated %d", len(e.buf), n)
			}
		})
	}
}

func TestGoldenRequests(t *testing.T) {
	key := key4(1)
	for name, test := range map[string]struct {
		encode func(l *link)
		want   string
	}{
		"one set": {func(l *link) { l.encodeGetSet(web4, 7) }, `
			2c000000 0a0a 0100 07000000 00000000 01 00 0000` + goldenSet},
		"all sets": {(*link).encodeDumpSets, `
			14000000 0a0a 0103 01000000 00000000 00 00 0000 ; GETSET, REQUEST DUMP`},
		"all elements": {func(l *link) { l.encodeDumpElements(web4) }, `
			2c000000 0d0a 0103 01000000 00000000 01 00 0000 ; GETSETELEM, REQUEST DUMP` + goldenSet},
		"one element": {func(l *link) {
			at := l.enc.setElems(unix.NFT_MSG_GETSETELEM, unix.NLM_F_REQUEST, 7, web4)
			l.enc.elem(&key)
			l.enc.close(at)
			l.enc.end()
		}, `
			40000000 0d0a 0100 07000000 00000000 01 00 0000` + goldenSet + `
			1400 0380 1000 0180` + goldenKey},
	} {
		t.Run(name, func(t *testing.T) {
			var l link
			test.encode(&l)
			golden(t, l.enc.buf, test.want)
		})
	}
}

func TestSetElemsLen(t *testing.T) {
	for _, id := range []set.ID{web4, {Table: "t", Name: "s"}, {Table: "abc", Name: strings.Repeat("x", 255)}} {
		var e encoder
		e.setElems(unix.NFT_MSG_NEWSETELEM, 0, 0, id)
		if n := setElemsLen(id); len(e.buf) != n {
			t.Errorf("%v takes %d bytes, calculated %d", id, len(e.buf), n)
		}
	}
}

func TestMilliseconds(t *testing.T) {
	for d, want := range map[time.Duration]uint64{
		-time.Hour:                      1000,
		0:                               1000,
		time.Nanosecond:                 1000,
		time.Second:                     1000,
		time.Second + 1:                 1001,
		time.Second + time.Millisecond:  1001,
		24 * time.Hour:                  86400000,
		time.Duration(1<<63 - 1):        9223372036854,
		time.Duration(1<<63-1) - 1:      9223372036854,
		1500*time.Millisecond - 1:       1500,
		1500*time.Millisecond + 1000001: 1502,
	} {
		if got := milliseconds(d); got != want {
			t.Errorf("%v: %d ms, want %d", d, got, want)
		}
	}
}
