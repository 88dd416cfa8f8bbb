//go:build linux

package control

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// Who is stuck, slow or greedy gives up its place after a while.
func TestStuckClientsGiveUpTheirPlace(t *testing.T) {
	const get = "GET /v1/status HTTP/1.1\r\nHost: namewall\r\n"
	large := func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			Refuse(w, err)
			return
		}
		Reply(w, strings.Repeat("x", 1<<20))
	}
	stream := func(w http.ResponseWriter, _ *http.Request) {
		for s, err := NewStream(w); err == nil; err = s.Send("line") {
			time.Sleep(20 * time.Second)
		}
	}
	for name, test := range map[string]struct {
		sends   string
		reads   int64
		handler http.HandlerFunc
		within  time.Duration
	}{
		"says nothing":                {"", 0, large, headerLimit},
		"doesn't finish the question": {get, 0, large, headerLimit},
		"says too much":               {get + "X: " + strings.Repeat("x", 2*headerMax), 1 << 20, large, headerLimit},
		"doesn't send the body":       {get + "Content-Length: 10\r\n\r\nbody", 1 << 20, large, bodyLimit},
		"sends too large a body":      {get + "Content-Length: 1000000\r\n\r\n" + strings.Repeat("x", bodyMax+1), 1 << 20, large, bodyLimit},
		"doesn't read the answer":     {get + "\r\n", 10, large, answerLimit},
		"stays when it has it":        {get + "\r\n", 2 << 20, large, headerLimit},
		"doesn't read a stream":       {get + "\r\n", 100, stream, 20*time.Second + lineLimit},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &pipes{fresh: make(chan net.Conn), ended: make(chan struct{})}
				server := newHTTP(test.handler)
				closed := make(chan time.Time, 1)
				server.ConnState = func(_ net.Conn, s http.ConnState) {
					if s == http.StateClosed {
						closed <- time.Now()
					}
				}
				go func() { _ = server.Serve(l) }()
				conn, err := l.dial(context.Background(), "", "")
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				go func() { _, _ = io.WriteString(conn, test.sends) }()
				go func() { _, _ = io.CopyN(io.Discard, conn, test.reads) }()
				if took := (<-closed).Sub(began); took > test.within+time.Second { // net/http closes half a second late
					t.Errorf("it is let go after %v, not %v", took, test.within)
				}
				_ = conn.Close()
				_ = server.Close()
			})
		})
	}
}

// A stream goes on for longer than any other answer may take.
func TestStreamGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, end := Local(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, err := NewStream(w)
			for ; err == nil; err = s.Send("line") {
				select {
				case <-time.After(time.Minute):
				case <-r.Context().Done():
					return
				}
			}
		}))
		defer end()
		enough := errors.New("enough")
		lines := 0
		if err := c.Stream(t.Context(), "/events", func([]byte) error {
			if lines++; lines == 10 {
				return enough
			}
			return nil
		}); !errors.Is(err, enough) {
			t.Errorf("%d lines, %v", lines, err)
		}
	})
}

// Somebody who gets at the socket all the same is told that it is not for him.
func TestStrangerIsRefused(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "control.sock")
	serve(t, path, hello)
	if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir, 0o755), os.Chmod(path, 0o666)); err != nil {
		t.Fatal(err)
	}
	told := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		const nobody = 65534
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 {
			told <- errno
			return
		}
		conn, err := net.Dial("unix", path)
		if err != nil {
			told <- err
			return
		}
		c := newClient(path, func(context.Context, string, string) (net.Conn, error) { return conn, nil })
		told <- c.Get("/status", nil, new(Status))
	}()
	if err := <-told; err == nil || !strings.HasPrefix(err.Error(), "user 65534 may not ask: only root and the service's own user (0)") {
		t.Errorf("%v", err)
	}
}

// What isn't there is said to be missing, with the likely reason.
func TestNotFound(t *testing.T) {
	c, end := Local(http.HandlerFunc(NotFound))
	defer end()
	if err := c.Get("/new", nil, new(Status)); err == nil || err.Error() != "there is no GET /v1/new: the namewall that runs may be older than what asks" {
		t.Errorf("%v", err)
	}
}
