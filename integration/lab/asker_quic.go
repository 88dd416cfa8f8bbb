//go:build linux

package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"

	"github.com/miekg/dns"
	"github.com/quic-go/quic-go"
)

// dialQUIC opens the connection over which a client asks all its questions
// (RFC 9250).
func (a *asker) dialQUIC(from netip.AddrPort) error {
	ctx, cancel := context.WithTimeout(context.Background(), askLimit)
	defer cancel()
	socket, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(from))
	if err != nil {
		return err
	}
	config := a.tls.Clone()
	config.NextProtos = []string{"doq"}
	gateway := net.UDPAddrFromAddrPort(netip.MustParseAddrPort(Gateway4 + ":853"))
	conn, err := quic.Dial(ctx, socket, gateway, config, nil)
	if err != nil {
		return errors.Join(err, socket.Close())
	}
	a.hangUp = func() error { return errors.Join(conn.CloseWithError(0, ""), socket.Close()) }
	a.quic = conn
	return nil
}

// stream asks over a QUIC stream of its own (RFC 9250 section 4.2).
func (a *asker) stream(q *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(context.Background(), askLimit)
	defer cancel()
	q.Id = 0 // section 4.2.1
	packed, err := q.Pack()
	if err != nil {
		return nil, err
	}
	s, err := a.quic.OpenStreamSync(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := s.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(packed))), packed...)); err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil { // of the direction to the server: that was all
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := s.SetReadDeadline(deadline); err != nil {
			return nil, err
		}
	}
	answer, err := io.ReadAll(s)
	if err != nil {
		return nil, err
	}
	if len(answer) < 2 {
		return nil, fmt.Errorf("an answer of %d bytes", len(answer))
	}
	m := new(dns.Msg)
	return m, m.Unpack(answer[2:])
}
