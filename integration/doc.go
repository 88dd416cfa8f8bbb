//go:build linux

// Package integration proves namewall's promises with real parts: the running
// kernel's firewall, Debian's Unbound, dig, curl and C libraries, and the binary
// as it is shipped, in network namespaces that each test makes for itself.
//
// The lab itself is package integration/lab. Each file here holds the tests of
// one promise, and each promise is also broken once to see that its test would
// notice.
package integration
