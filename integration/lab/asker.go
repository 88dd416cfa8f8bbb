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
)

// Transport is how a question travels.
type Transport string

// The transports of the volume client.
const (
	UDP   Transport = "udp"
	TCP   Transport = "tcp"
	TLS   Transport = "dot"
	HTTPS Transport = "doh"
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

	conn  *dns.Conn
	asked int
	http  *http.Client
}

func newAsker(l *Lab, v Volume, client int) (*asker, error) {
	a := &asker{lab: l, transport: v.Transport, client: client}
	if v.Cert != nil {
		a.tls = v.Cert.Client()
	}
	if a.transport == HTTPS {
		a.http = &http.Client{Timeout: askLimit, Transport: &http.Transport{
			TLSClientConfig: a.tls, DialContext: l.Client.DialContext, ForceAttemptHTTP2: true,
		}}
		return a, nil
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
	a.conn = &dns.Conn{Conn: conn}
	return nil
}

func (a *asker) close() {
	if a.conn != nil {
		a.conn.Close() //nolint:errcheck // nothing is left to be sent
	}
	if a.http != nil {
		a.http.CloseIdleConnections()
	}
}

func (a *asker) ask(q *dns.Msg) (*dns.Msg, error) {
	if a.transport == HTTPS {
		return a.post(q)
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
	defer response.Body.Close() //nolint:errcheck // it has been read
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
