//go:build linux

package main

import (
	"encoding/binary"
	"errors"
	"io"
	"net"

	"golang.org/x/net/ipv4"
)

// upstream is the server that everybody under test forwards to, in a process of
// its own. It makes an answer by appending to the question, many at a time, so
// that it takes as little as possible of the processors that it shares.
func upstream(address string) error {
	packets, err := net.ListenPacket("udp4", address)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp4", address)
	if err != nil {
		return err
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serveTCP(conn)
		}
	}()
	return serveUDP(ipv4.NewPacketConn(packets))
}

const (
	// upstreamBatch is how many questions are taken at once.
	upstreamBatch = 32
	// questionMax is more than a question and its answer are long.
	questionMax = 512
)

func serveUDP(conn *ipv4.PacketConn) error {
	in := make([]ipv4.Message, upstreamBatch)
	for i := range in {
		in[i].Buffers = [][]byte{make([]byte, questionMax)}
	}
	out := make([]ipv4.Message, 0, upstreamBatch)
	for {
		n, err := conn.ReadBatch(in, 0)
		if err != nil {
			return err
		}
		out = out[:0]
		for _, m := range in[:n] {
			if b := respond(m.Buffers[0][:m.N:questionMax]); b != nil {
				out = append(out, ipv4.Message{Buffers: [][]byte{b}, Addr: m.Addr})
			}
		}
		for left := out; len(left) > 0; {
			n, err := conn.WriteBatch(left, 0)
			if err != nil {
				return err
			}
			left = left[n:]
		}
	}
}

func serveTCP(conn net.Conn) {
	defer conn.Close()
	b := make([]byte, 2+questionMax)
	for {
		if _, err := io.ReadFull(conn, b[:2]); err != nil {
			return
		}
		n := int(binary.BigEndian.Uint16(b))
		if n > questionMax {
			return
		}
		if _, err := io.ReadFull(conn, b[2:2+n]); err != nil {
			return
		}
		answer := respond(b[2 : 2+n : len(b)])
		if answer == nil {
			return
		}
		binary.BigEndian.PutUint16(b, uint16(len(answer)))
		if _, err := conn.Write(b[:2+len(answer)]); err != nil {
			return
		}
	}
}

// Types and lengths of the wire (RFC 1035 section 4.1).
const (
	headerLen = 12
	typeA     = 1
	typeAAAA  = 28
)

// respond makes an answer of a question, in its memory; nil if it is none. Any
// name but a benchName has no records.
func respond(m []byte) []byte {
	end, err := questionEnd(m)
	if err != nil {
		return nil
	}
	m = m[:end]                                            // without the client's OPT
	m[2], m[3] = 0x84|m[2]&0x01, 0x80                      // QR, AA, RD as it came; RA
	binary.BigEndian.PutUint64(m[4:headerLen], 0x0001<<48) // one question
	n, ttl, ok := parseName(m[headerLen:])
	if !ok {
		return m
	}
	record := func(rrtype, length uint16) {
		m = append(m, 0xc0, headerLen) // the question's name
		m = binary.BigEndian.AppendUint16(m, rrtype)
		m = append(m, 0, 1)
		m = binary.BigEndian.AppendUint32(m, uint32(ttl))
		m = binary.BigEndian.AppendUint16(m, length)
		m[7]++ // ANCOUNT
	}
	for k := range 2 {
		switch binary.BigEndian.Uint16(m[end-4:]) {
		case typeA:
			record(typeA, 4)
			m = binary.BigEndian.AppendUint32(m, address4(n, k))
		case typeAAAA:
			record(typeAAAA, 16)
			a := address6(n, k)
			m = append(m, a[:]...)
		}
	}
	return m
}

var errNoQuestion = errors.New("no question")

// questionEnd is where the question section of a message ends that has one
// question.
func questionEnd(m []byte) (int, error) {
	if len(m) < headerLen || m[2]&0xf8 != 0 || binary.BigEndian.Uint16(m[4:]) != 1 {
		return 0, errNoQuestion
	}
	for at := headerLen; at < len(m); at += 1 + int(m[at]) {
		if m[at] == 0 && at+5 <= len(m) {
			return at + 5, nil
		}
	}
	return 0, errNoQuestion
}
