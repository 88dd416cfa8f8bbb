//go:build linux

package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The zones of Validating. Signed is as it should be; Bogus is signed by another
// key than the one that its parent vouches for; and of Unsigned the parent proves
// that it has no signature.
const (
	Signed   = "signed.test."
	Bogus    = "bogus.test."
	Unsigned = "unsigned.test."
)

// Validating starts an Unbound at Real that validates what it serves, from a trust
// anchor for test. down: these records, in zone file syntax, each with its full
// name, one label below its zone.
func (l *Lab) Validating(records ...string) *Process {
	l.t.Helper()
	byZone := map[string][]string{}
	for _, record := range records {
		owner, _, _ := strings.Cut(record, " ")
		_, zone, _ := strings.Cut(owner, ".")
		byZone[zone] = append(byZone[zone], record)
	}
	s := signer{l, l.t.TempDir()}
	signed, signedDS := s.sign(Signed, byZone[Signed])
	bogus, _ := s.sign(Bogus, byZone[Bogus])
	_, otherDS := s.sign(Bogus, nil)
	parent, anchor := s.sign("test.", []string{
		delegation(Signed), signedDS, delegation(Bogus), otherDS, delegation(Unsigned),
	})
	var clauses strings.Builder
	for zone, text := range map[string]string{
		"test.": parent, Signed: signed, Bogus: bogus, Unsigned: zoneText(Unsigned, byZone[Unsigned]),
	} {
		fmt.Fprintf(&clauses, "auth-zone:\n\tname: %q\n\tzonefile: %q\n\tfor-downstream: no\n", zone, s.write(zone+"zone", text))
	}
	// By itself Unbound denies that there is anything below test. (RFC 6761).
	return l.unbound(l.Wide, Real, fmt.Sprintf("\tmodule-config: \"validator iterator\"\n\tlocal-zone: \"test.\" nodefault\n\ttrust-anchor: \"%s\"\n", anchor), clauses.String())
}

// zoneText is a zone file.
func zoneText(zone string, records []string) string {
	return zone + " 60 IN SOA ns.test. root.test. 1 3600 600 86400 1\n" + delegation(zone) + "\n" + strings.Join(records, "\n") + "\n"
}

func delegation(zone string) string { return zone + " 60 IN NS ns.test." }

// signer signs zones, with files in dir.
type signer struct {
	*Lab
	dir string
}

// sign makes a key for a zone and signs it. It returns the zone file and the DS
// record for the parent.
func (s signer) sign(zone string, records []string) (text, ds string) {
	s.t.Helper()
	plain := s.write(zone+"plain", zoneText(zone, records))
	key := s.run("ldns-keygen", "-a", "ECDSAP256SHA256", "-k", zone)
	s.run("ldns-signzone", "-f", zone+"signed", plain, key)
	return s.run("cat", zone+"signed"), s.run("cat", key+".ds")
}

func (s signer) run(command ...string) string {
	s.t.Helper()
	out, err := s.Wide.Run(func(c *exec.Cmd) { c.Dir = s.dir }, command...)
	if err != nil {
		s.t.Fatalf("%v", err)
	}
	return strings.TrimSpace(out)
}

func (s signer) write(name, text string) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatalf("%v", err)
	}
	return path
}
