package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	// connectionsMax bounds who is served at once. An administrator has a few
	// terminals, and monitoring asks now and then.
	connectionsMax = 32
	// headerLimit is how long a request may take to arrive, and how long a
	// connection may have none, so that one that is forgotten gives up its place.
	headerLimit = 5 * time.Second
	// bodyLimit is how long its body may take, and bodyMax how large it may be.
	bodyLimit = 10 * time.Second
	bodyMax   = 1 << 16
	// headerMax bounds the header: names and addresses are short.
	headerMax = 1 << 14
	// probeLimit is how long another process on the socket may take to accept.
	probeLimit = time.Second
)

// Server serves the socket until it is closed.
type Server struct {
	path string
	http *http.Server
	done sync.WaitGroup
}

// Listen serves h on a socket at path, whose directory it makes if that is
// missing, with mode 0700. A socket that a process has left there is replaced; if
// one is served by another process, that is ErrInUse.
func Listen(path string, h http.Handler) (*Server, error) {
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if conn, err := net.DialTimeout("unix", path, probeLimit); err == nil {
		_ = conn.Close()
		return nil, fmt.Errorf("%s: %w", path, ErrInUse)
	}
	l, err := listen(path)
	if err != nil {
		return nil, err
	}
	s := &Server{path: path, http: newHTTP(invited(h))}
	s.http.ConnContext = withCaller
	s.done.Go(func() { _ = s.http.Serve(&guard{Listener: l, places: make(chan struct{}, connectionsMax)}) })
	return s, nil
}

// newHTTP is a server in which whoever is slow, stuck or greedy holds on to nothing
// for longer than a while. An answer that goes on is a Stream.
func newHTTP(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           http.MaxBytesHandler(h, bodyMax),
		ReadHeaderTimeout: headerLimit, ReadTimeout: bodyLimit, IdleTimeout: headerLimit,
		WriteTimeout: answerLimit, MaxHeaderBytes: headerMax,
		ErrorLog: log.New(io.Discard, "", 0), // what clients do wrong is theirs to know
	}
}

// invited lets root and the process's own user ask. The mode of the socket has
// kept others out, unless somebody has changed it.
func invited(h http.Handler) http.Handler {
	own := uint32(os.Geteuid())
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if uid := CallerOf(r).UID; uid != 0 && uid != own {
			w.Header().Set("Connection", "close")
			reply(w, http.StatusForbidden, Problem{Error: fmt.Sprintf("user %d may not ask: only root and the service's own user (%d) may", uid, own)})
			return
		}
		h.ServeHTTP(w, r)
	})
}

// listen makes the socket under another name and moves it into place, so that
// nobody finds it with a wider mode, or half made, or none at all.
func listen(path string) (net.Listener, error) {
	dir, err := os.MkdirTemp(filepath.Dir(path), ".") // short: a path has 107 bytes (unix(7))
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	fresh := filepath.Join(dir, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: fresh, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(fresh, 0o600), os.Rename(fresh, path)); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// Close stops serving: requests that are under way are ended, and the socket is
// removed.
func (s *Server) Close() error {
	err := s.http.Close()
	s.done.Wait()
	if gone := os.Remove(s.path); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	return err
}

// guard accepts no more than there are places, from whoever can be told.
type guard struct {
	net.Listener
	places chan struct{} // full: those who come wait
}

func (g *guard) Accept() (net.Conn, error) {
	for {
		g.places <- struct{}{}
		conn, err := g.Listener.Accept()
		if err != nil {
			<-g.places
			return nil, err
		}
		caller, err := peer(conn)
		if err != nil {
			_ = conn.Close() // it has gone already
			<-g.places
			continue
		}
		return &guarded{Conn: conn, caller: caller, leave: sync.OnceFunc(func() { <-g.places })}, nil
	}
}

// guarded gives its place back when it is closed.
type guarded struct {
	net.Conn
	caller Caller
	leave  func()
}

// Caller is the process at the other end of a connection, as of its connect.
type Caller struct {
	UID uint32
	PID int
}

type callerKey struct{}

func withCaller(ctx context.Context, conn net.Conn) context.Context {
	if g, ok := conn.(*guarded); ok {
		return context.WithValue(ctx, callerKey{}, g.caller)
	}
	return ctx
}

// CallerOf is who sends a request that a Server serves, the zero Caller for one
// from within the process.
func CallerOf(r *http.Request) Caller {
	caller, _ := r.Context().Value(callerKey{}).(Caller)
	return caller
}

func (c *guarded) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
