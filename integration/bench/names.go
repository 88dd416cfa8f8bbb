//go:build linux

package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/namewall/namewall/integration/lab"
)

// Names are N.tTTL.bench.test. Name N has two addresses of its own in each
// family, for TTL seconds.
const zone = "bench.test"

func benchName(n, ttl int) string { return fmt.Sprintf("%d.t%d.%s", n, ttl, zone) }

// names4 is how many names have IPv4 addresses that no other name has. All of
// 198.18.0.0/15 but its first /24, to which the gateway is connected, are twice
// as many. The addresses of the first 32 768 are local in the lab's wide area.
const names4 = 65_400

// address4 is address k of 2 of name n.
func address4(n, k int) uint32 {
	const wide, rest, first = 198<<24 | 19<<16, 198<<24 | 18<<16, 256
	i := uint32(2*(n%names4) + k)
	if i < 1<<16 {
		return wide + i
	}
	return rest + first + i - 1<<16
}

// address6 is address k of 2 of name n.
func address6(n, k int) (a [16]byte) {
	copy(a[:], []byte{0x20, 0x01, 0x0d, 0xb8, 0x01, 0x00})
	binary.BigEndian.PutUint32(a[12:], uint32(2*n+k))
	return a
}

// parseName reads a name on the wire. It reports false if it is none of ours.
func parseName(wire []byte) (n, ttl int, ok bool) {
	first, rest, ok1 := label(wire)
	second, _, ok2 := label(rest)
	if !ok1 || !ok2 || !strings.HasPrefix(second, "t") {
		return 0, 0, false
	}
	n, err1 := strconv.Atoi(first)
	ttl, err2 := strconv.Atoi(second[1:])
	return n, ttl, err1 == nil && err2 == nil && n >= 0 && ttl >= 0
}

func label(wire []byte) (string, []byte, bool) {
	if len(wire) == 0 || int(wire[0]) >= len(wire) {
		return "", nil, false
	}
	return string(wire[1 : 1+wire[0]]), wire[1+wire[0]:], true
}

// questions writes a file for dnsperf: the names from first to last-1.
func questions(t lab.T, first, last, ttl int, qtype string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "questions")
	f, err := os.Create(path)
	if err != nil {
		t.Fatalf("%v", err)
	}
	w := bufio.NewWriter(f)
	for n := first; n < last; n++ {
		fmt.Fprintf(w, "%s %s\n", benchName(n, ttl), qtype)
	}
	if err := w.Flush(); err != nil {
		t.Fatalf("%v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatalf("%v", err)
	}
	return path
}
