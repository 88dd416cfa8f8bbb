//go:build linux

package integration

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/integration/lab"
	"github.com/namewall/namewall/internal/control"
)

// handCorefile has a rule for the sets of openSets, one that keeps a name resolved,
// and a state file.
func handCorefile(dir string, more string) string {
	return ". {" + lab.Node + `
	nftset {
		state ` + filepath.Join(dir, "state") + `
		log   ` + filepath.Join(dir, "grants.log") + `
		` + lab.AllowWide + `
	}
	nftset open {
		set  inet filter open4
		set  inet filter open6
		name *.open.test
	}
	` + more + `
	forward . ` + lab.Scripted + `
}`
}

const keptRule = `
	nftset kept {
		set     inet filter open4
		resolve kept.open.test
	}`

// What an administrator revokes is closed at once, for connections that were open
// too, and stays closed over a flush and a kill, until somebody asks again. What
// others have put into the set is none of it.
func TestRevokeByHand(t *testing.T) {
	t.Parallel()
	l, s := newOpenLab(t)
	s.Records(
		"www.open.test. 3600 IN A 198.51.100.1", "www.open.test. 3600 IN A 198.51.100.2", "other.open.test. 3600 IN A 198.51.100.1",
		"stays.open.test. 3600 IN A 198.51.100.4", "kept.open.test. 3600 IN A 198.51.100.5",
	)
	dir := t.TempDir()
	n := l.Namewall(handCorefile(dir, keptRule))
	answers(t, l, "www.open.test.", dns.TypeA, "198.51.100.1", "198.51.100.2")
	answers(t, l, "other.open.test.", dns.TypeA, "198.51.100.1")
	answers(t, l, "stays.open.test.", dns.TypeA, "198.51.100.4")
	if err := n.Stop(); err != nil { // so that the state file has all of it
		t.Fatal(err)
	}
	n.Again()
	l.NFT("add element inet filter open4 { 198.51.100.9 timeout 1h }")
	ends, stays := open(t, l, "198.51.100.1"), open(t, l, "198.51.100.4")
	watch := n.Watches("watch")
	lab.Until(t, healLimit, "the watcher listens, and the name is resolved", func() error {
		ask(l, "inside.open.test.", dns.TypeA)
		if err := sameKeys(l, "open4", "198.51.100.1", "198.51.100.2", "198.51.100.4", "198.51.100.5", "198.51.100.9"); err != nil {
			return err
		}
		tells(t, n, 0, "mode", "enforce")
		return contains(watch.Output(), "by hand")
	})

	out := tells(t, n, 0, "revoke", "WWW.open.test", "--kill")
	if err := contains(out,
		"revoked what is there because of www.open.test: 2 closed, connections ended: 1\ninet filter open4\n",
		"198.51.100.1  closed  was there for ", "other.open.test (open)",
		"note: the next answer that a rule matches admits an address anew\n"); err != nil {
		t.Error(err)
	}
	kept := []string{"198.51.100.4", "198.51.100.5", "198.51.100.9"}
	holds(t, l, "open4", kept...)
	if err := goesOn(l, ends); err == nil {
		t.Error("the connection goes on")
	}
	if err := goesOn(l, stays); err != nil {
		t.Errorf("another connection: %v", err)
	}
	barred(t, l, 0, "198.51.100.1", port)
	out = tells(t, n, 1, "why", "198.51.100.1")
	if err := contains(out, "198.51.100.1 in inet filter open4 was revoked by hand; it was there for www.open.test (rule open)"); err != nil {
		t.Error(err)
	}
	lab.Until(t, healLimit, "all is told", func() error {
		return contains(watch.Output()+n.Output(), "by hand (uid 0, pid ", "  revoked   other.open.test (rule open): 198.51.100.1 in inet filter open4, by hand (uid 0)\n",
			"  by hand   revoked what is there because of www.open.test: 2 closed, connections ended: 1 (uid 0)\n")
	})

	l.NFT("flush set inet filter open4")
	lab.Until(t, healLimit, "the set is filled again", func() error { return sameKeys(l, "open4", kept[:2]...) })
	n.Kill()
	n.Again()
	holds(t, l, "open4", kept[:2]...)
	answers(t, l, "www.open.test.", dns.TypeA, "198.51.100.1", "198.51.100.2")
	reaches(t, l, 0, "198.51.100.1", port)

	// What isn't closed is told, with what to do.
	l.NFT("add element inet filter open4 { 198.51.100.9 timeout 1h }")
	for _, test := range []struct {
		about []string
		code  int
		want  string
	}{
		{[]string{"198.51.100.9"}, 1, "198.51.100.9  foreign  left alone, as namewall hasn't written it as it is: nft delete element inet filter open4 { 198.51.100.9 }"},
		{[]string{"kept.open.test"}, 0, "note: kept.open.test will come back by itself, as rule kept keeps it resolved: to end that, take it out of the Corefile"},
		{[]string{"none.open.test"}, 1, "nothing is there because of none.open.test\n"},
		{[]string{"198.51.100.77", "--rule", "open"}, 1, "nothing is there for 198.51.100.77 under rule open\n"},
		{[]string{"198.51.100.4", "--rule", "closed"}, 1, "no such rule: closed"},
		{[]string{"a..test"}, 1, "a..test"},
		{nil, 2, "write one name or one address"},
		{[]string{"198.51.100.4", "198.51.100.5"}, 2, "write one name or one address"},
	} {
		complains(t, n, test.code, test.want, append([]string{"revoke"}, test.about...)...)
	}
	var revoked control.Revoked
	decoded(t, tells(t, n, 0, "revoke", "198.51.100.4", "--json"), &revoked)
	if len(revoked.Elements) != 1 || revoked.Elements[0].Outcome != control.OutcomeClosed || revoked.Outcomes[control.OutcomeClosed] != 1 ||
		!strings.HasPrefix(revoked.Elements[0].Reasons[0].Name, "stays.") {
		t.Errorf("%+v", revoked)
	}
	watch.Kill()
}

// complains runs a command beside n, and fails unless it exits with this code and says
// this, as its output or its complaint.
func complains(t *testing.T, n *lab.Namewall, code int, want string, command ...string) {
	t.Helper()
	out, err := n.Asks(command...)
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
		out += err.Error()
	}
	if got != code || !strings.Contains(out, want) {
		t.Errorf("%v exits with %d, want %d and '%s':\n%s", command, got, code, want, out)
	}
}
