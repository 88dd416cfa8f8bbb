//go:build linux

package conntrack

import (
	"bytes"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// FuzzDecode: whatever the kernel sends, what is taken for an entry has an
// identity, and its deletion carries it as it came.
func FuzzDecode(f *testing.F) {
	for line := range strings.FieldsSeq(read(f, "testdata/entries")) {
		b, err := hex.DecodeString(line)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, ok := decode(b)
		if !ok {
			return
		}
		if !e.src.addr.IsValid() || !e.dst.addr.IsValid() || len(e.tuple) == 0 || len(e.id) != 4 {
			t.Fatalf("no identity: %+v", e)
		}
		m := deletion(b[0], &e)
		again, ok := decode(m.Data)
		if !ok || !bytes.Equal(again.tuple, e.tuple) || !bytes.Equal(again.id, e.id) || !bytes.Equal(again.zone, e.zone) ||
			again.src != e.src || again.dst != e.dst || again.proto != e.proto {
			t.Fatalf("%+v is deleted as %+v", e, again)
		}
		wanted := indexOf([]Flow{{Addr: e.src.addr}})
		if !wanted.has(&e) && e.src.addr == e.src.addr.Unmap() {
			t.Fatalf("%+v is none of its own address", e)
		}
	})
}

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// An entry is deleted by what it was taken for: the last of two tuples, which
// here has no address.
func TestDecodeTakesTheLastTuple(t *testing.T) {
	line, _, _ := strings.Cut(read(t, "testdata/entries"), "\n")
	b, err := hex.DecodeString(line)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := decode(b); !ok {
		t.Fatal("the entry alone is refused")
	}
	if e, ok := decode(appendAttribute(b, attrTupleOrig|netlink.Nested, nil)); ok {
		t.Errorf("%+v has another tuple's addresses", e)
	}
}

// The bytes that the kernel is sent for an address.
func TestFilterBytes(t *testing.T) {
	for want, m := range map[string][]byte{
		"02000000" + "10000180" + "0c000180" + "08000200c6336407" + "0c001980" + "0800010002000000": dumpOf(flow("198.51.100.7").Addr, places[1]).Data,
		"02000000" + "10000280" + "0c000180" + "08000100c6336407" + "0c001980" + "0800020001000000": dumpOf(flow("198.51.100.7").Addr, places[2]).Data,
		"02000000": dump(unix.AF_INET).Data,
	} {
		if got := hex.EncodeToString(m); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
