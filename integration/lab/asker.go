//go:build linux

package lab

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/miekg/dns"
	"github.com/quic-go/quic-go"
)

// Transport is how a question travels.
type Transport string

// The transports of the volume client.
const (
	UDP   Transport = "udp"
	TCP   Transport = "tcp"
	TLS   Transport = "dot"
	HTTPS Transport = "doh"
	QUIC  Transport = "doq"
)

// perConnection is how many questions a client asks over one TCP or TLS
// connection.
const perConnection = 100

// asker is one client that asks the gateway. It is used by one goroutine at a
// time, always in the client namespace.
type asker struct {
	lab       *Lab
	transport Transport
	tls       *tls.Config
	client    int

	// One of these, by transport:
	conn *dns.Conn
	http *http.Client
	quic *quic.Conn

	asked  int          // over conn
	hangUp func() error // nil if there is nothing to close
}

func newAsker(l *Lab, v Volume, client int) (*asker, error) {
	a := &asker{lab: l, transport: v.Transport, client: client}
	if v.Cert != nil {
		a.tls = v.Cert.Client()
	}
	return a, a.connect()
}

func (a *asker) connect() error {
	from := netip.AddrPortFrom(Client4(a.client), 0)
	d := net.Dialer{Timeout: askLimit}
	d.SetMultipathTCP(false)
	var conn net.Conn
	var err error
	switch a.transport {
	case HTTPS:
		a.http = &http.Client{Timeout: askLimit, Transport: &http.Transport{
			TLSClientConfig: a.tls, DialContext: a.lab.Client.DialContext, ForceAttemptHTTP2: true,
		}}
		a.hangUp = func() error { a.http.CloseIdleConnections(); return nil }
		return nil
	case QUIC:
		return a.dialQUIC(from)
	case UDP:
		d.LocalAddr = net.UDPAddrFromAddrPort(from)
		conn, err = d.Dial("udp", net.JoinHostPort(Gateway4, "53"))
	case TCP:
		d.LocalAddr = net.TCPAddrFromAddrPort(from)
		conn, err = d.Dial("tcp", net.JoinHostPort(Gateway4, "53"))
	case TLS:
		d.LocalAddr = net.TCPAddrFromAddrPort(from)
		conn, err = tls.DialWithDialer(&d, "tcp", net.JoinHostPort(Gateway4, "853"), a.tls)
	default:
		err = fmt.Errorf("no transport '%s'", a.transport)
	}
	if err != nil {
		return err
	}
	a.conn, a.hangUp = &dns.Conn{Conn: conn}, conn.Close
	return nil
}

func (a *asker) close() {
	if a.hangUp != nil {
		_ = a.hangUp() // the gateway may have hung up before
	}
}

func (a *asker) ask(q *dns.Msg) (*dns.Msg, error) {
	switch a.transport {
	case HTTPS:
		return a.post(q)
	case QUIC:
		return a.stream(q)
	}
	if a.asked++; a.transport != UDP && a.asked%perConnection == 0 {
		a.close()
		if err := a.connect(); err != nil {
			return nil, err
		}
	}
	if err := a.conn.SetDeadline(time.Now().Add(askLimit)); err != nil {
		return nil, err
	}
	if err := a.conn.WriteMsg(q); err != nil {
		return nil, err
	}
	for {
		m, err := a.conn.ReadMsg()
		if err != nil || m.Id == q.Id {
			return m, err
		}
	}
}

// post asks over HTTPS (RFC 8484 section 4.1).
func (a *asker) post(q *dns.Msg) (*dns.Msg, error) {
	body, err := q.Pack()
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "https://"+Gateway4+"/dns-query", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/dns-message")
	response, err := a.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", response.Status, body)
	}
	m := new(dns.Msg)
	return m, m.Unpack(body)
}
