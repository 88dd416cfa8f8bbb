// Package web is a page to look at in a browser: how rules and sets stand, what
// happens, and why an address or a name is let through or not.
//
// It promises to change nothing, whoever asks for what: it is a client of the
// control API that only reads. Names come from the network and are hostile; they
// reach the browser as text. Who looks costs the process a bounded number of
// connections, and nothing waits for a browser. What is told is the API's.
package web

import (
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/net/netutil"

	"github.com/namewall/namewall/internal/control"
)

const (
	// connectionsMax bounds who is served at once. A browser takes up to six, and
	// those who look are few.
	connectionsMax = 64
	// listenersMax bounds who has events streamed, well below what the API serves:
	// commands that watch are to have room beside.
	listenersMax = 8
	// headersMax is what a browser sends, and some.
	headersMax = 16 << 10
	// requestLimit is how long a request may take to arrive, and idleLimit how long
	// a connection may wait for the next one.
	requestLimit = 5 * time.Second
	idleLimit    = time.Minute
	// writeLimit is how long a page may take to be sent. The API answers well
	// within a second.
	writeLimit = 30 * time.Second
)

// Server serves the page until it is closed.
type Server struct {
	addr net.Addr
	http *http.Server
	end  func() // the client's
	done sync.WaitGroup
}

// Listen serves the page at a TCP address. Its contents are asked of api, the
// handler of the control socket.
func Listen(addr string, api http.Handler) (*Server, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	client, end := control.Local(api)
	s := &Server{addr: l.Addr(), end: end, http: &http.Server{
		Handler:        handler(client),
		ReadTimeout:    requestLimit,
		WriteTimeout:   writeLimit,
		IdleTimeout:    idleLimit,
		MaxHeaderBytes: headersMax,
		ErrorLog:       log.New(io.Discard, "", 0), // what browsers do wrong is theirs to know
	}}
	s.done.Go(func() { _ = s.http.Serve(netutil.LimitListener(l, connectionsMax)) })
	return s, nil
}

// Addr is where it is served.
func (s *Server) Addr() net.Addr { return s.addr }

// Close stops serving: what is under way is ended.
func (s *Server) Close() error {
	err := s.http.Close()
	s.end()
	s.done.Wait()
	return err
}
