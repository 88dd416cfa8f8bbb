//go:build linux

package integration

import (
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/integration/lab"
)

// An answer that doesn't fit in a UDP packet comes whole over TCP. What the
// client has got so far is open after each step.
func TestTruncatedThenTCP(t *testing.T) {
	t.Parallel()
	const many = 120 // addresses: some 2 KB
	l, s := newOpenLab(t)
	var records []string
	for i := range many {
		records = append(records, fmt.Sprintf("big.open.test. 60 IN A 198.51.100.%d", i+1))
	}
	s.Records(records...)
	l.Namewall(openCorefile(""))

	short := ask(l, "big.open.test.", dns.TypeA)
	if !short.Truncated {
		t.Fatalf("%d addresses came over UDP, not truncated", len(lab.Addrs(short)))
	}
	reachesAll(t, l, short)
	whole := l.Ask(lab.Client4(0), "tcp", "big.open.test.", dns.TypeA)
	if got := len(lab.Addrs(whole)); got != many {
		t.Errorf("%d addresses over TCP, want %d", got, many)
	}
	reachesAll(t, l, whole)
}

// reachesAll fails unless every address of the answer is reached.
func reachesAll(t *testing.T, l *lab.Lab, m *dns.Msg) {
	t.Helper()
	for _, addr := range lab.Addrs(m) {
		if reaches(t, l, 0, addr.String(), port); t.Failed() {
			return // the others would fail as slowly
		}
	}
}

// dig goes the same way by itself.
func TestDigRetriesOverTCP(t *testing.T) {
	t.Parallel()
	l, s := newOpenLab(t)
	var records []string
	for i := range 120 {
		records = append(records, fmt.Sprintf("big.open.test. 60 IN AAAA 2001:db8:100::%x", i+1))
	}
	s.Records(records...)
	l.Namewall(openCorefile(""))
	out, err := l.Client.Run(nil, "dig", "+short", "@"+lab.Gateway6, "big.open.test", "AAAA")
	if err != nil {
		t.Fatal(err)
	}
	holds(t, l, "open6", strings.Fields(out)...)
	reaches(t, l, 0, "2001:db8:100::78", port)
}
