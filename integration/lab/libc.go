//go:build linux

package lab

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// LibC is a C library with its resolver.
type LibC string

// The C libraries of the lab.
const (
	Glibc LibC = "glibc"
	Musl  LibC = "musl"
)

//go:embed libc/connect.c
var connectSource string

// compilers link a program with each library.
var compilers = map[LibC][]string{
	Glibc: {"gcc"},
	Musl:  {"musl-gcc", "-static"},
}

// Connector builds a program against the library and returns a function that
// runs it in the client namespace: it resolves host by the library's own
// means, connects to the addresses in turn with one SYN each, and returns the one
// that it reached.
func (l *Lab) Connector(libc LibC) func(host string, port int) (string, error) {
	l.t.Helper()
	dir := l.t.TempDir()
	source, program := filepath.Join(dir, "connect.c"), filepath.Join(dir, "connect")
	if err := os.WriteFile(source, []byte(connectSource), 0o600); err != nil {
		l.t.Fatalf("%v", err)
	}
	compile := append(append([]string(nil), compilers[libc]...), "-Wall", "-Werror", "-o", program, source)
	if out, err := exec.Command(compile[0], compile[1:]...).CombinedOutput(); err != nil {
		l.t.Fatalf("building the %s client: %v\n%s", libc, err, out)
	}
	resolving := l.Resolving(Gateway4)
	return func(host string, port int) (string, error) {
		out, err := l.Client.Run(resolving, program, host, strconv.Itoa(port), strconv.FormatInt(KnockLimit.Milliseconds(), 10))
		if err != nil {
			return "", fmt.Errorf("%s client: %w", libc, err)
		}
		return strings.TrimSpace(out), nil
	}
}
