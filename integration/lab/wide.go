//go:build linux

package lab

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
)

// Server is a server in the wide area that listens at every address there.
type Server struct {
	accepted atomic.Int64
}

// Accepted is how many connections have come.
func (s *Server) Accepted() int { return int(s.accepted.Load()) }

// AcceptTCP serves port at every address of the wide area: it accepts, and
// waits for the client to close.
func (l *Lab) AcceptTCP(port int) *Server {
	l.t.Helper()
	s := &Server{}
	listener := l.listen(port)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed by the test's end
			}
			s.accepted.Add(1)
			go drain(conn)
		}
	}()
	return s
}

// drain keeps the connection until the client resets or closes it.
func drain(conn net.Conn) {
	defer conn.Close()
	var b [1]byte
	for {
		if _, err := conn.Read(b[:]); err != nil {
			return
		}
	}
}

// HTTP serves port at every address of the wide area, with TLS if cert is not
// nil. The body of each answer is the line
//
//	198.51.100.1:443 for cc.fusionreactor.io
//
// with the address that was connected to and the host that was asked for.
func (l *Lab) HTTP(port int, cert *tls.Config) *Server {
	l.t.Helper()
	s := &Server{}
	listener := l.listen(port)
	if cert != nil {
		listener = tls.NewListener(listener, cert)
	}
	server := &http.Server{
		ErrorLog: log.New(io.Discard, "", 0), // of clients that only try to connect
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "%v for %s\n", r.Context().Value(http.LocalAddrContextKey), r.Host)
		}),
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				s.accepted.Add(1)
			}
		},
	}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			l.t.Logf("web server at port %d: %v", port, err)
		}
	}()
	l.t.Cleanup(func() { server.Close() })
	return s
}

// listen opens a listener of both families for every address. It is closed
// when the test ends.
func (l *Lab) listen(port int) net.Listener {
	l.t.Helper()
	var listener net.Listener
	err := l.Wide.Do(func() (err error) {
		listener, err = listenConfig.Listen(context.Background(), "tcp", net.JoinHostPort("", strconv.Itoa(port)))
		return err
	})
	if err != nil {
		l.t.Fatalf("listening at port %d: %v", port, err)
	}
	l.t.Cleanup(func() { listener.Close() })
	return listener
}
