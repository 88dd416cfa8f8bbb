//go:build linux

package integration

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/integration/lab"
)

// Clients of the control socket that are stuck or greedy cost nothing: names are
// answered and promised as ever, and whoever asks properly gets an answer.
func TestGreedyControlClients(t *testing.T) {
	t.Parallel()
	l, s := newOpenLab(t)
	const names = 300
	for i := range names {
		s.Records(fmt.Sprintf("n%d.open.test. 60 IN A 198.51.100.%d", i, i%250+1))
	}
	n := l.Namewall(". {" + lab.Node + openRule + "\nforward . " + lab.Scripted + "\n}")

	// All that ask for events, and the most that may, read none of them.
	var refused int
	for range 20 {
		conn := connects(t, n)
		sends(t, conn, "GET /v1/events HTTP/1.1\r\nHost: namewall\r\n\r\n")
		if strings.HasPrefix(firstLine(t, conn), "HTTP/1.1 503") {
			refused++
		}
	}
	if refused != 4 {
		t.Errorf("%d clients that want events are refused, want 4 of 20", refused)
	}
	// Some read nothing of long lists, and ask for them again and again.
	for range 4 {
		sends(t, connects(t, n), strings.Repeat("GET /v1/elements?limit=100000 HTTP/1.1\r\nHost: namewall\r\n\r\n", 20))
	}
	// The rest of the places is taken by clients that say nothing.
	for range 20 {
		connects(t, n)
	}

	slowest := time.Duration(0)
	for i := range names {
		began := time.Now()
		answers(t, l, fmt.Sprintf("n%d.open.test.", i), dns.TypeA, fmt.Sprintf("198.51.100.%d", i%250+1))
		slowest = max(slowest, time.Since(began))
	}
	if slowest > 2*time.Second { // the rule's wait; usual is a millisecond
		t.Errorf("an answer took %v", slowest)
	}
	if out := tells(t, n, 0, "status"); !strings.Contains(out, ": ready\n") {
		t.Errorf("status:\n%s", out)
	}
	t.Logf("%d answers, the slowest after %v", names, slowest)
}

// connects connects to the control socket, until the end of the test.
func connects(t *testing.T, n *lab.Namewall) net.Conn {
	t.Helper()
	conn, err := net.Dial("unix", n.Socket())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func sends(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
}

// firstLine reads a line, and nothing after it.
func firstLine(t *testing.T, conn net.Conn) string {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	var line []byte
	for b := make([]byte, 1); len(line) == 0 || line[len(line)-1] != '\n'; line = append(line, b[0]) {
		if _, err := conn.Read(b); err != nil {
			t.Fatalf("%v after %q", err, line)
		}
	}
	return string(line)
}
