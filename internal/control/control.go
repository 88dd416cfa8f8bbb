// Package control is how an administrator's commands talk to a running namewall:
// HTTP with JSON over a unix socket.
//
// It promises that nobody but root and the user of the process gets an answer,
// that a socket which another process serves is left alone, and that whoever asks
// costs the process no more than a bounded number of connections. What is told
// is the caller's; the shapes are in api.go.
//
// Paths begin with the version of the API. Within a version fields are added and
// never change their meaning.
package control

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// Version is the first part of every path.
const Version = "/v1"

// ErrInUse says that another process serves the socket.
var ErrInUse = errors.New("another process serves it")

// DefaultPath is where the socket is if nobody says otherwise: in the directory
// that systemd has made for the service (RuntimeDirectory, systemd.exec(5)), or
// else where that would be.
func DefaultPath() string {
	dir, _, _ := strings.Cut(os.Getenv("RUNTIME_DIRECTORY"), ":") // the first of several
	if dir == "" {
		dir = "/run/namewall"
	}
	return filepath.Join(dir, "control.sock")
}
