// Package feeders reads the configurations of other programs that put the
// addresses of answers into sets: dnsmasq, SmartDNS, AdGuard Home.
//
// It tells which names go to which sets, as the program itself decides it where
// several lines speak of a name, and rewrites that as rules, all of which a name
// feeds that it falls under. A line whose meaning can't be kept is a problem with
// its place and a remedy, never a guess.
//
// It reads files and nothing else. What the sets are like is for others to know
// (Types), and writing a Corefile is the command's.
package feeders

import (
	"fmt"
	"strings"

	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

// Config is what the files of one program say about sets.
type Config struct {
	Program     string
	Assignments []*Assignment // in the order in which the program reads them
	Problems    []Problem
	Others      int // lines about something else

	// firstWins tells that of two lines for one name the program heeds the
	// first, instead of both.
	firstWins bool
}

// Place is a line of a file.
type Place struct {
	File string
	Line int
}

// String is the place as compilers write it.
func (p Place) String() string { return fmt.Sprintf("%s:%d", p.File, p.Line) }

// Problem is a line that can't be carried over.
type Problem struct {
	Place Place
	Text  string // the line
	Why   string // and what to do about it
}

// Error tells where and why.
func (p Problem) Error() string { return p.Place.String() + ": " + p.Why }

// Assignment is what a line says: the addresses of these names go into these
// sets, and, unless another line of the same channel says more about a name, those
// of the names below.
type Assignment struct {
	Place   Place
	Text    string
	IPSets  bool // it is about ipsets
	Channel int  // lines of different channels don't override each other
	Domains []Domain
	Targets []Target // empty: nowhere
	Final   bool     // no line about a name below overrides it
	Refused bool     // it is a problem, and its names go nowhere

	// Notes tell what has become of the line other than the obvious.
	Notes []string

	order int // among all assignments
}

// Domain is a name of a line, without wildcards.
type Domain struct {
	Name        string // A-labels in lower case, without the final dot; "" is the root
	Apex, Below bool   // the name itself, and the names below it
}

// Target is a set as a line has it.
type Target struct {
	IPSet  bool   // of ipset(8): ID has a name only
	ID     set.ID // of nft(8)
	Family Family // of the addresses that go in
}

// Family is an address family, as far as a line tells it.
type Family uint8

// The families.
const (
	Untold Family = 0
	IPv4   Family = 4
	IPv6   Family = 6
)

// String is the set in the words of the program that has it.
func (t Target) String() string {
	if t.IPSet {
		return "ipset " + t.ID.Name
	}
	return t.ID.String()
}

// take adds what a line says, or that it can't be carried over. Those of its names
// that are known then go nowhere: the line for a name above does not have them
// either.
func (c *Config) take(a *Assignment, err error) {
	c.Assignments = append(c.Assignments, a)
	if err != nil {
		c.refuse(a, err)
	}
}

func (c *Config) refuse(a *Assignment, err error) {
	a.Targets, a.Refused = nil, true
	p := Problem{Place: a.Place, Text: a.Text, Why: err.Error()}
	if n := len(c.Problems); n == 0 || c.Problems[n-1] != p { // several channels of a line
		c.Problems = append(c.Problems, p)
	}
}

// problem adds a line that is about no names of its own.
func (c *Config) problem(at Place, text, format string, args ...any) {
	c.Problems = append(c.Problems, Problem{Place: at, Text: text, Why: fmt.Sprintf(format, args...)})
}

// read fills in what the words of a line say. If one can't be read, the others
// are all the same.
func (a *Assignment) read(domains []string, domain func(string) (Domain, error), sets []string, target func(string) (Target, error)) error {
	var errs []error
	for _, word := range domains {
		d, err := domain(word)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		a.Domains = append(a.Domains, d)
	}
	for _, word := range sets {
		t, err := target(strings.TrimSpace(word))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		a.Targets = append(a.Targets, t)
	}
	if len(errs) > 0 {
		return errs[0]
	}
	return nil
}

// domain reads a name without wildcards. The root is not one.
func domain(word string) (string, error) {
	p, err := rule.ParsePattern(word)
	if err != nil {
		return "", err
	}
	name, ok := p.Exact()
	if !ok {
		return "", fmt.Errorf("'%s' has a *", word)
	}
	return name[:len(name)-1], nil
}
