//go:build linux

package nft

import (
	"errors"
	"testing"
	"time"

	"github.com/namewall/namewall/internal/set"
	"golang.org/x/sys/unix"
)

// probed is what the probe makes of a kernel, which has expires left in the
// probe's element.
func probed(k *fakeKernel, expires time.Duration) (Features, error) {
	k.held = func(key set.Key) (Element, bool) {
		return Element{Key: key, Timeout: time.Hour, Expires: expires}, true
	}
	b := batch{link: newLink(k)}
	return probe(&b)
}

func TestProbe(t *testing.T) {
	noDestroy := func(_, _ int, m message) unix.Errno {
		if m.typ == nfType(msgDestroySetElem) {
			return unix.EINVAL // as before 6.3
		}
		return 0
	}
	ownerless := func(try, n int, m message) unix.Errno {
		family, a, _ := m.nf()
		for m.typ == nfType(unix.NFT_MSG_NEWTABLE) && family == uint8(set.IP) && a.next() {
			if a.typ == unix.NFTA_TABLE_FLAGS && a.uint32() != 0 {
				return unix.EINVAL // as before 5.12
			}
		}
		return noDestroy(try, n, m)
	}
	brokenDestroy := func(_, _ int, m message) unix.Errno {
		if m.typ == nfType(msgDestroySetElem) {
			return unix.ENOENT // as before 6.7
		}
		return 0
	}
	for _, test := range []struct {
		name    string
		refuse  func(int, int, message) unix.Errno
		expires time.Duration
		counts  bool
		want    Features
	}{
		{"5.10", ownerless, time.Hour - time.Second, false, Features{}},
		{"6.1", noDestroy, time.Hour - time.Second, false, Features{}},
		{"6.6", brokenDestroy, time.Hour - time.Second, false, Features{}},
		{"6.7", nil, time.Hour - time.Second, false, Features{Destroy: true}},
		{"6.12", nil, time.Hour/2 - time.Second, false, Features{Update: true, Destroy: true}},
		{"6.16", nil, time.Hour/2 - time.Second, true, Features{Update: true, Destroy: true, Count: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			k := &fakeKernel{refuse: test.refuse, counts: test.counts}
			f, err := probed(k, test.expires)
			if err != nil || f != test.want {
				t.Errorf("%+v, %v", f, err)
			}
			if last := k.committed[len(k.committed)-2]; last.typ != nfType(unix.NFT_MSG_DELTABLE) {
				t.Error("the table is not deleted")
			}
		})
	}
}

// What the probe sends, to a kernel that has all it asks for.
func TestGoldenProbe(t *testing.T) {
	const (
		table = `
			1800 0100 6e616d6577616c6c2d70726f62652d3437313100 ; "namewall-probe-4711", by its port`
		ofTable = `
			02 00 0000` + table
		elementOf = ofTable + `
			0a00 0200 70726f626500 0000             ; LIST_SET "probe"`
		known  = `0c00 0180 0800 0100 c0000201` // KEY { VALUE 192.0.2.1 }
		absent = `0c00 0180 0800 0100 c0000202`
	)
	begin := func(seq string) string { return "14000000 1000 0100 " + seq + "000000 00000000 00 00 000a\n" }
	end := func(seq string) string { return "\n14000000 1100 0100 " + seq + "000000 00000000 00 00 000a" }
	want := []string{
		begin("01") + `
			34000000 000a 0104 02000000 00000000 ; NEWTABLE, REQUEST CREATE` + ofTable + `
			0800 0200 00000002                   ; FLAGS owner
			58000000 090a 0104 03000000 00000000 ; NEWSET, REQUEST CREATE` + ofTable + `
			0a00 0200 70726f626500 0000          ; NAME "probe"
			0800 0300 00000010                   ; FLAGS timeout
			0800 0400 00000007                   ; KEY_TYPE ipv4_addr
			0800 0500 00000004                   ; KEY_LEN
			0800 0a00 00000001                   ; ID
			64000000 0c0a 0104 04000000 00000000 ; NEWSETELEM, REQUEST CREATE` + elementOf + `
			2c00 0380 2800 0180 ` + known + `
			0c00 0400 000000000036ee80           ; TIMEOUT 1h
			0c00 0500 000000000036ee80           ; EXPIRATION
			64000000 0c0a 0504 05000000 00000000 ; the same again, acknowledged` + elementOf + `
			2c00 0380 2800 0180 ` + known + `
			0c00 0400 00000000001b7740           ; TIMEOUT 30m
			0c00 0500 00000000001b7740           ; EXPIRATION` + end("06"),
		`
			38000000 0a0a 0100 07000000 00000000 ; GETSET, REQUEST` + elementOf + `
			4c000000 0d0a 0100 08000000 00000000 ; GETSETELEM, REQUEST` + elementOf + `
			1400 0380 1000 0180 ` + known,
		`
			38000000 0a0a 0100 09000000 00000000 ; GETSET, REQUEST` + elementOf,
		begin("0a") + `
			4c000000 1e0a 0500 0b000000 00000000 ; DESTROYSETELEM, REQUEST ACK` + elementOf + `
			1400 0380 1000 0180 ` + absent + end("0c"),
		begin("0d") + `
			2c000000 020a 0500 0e000000 00000000 ; DELTABLE, REQUEST ACK` + ofTable + end("0f"),
	}
	k := &fakeKernel{}
	if _, err := probed(k, time.Hour); err != nil || len(k.sent) != len(want) {
		t.Fatalf("%d datagrams, want %d; %v", len(k.sent), len(want), err)
	}
	for i, datagram := range k.sent {
		golden(t, datagram, want[i])
	}
}

func TestProbeFails(t *testing.T) {
	for name, test := range map[string]struct {
		kernel *fakeKernel
		is     error
	}{
		"no capability": {&fakeKernel{refuse: ofBegin(unix.EPERM)}, unix.EPERM},
		"no tables": {&fakeKernel{refuse: func(_, _ int, m message) unix.Errno {
			if m.typ == nfType(unix.NFT_MSG_NEWTABLE) {
				return unix.EAFNOSUPPORT
			}
			return 0
		}}, unix.EAFNOSUPPORT},
		"table can't be deleted": {&fakeKernel{refuse: func(_, _ int, m message) unix.Errno {
			if m.typ == nfType(unix.NFT_MSG_DELTABLE) {
				return unix.ENOENT
			}
			return 0
		}}, unix.ENOENT},
		"silence": {&fakeKernel{answer: saying()}, ErrBroken},
	} {
		t.Run(name, func(t *testing.T) {
			if f, err := probed(test.kernel, time.Hour); !errors.Is(err, test.is) {
				t.Errorf("%+v, %v", f, err)
			}
		})
	}
}
