//go:build linux

// Package lab builds a small internet for namewall's tests out of the running
// kernel: three network namespaces, real nftables, real resolvers.
//
//	client                    gateway                    wide area
//	198.18.0.10 … .41/24 ──── 198.18.0.1   192.0.2.1 ──── 192.0.2.2
//	2001:db8::10 …            2001:db8::1  2001:db8:1::1  2001:db8:1::2
//	dig, curl, volume         namewall, nft               every other address
//
// The gateway forwards with a chain that drops what no rule accepts, and counts
// it. In the wide area every test address is local, so that one listener
// serves thousands of hosts. Upstream resolvers live there too.
//
// A lab belongs to one test: it needs no name, no port and no file that a
// second lab would also need, so tests may run in parallel. Everything in it
// ends with the test; if the test process is killed, the kernel ends the rest.
//
// The package promises nothing to anybody but the tests and the demo.
package lab

import (
	"time"
)

// T is what the lab asks of its caller: a *testing.T, or the demo.
type T interface {
	Helper()
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Cleanup(func())
	TempDir() string
	Failed() bool
}

// Lab is one small internet.
type Lab struct {
	Client, Gateway, Wide *NS

	t T
}

// New builds a lab. The gateway has no ruleset yet: everything is forwarded.
func New(t T) *Lab {
	t.Helper()
	l := &Lab{t: t}
	l.Client, l.Gateway, l.Wide = newNS(t, "client"), newNS(t, "gateway"), newNS(t, "wide area")
	if err := l.wire(); err != nil {
		t.Fatalf("building the lab: %v", err)
	}
	return l
}

// pollInterval is short beside everything that is waited for here.
const pollInterval = 5 * time.Millisecond

// Until calls try until it returns nil. When the limit is over it fails the
// test with the last error.
func Until(t T, limit time.Duration, what string, try func() error) {
	t.Helper()
	for deadline := time.Now().Add(limit); ; <-time.After(pollInterval) {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v: %v", what, limit, err)
		}
	}
}
