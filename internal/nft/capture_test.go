//go:build linux

package nft

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/namewall/namewall/internal/set"
	"golang.org/x/sys/unix"
)

var capture = flag.Bool("capture", false, "replace testdata/kernel by what the running kernel sends")

const captures = "testdata/kernel"

// recorder is a socket that keeps what was received.
type recorder struct {
	socket
	received [][]byte
}

func (r *recorder) receive(b []byte) (int, error) {
	n, err := r.socket.receive(b)
	if err == nil {
		r.received = append(r.received, append([]byte(nil), b[:n]...))
	}
	return n, err
}

// TestCaptures makes the fuzz tests' seeds, real messages of a kernel, anew if
// the flag says so, and checks that those that are there can be read.
func TestCaptures(t *testing.T) {
	if *capture {
		recordCaptures(t)
	}
	files, err := filepath.Glob(captures + "/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no captures in %s: %v", captures, err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		sets, elements, others := 0, 0, 0
		for len(b) > 0 {
			m, rest, ok := nextMessage(b)
			if !ok {
				t.Fatalf("%s ends in the middle of a message", name)
			}
			b = rest
			switch m.typ {
			case nfType(unix.NFT_MSG_NEWSET), nfType(unix.NFT_MSG_DELSET):
				if s, err := decodeSet(m); err != nil || s.ID.Table != "filter" {
					t.Errorf("%s: %+v, %v", name, s, err)
				}
				sets++
			case nfType(unix.NFT_MSG_NEWSETELEM), nfType(unix.NFT_MSG_DELSETELEM):
				list, err := decodeElements(m)
				if err != nil || string(list.table) != "filter" {
					t.Errorf("%s: %v", name, err)
				}
				for ok := true; ok && err == nil; {
					if _, ok, err = list.next(0); ok {
						elements++
					}
				}
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
			default:
				others++
			}
		}
		t.Logf("%s: %d sets, %d elements, %d others", name, sets, elements, others)
	}
}

func recordCaptures(t *testing.T) {
	k := newKernel(t)
	const ruleset = `table inet filter {
		set web4 { type ipv4_addr; flags timeout; timeout 1h; size 100; elements = { 198.18.0.1, 198.18.0.2 timeout 10m comment "x" }; }
		set web6 { type ipv6_addr . inet_proto . inet_service; flags timeout; counter; elements = { 2001:db8::1 . tcp . 443 timeout 1h }; }
		set ranges { type ipv4_addr; flags interval; elements = { 192.0.2.0/24 }; }
		set pairs { type ipv4_addr . inet_service; flags interval; elements = { 192.0.2.0/24 . 80-90 }; }
		map away { type ifname : verdict; elements = { "lo" : accept, * : drop }; }
		chain c { type filter hook input priority 0; ip daddr { 192.0.2.1, 192.0.2.2 } accept; }
	}`
	k.Nft(ruleset)
	save := func(name string, datagrams [][]byte) {
		var all []byte
		for _, d := range datagrams {
			all = append(all, d...)
		}
		if err := os.WriteFile(filepath.Join(captures, name), all, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(captures, 0o755); err != nil {
		t.Fatal(err)
	}

	s, err := newSocket(k.options(), 0, receiveBuffer)
	if err != nil {
		t.Fatal(err)
	}
	rec := &recorder{socket: s}
	r, err := newReader(func() (socket, error) { return rec, nil })
	if err != nil {
		t.Fatal(err)
	}
	sets, err := r.Sets()
	if err != nil {
		t.Fatal(err)
	}
	save("sets", rec.received)
	rec.received = nil
	for _, s := range sets {
		s.Known, s.Timeout, s.Interval, s.Map, s.Dynamic, s.Constant = true, true, false, false, false, false
		if err := r.Elements(s, func(Element) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	_, _ = r.Get(Set{ID: web4}, key4(1), key4(9))
	_, _ = r.Get(Set{ID: set.ID{Family: set.Inet, Table: "filter", Name: "none"}}, key4(1))
	save("elements", rec.received)
	_ = r.Close()

	w := k.writer()
	rec = &recorder{socket: w.sock}
	w.sock = rec
	bad := add(1, time.Hour)
	bad.Set.Name = "none"
	_ = w.Commit([]Op{bad, add(5, time.Hour), add(2, time.Hour), refresh(6, time.Hour)})
	save("replies", rec.received)

	events, err := newSocket(k.options(), 0, watchBuffer)
	if err != nil {
		t.Fatal(err)
	}
	defer events.close()
	if err := events.conn.JoinGroup(unix.NFNLGRP_NFTABLES); err != nil {
		t.Fatal(err)
	}
	k.Nft("flush set inet filter web4\nadd element inet filter web4 { 198.18.0.7 timeout 9m }")
	k.Nft("delete table inet filter")
	k.Nft(ruleset)
	rec = &recorder{socket: events}
	for b := make([]byte, receiveLen); ; {
		if _, err := rec.receive(b); err != nil {
			break
		}
	}
	save("events", rec.received)
}
