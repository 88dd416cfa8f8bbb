//go:build linux

package integration

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
	if err := contains(unfolded(out),
		"revoked what is there because of www.open.test: 2 closed, connections ended: 1 inet filter open4 ",
		"198.51.100.1 closed was there for ", "other.open.test (open)",
		"note: the next answer that a rule matches admits an address anew"); err != nil {
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
	if err := contains(unfolded(out), "198.51.100.1 in inet filter open4 was revoked by hand; it was there for www.open.test (rule open)"); err != nil {
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

	// What another rule wants stays for as long as that does, and no longer.
	tells(t, n, 0, "hold", "198.51.100.5", "--rule", "open", "--for", "20d")
	out = tells(t, n, 1, "revoke", "198.51.100.5", "--rule", "open")
	if err := contains(unfolded(out), "198.51.100.5 other rule wanted by rule kept too"); err != nil {
		t.Error(err)
	}
	lab.Until(t, healLimit, "the element is shortened", func() error {
		for _, e := range l.Elements("open4") {
			if e.Expires > 24*time.Hour {
				return fmt.Errorf("%v lives for %v", e.Key, e.Expires)
			}
		}
		return nil
	})

	// What isn't closed is told, with what to do.
	l.NFT("add element inet filter open4 { 198.51.100.9 timeout 1h }")
	for _, test := range []struct {
		about []string
		code  int
		want  string
	}{
		{[]string{"198.51.100.9"}, 1, "198.51.100.9 foreign left alone, as namewall hasn't written it as it is note: nft delete element inet filter open4 { 198.51.100.9 }"},
		{[]string{"kept.open.test"}, 0, "note: kept.open.test will come back by itself, as rule kept keeps it resolved: to end that, take it out of the Corefile"},
		{[]string{"none.open.test"}, 1, "nothing is there because of none.open.test"},
		{[]string{"198.51.100.77", "--rule", "open"}, 1, "nothing is there for 198.51.100.77 under rule open"},
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
	if got != code || !strings.Contains(unfolded(out), want) {
		t.Errorf("%v exits with %d, want %d and '%s':\n%s", command, got, code, want, out)
	}
}

// What an administrator has a rule hold lets a real client through, whatever
// happens to the ruleset and the process, until its time is over or he revokes it.
func TestHoldByHand(t *testing.T) {
	t.Parallel()
	l, s := newOpenLab(t)
	s.Records("www.open.test. 3600 IN A 198.51.100.1")
	dir := t.TempDir()
	corefile := handCorefile(dir, "")
	n := l.Namewall(corefile)
	barred(t, l, 0, "198.51.100.1", port)
	began := time.Now()
	out := tells(t, n, 0, "hold", "198.51.100.1", "198.51.100.2", "2001:db8:100::1", "--rule", "open", "--for", "2h")
	if err := contains(unfolded(out), "rule open holds 3 addresses for 2h: 3 elements inet filter open4 198.51.100.1 held by hand of uid 0 (open) ",
		"inet filter open6 2001:db8:100::1 held by hand of uid 0 (open)"); err != nil {
		t.Error(err)
	}
	reaches(t, l, 0, "198.51.100.1", port)
	tells(t, n, 0, "hold", "198.51.100.3", "--rule", "open", "--for", "20s")
	shown := func() {
		t.Helper()
		if err := contains(unfolded(tells(t, n, 0, "why", "198.51.100.1")), "198.51.100.1 is let through by ", "held by hand of uid 0 (rule open) ", " ago, for "); err != nil {
			t.Error(err)
		}
		if err := contains(unfolded(tells(t, n, 0, "list")), "198.51.100.2 ", " by hand of uid 0 (open) "); err != nil {
			t.Error(err)
		}
		if err := contains(unfolded(tells(t, n, 0, "status")), "open enforce ready, 4 held by hand "); err != nil {
			t.Error(err)
		}
	}
	held := []string{"198.51.100.1", "198.51.100.2", "198.51.100.3"}
	shown()
	l.NFT("flush ruleset")
	l.Load(lab.Ruleset(openSets, openRules))
	lab.Until(t, healLimit, "it is put back", func() error { return sameKeys(l, "open4", held...) })
	if err := n.Reload(strings.Replace(corefile, "*.open.test", "*.other.test", 1)); err != nil {
		t.Fatal(err)
	}
	reaches(t, l, 0, "198.51.100.1", port)
	shown()
	n.Kill()
	l.NFT("flush set inet filter open4")
	n.Again()
	holds(t, l, "open4", held...)
	reaches(t, l, 0, "198.51.100.1", port)
	shown()
	for _, e := range l.Elements("open4") {
		if left := time.Until(began.Add(2 * time.Hour)); e.Expires > left+20*time.Second {
			t.Errorf("%v has %v to live, of which only %v are held", e.Key, e.Expires, left)
		}
	}
	lab.Until(t, time.Minute, "what was held for 20 s ends", func() error { return sameKeys(l, "open4", held[:2]...) })
	if took := time.Since(began); took < 20*time.Second {
		t.Errorf("it was held for %v", took)
	}
	barred(t, l, 0, "198.51.100.3", port)

	conn := open(t, l, "198.51.100.1")
	if err := goesOn(l, conn); err != nil {
		t.Fatal(err)
	}
	out = tells(t, n, 0, "revoke", "198.51.100.1", "--kill")
	if err := contains(unfolded(out), "revoked what is there for 198.51.100.1: 1 closed, connections ended: 1 ", "198.51.100.1 closed was there for by hand of uid 0 (open)"); err != nil {
		t.Error(err)
	}
	if err := goesOn(l, conn); err == nil {
		t.Error("the connection goes on")
	}
	barred(t, l, 0, "198.51.100.1", port)
	n.Kill()
	n.Again()
	holds(t, l, "open4", "198.51.100.2")

	for _, test := range []struct {
		words []string
		code  int
		want  string
	}{
		{[]string{"10.1.2.3", "--rule", "open", "--for", "2h"}, 1, "rule open refuses 10.1.2.3, a special-purpose address: an 'allow' line would admit it"},
		{[]string{lab.Client4(0).String(), "--rule", "open", "--for", "2h"}, 1, "an 'allow' line would admit it"},
		{[]string{"198.51.100.4", "--rule", "none", "--for", "2h"}, 1, "no such rule: none"},
		{[]string{"198.51.100.4", "--rule", "open", "--for", "90d"}, 1, "duration '90d' is out of range: use one from 1s to 30d"},
		{[]string{"198.51.100.4", "--rule", "open", "--for", "soon"}, 1, "'soon' is no duration"},
		{[]string{"198.51.100.4", "--rule", "open", "--for", "2h", "--service", "tcp/443"}, 1, "has no ports: leave out the services"},
		{[]string{"198.51.100.4", "--rule", "open", "--for", "2h", "--client", "192.0.2.1"}, 1, "leave out the client"},
		{[]string{"www.open.test", "--rule", "open", "--for", "2h"}, 1, "'www.open.test' is no address"},
		{[]string{"198.51.100.4", "--for", "2h"}, 2, "--rule and --for are needed"},
		{[]string{"--rule", "open", "--for", "2h"}, 2, "an address is missing"},
		{[]string{"198.51.100.2", "--rule", "open", "--for", "1h"}, 0, "for longer than that already"},
	} {
		complains(t, n, test.code, test.want, append([]string{"hold"}, test.words...)...)
	}
	holds(t, l, "open4", "198.51.100.2")
	var done control.Held
	decoded(t, tells(t, n, 0, "hold", "198.51.100.2", "--rule", "open", "--for", "3h", "--json"), &done)
	if len(done.Elements) != 1 || done.Elements[0].Outcome != control.OutcomeHeld || *done.Elements[0].Reasons[0].UID != 0 || done.Elements[0].Reasons[0].Origin != "hand" {
		t.Errorf("%+v", done)
	}
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	grants, err := os.ReadFile(filepath.Join(dir, "grants.log"))
	if err != nil {
		t.Fatal(err)
	}
	if err := contains(string(grants)+n.Output(), `"kind":"admitted","rule":"open","origin":"hand"`, `"kind":"by hand"`, `"uid":0`,
		"by hand (uid 0, pid ", "rule open holds 1 address for 3h: 1 element (198.51.100.2)"); err != nil {
		t.Error(err)
	}
}

// unfolded is what a command prints, however its lines are broken.
func unfolded(text string) string { return strings.Join(strings.Fields(text), " ") }
