//go:build linux

package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/integration/lab"
	"github.com/namewall/namewall/internal/control"
)

// An administrator asks the running process what it holds and why, as text and as
// JSON, and monitoring goes by the exit code.
func TestControl(t *testing.T) {
	t.Parallel()
	l, s := newOpenLab(t)
	s.Records("www.open.test. 600 IN CNAME edge.cdn.test.", "edge.cdn.test. 600 IN A 198.51.100.1", "api.open.test. 60 IN A 198.51.100.2")
	corefile := ". {" + lab.Node + openRule + "\nforward . " + lab.Scripted + "\n}"
	n := l.Namewall(corefile)
	answers(t, l, "www.open.test.", dns.TypeA, "198.51.100.1")
	answers(t, l, "api.open.test.", dns.TypeA, "198.51.100.2")

	if out := tells(t, n, 0, "status", "--quiet"); out != "" {
		t.Errorf("quiet, and ready: %s", out)
	}
	if out := tells(t, n, 0, "status"); !strings.Contains(out, ": ready\n") || !strings.Contains(out, "inet filter open4  ipv4_addr  2/262144  ready") {
		t.Errorf("status:\n%s", out)
	}
	var status control.Status
	decoded(t, tells(t, n, 0, "status", "--json"), &status)
	if len(status.Rules) != 1 || status.Rules[0].Name != "open" || !status.Ready || len(status.Sets) != 2 {
		t.Errorf("%+v", status)
	}

	out := tells(t, n, 0, "list")
	for _, want := range []string{"inet filter open4\n", "\n  198.51.100.1  1h", "www.open.test (open)", "\n  198.51.100.2  1h", "api.open.test (open)"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	var found control.Elements
	decoded(t, tells(t, n, 0, "list", "--json", "--name", "WWW.open.test"), &found)
	if len(found.Elements) != 1 {
		t.Fatalf("%+v", found)
	}
	e := found.Elements[0]
	if e.Address != "198.51.100.1" || !e.Own || len(e.Reasons) != 1 || e.Reasons[0].Client != lab.Client4(0).String() ||
		strings.Join(e.Reasons[0].Chain, " ") != "www.open.test. edge.cdn.test." {
		t.Errorf("%+v", e)
	}
	for _, none := range [][]string{{"--address", "198.51.100.3"}, {"--rule", "web"}, {"--set", "inet filter open6"}} {
		if out := tells(t, n, 1, append([]string{"list"}, none...)...); out != "no such element\n" {
			t.Errorf("%v: %s", none, out)
		}
	}
	tells(t, n, 0, "list", "--set", "inet filter open4", "--rule", "open", "--address", "198.51.100.2")
	tells(t, n, 1, "list", "--set", "open4")
	tells(t, n, 2, "status", "open")

	l.NFT("delete element inet filter open4 { 198.51.100.2 }")
	lab.Until(t, healLimit, "the element is put back", func() error { return sameKeys(l, "open4", "198.51.100.1", "198.51.100.2") })
	lab.Until(t, healLimit, "status tells", func() error {
		return contains(tells(t, n, 0, "status"), "1 put back", "ago, after", "(nft, pid ")
	})
	s.Records("inside.open.test. 60 IN A 10.1.2.3")
	answers(t, l, "inside.open.test.", dns.TypeA)
	tells(t, n, 0, "mode", "feed", "open")
	answers(t, l, "inside.open.test.", dns.TypeA, "10.1.2.3")
	if got := n.Metric("coredns_nftset_rules_braked"); got != 1 {
		t.Errorf("%v rules are held to feeding, says the metric", got)
	}
	if err := contains(tells(t, n, 0, "status")+n.Output(), "feed, by hand", "by hand (uid 0, pid ", "rule open held to feeding"); err != nil {
		t.Error(err)
	}
	tells(t, n, 1, "mode", "feed", "web")
	tells(t, n, 2, "mode", "off")
	tells(t, n, 0, "mode", "enforce")
	answers(t, l, "inside.open.test.", dns.TypeA)
	l.NFT("delete table inet filter")
	lab.Until(t, healLimit, "status tells", func() error {
		if out, err := n.Asks("status", "--quiet"); err == nil {
			return contains(out, "NOT READY")
		}
		return contains(tells(t, n, 1, "status", "--quiet"), "NOT READY", "set inet filter open4: ")
	})
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	tells(t, n, 1, "status")
}

// A process that finds its socket served by another one leaves it alone, says so,
// and serves DNS all the same.
func TestControlSocketOfAnother(t *testing.T) {
	t.Parallel()
	l, s := newOpenLab(t)
	s.Records("a.open.test. 60 IN A 198.51.100.1")
	socket := t.TempDir() + "/control.sock"
	corefile := func(port string) string {
		rule := strings.Replace(openRule, "nftset {", "nftset {\n\t\tcontrol "+socket, 1)
		return ".:" + port + " {" + rule + "\nforward . " + lab.Scripted + "\n}"
	}
	first := l.Namewall(corefile("53"))
	second := l.Starts(corefile("5353"))
	if !strings.Contains(second.Output(), socket+": another process serves it") {
		t.Errorf("no line about it in\n%s", second.Output())
	}
	tells(t, first, 0, "status", "--socket", socket)
	if err := second.Stop(); err != nil {
		t.Fatal(err)
	}
	tells(t, first, 0, "status", "--socket", socket)
	answers(t, l, "a.open.test.", dns.TypeA, "198.51.100.1")
}

// tells runs a command beside n, fails unless it exits with this code, and returns
// its output.
func tells(t *testing.T, n *lab.Namewall, code int, command ...string) string {
	t.Helper()
	out, err := n.Asks(command...)
	if got := exitCode(t, err); got != code {
		t.Errorf("%v exits with %d, want %d: %v\n%s", command, got, code, err, out)
	}
	return out
}

// exitCode is what a command that ended with err exited with.
func exitCode(t *testing.T, err error) int {
	t.Helper()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0
}

func decoded(t *testing.T, text string, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
}

// contains is nil if text has all parts.
func contains(text string, parts ...string) error {
	for _, part := range parts {
		if !strings.Contains(text, part) {
			return fmt.Errorf("no %q in\n%s", part, text)
		}
	}
	return nil
}
