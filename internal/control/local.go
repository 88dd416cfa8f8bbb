package control

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// Local is a client of h within the process: it asks what a command could ask at
// the socket, and nobody else can. Requests have no Caller. end ends it.
func Local(h http.Handler) (c *Client, end func()) {
	l := &pipes{fresh: make(chan net.Conn), ended: make(chan struct{})}
	server := newHTTP(h)
	var done sync.WaitGroup
	done.Go(func() { _ = server.Serve(l) })
	c = newClient("the process itself", l.dial)
	return c, sync.OnceFunc(func() {
		_ = server.Close()
		done.Wait()
		c.http.CloseIdleConnections()
	})
}

// pipes is a listener without an address.
type pipes struct {
	fresh chan net.Conn
	once  sync.Once // closes ended
	ended chan struct{}
}

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.fresh <- far:
		return near, nil
	case <-p.ended:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept implements net.Listener.
func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.fresh:
		return conn, nil
	case <-p.ended:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (p *pipes) Close() error {
	p.once.Do(func() { close(p.ended) })
	return nil
}

// Addr implements net.Listener.
func (p *pipes) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }
