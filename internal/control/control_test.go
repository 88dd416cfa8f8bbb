//go:build linux

package control

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func serve(t *testing.T, path string, h http.HandlerFunc) *Server {
	t.Helper()
	s, err := Listen(path, h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func hello(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("wrong") != "" {
		Refuse(w, errors.New("'wrong' is wrong"))
		return
	}
	Reply(w, Status{Version: r.URL.Path})
}

func TestGet(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run", "control.sock")
	serve(t, path, hello)
	var s Status
	if err := NewClient(path).Get("/status", nil, &s); err != nil || s.Version != "/v1/status" {
		t.Errorf("%+v, %v", s, err)
	}
	if err := NewClient(path).Get("/status", url.Values{"wrong": {"x"}}, &s); err == nil || err.Error() != "'wrong' is wrong" {
		t.Errorf("%v", err)
	}
	for file, want := range map[string]os.FileMode{path: os.ModeSocket | 0o600, filepath.Dir(path): os.ModeDir | 0o700} {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", file, info.Mode(), want)
		}
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".*")); err != nil || len(left) > 0 {
		t.Errorf("%v is left over, %v", left, err)
	}
}

// A client within the process is served like one at the socket, until the end.
func TestLocal(t *testing.T) {
	c, end := Local(http.HandlerFunc(hello))
	defer end()
	var s Status
	if err := c.Get("/status", nil, &s); err != nil || s.Version != "/v1/status" {
		t.Errorf("%+v, %v", s, err)
	}
	lines := 0
	if err := c.Stream(t.Context(), "/events", func([]byte) error { lines++; return nil }); err != nil || lines != 1 {
		t.Errorf("%d lines, %v", lines, err)
	}
	end()
	if err := c.Get("/status", nil, &s); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
}

// The words of a question say what it is about.
func TestSubject(t *testing.T) {
	for _, test := range []struct{ word, service, client, want string }{
		{"2001:db8::1", "tcp/443", "", "address=2001%3Adb8%3A%3A1&service=tcp%2F443"},
		{"a.example", "", "192.0.2.1", "client=192.0.2.1&name=a.example"},
		{"", "", "", ""},
	} {
		if got := Subject(test.word, test.service, test.client).Encode(); got != test.want {
			t.Errorf("%+v: got %s", test, got)
		}
	}
}

// What is in the way at the start, and what a client is told where nobody answers.
func TestSocketInTheWay(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	var s Status
	if err := NewClient(path).Get("/status", nil, &s); err == nil || !strings.Contains(err.Error(), "no namewall serves") {
		t.Errorf("no socket: %v", err)
	}

	first := serve(t, path, hello)
	if _, err := Listen(path, http.HandlerFunc(hello)); !errors.Is(err, ErrInUse) {
		t.Errorf("a socket that is served: %v", err)
	}
	if err := NewClient(path).Get("/status", nil, &s); err != nil {
		t.Errorf("after another has tried: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket of a server that was closed: %v", err)
	}

	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := NewClient(path).Get("/status", nil, &s); err == nil || !strings.Contains(err.Error(), "without removing it") {
		t.Errorf("a socket that was left: %v", err)
	}
	serve(t, path, hello)
	if err := NewClient(path).Get("/status", nil, &s); err != nil {
		t.Errorf("in place of one that was left: %v", err)
	}
}

// More connections than there are places wait for one.
func TestConnectionsAreBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	serve(t, path, hello)
	var idle []net.Conn
	for range connectionsMax {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		idle = append(idle, conn)
	}
	done := make(chan error, 1)
	go func() { done <- NewClient(path).Get("/status", nil, new(Status)) }()
	select {
	case err := <-done:
		t.Fatalf("served although all places are taken: %v", err)
	case <-time.After(50 * time.Millisecond): // it can only fail later
	}
	if err := idle[0].Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
