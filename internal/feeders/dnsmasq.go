package feeders

import (
	"errors"
	"fmt"
	"strings"

	"github.com/namewall/namewall/internal/set"
)

// Dnsmasq reads configuration files of dnsmasq (2.87 and later) and those that
// they include. An error is of a file that can't be read.
//
// Of all lines for a name or a name above it the one with the longest name
// decides, and of several for the same name the first (forward.c,
// domain_find_sets), for nftset and ipset by themselves.
func Dnsmasq(files ...string) (*Config, error) {
	r := dnsmasqReader{config: &Config{Program: "dnsmasq", firstWins: true}}
	for _, file := range files {
		if err := r.file(file); err != nil {
			return nil, err
		}
	}
	return r.config, nil
}

// option reads one line.
func (r *dnsmasqReader) option(at Place, text, name, value string) error {
	target := dnsmasqSet
	switch name {
	case "nftset":
	case "ipset":
		target = ipset
	case "conf-file":
		return r.file(value)
	case "conf-dir":
		return r.directory(value)
	case "conf-script":
		r.config.problem(at, text, "the script isn't run: import a file of what it prints, too")
		return nil
	default:
		r.config.Others++
		return nil
	}
	a := &Assignment{Place: at, Text: text, IPSets: name == "ipset"}
	r.config.take(a, dnsmasqSets(a, value, target))
	return nil
}

// dnsmasqSets reads the value of nftset= or ipset=:
// [/domain[/domain...]/]set[,set...] (option.c, LOPT_IPSET).
func dnsmasqSets(a *Assignment, value string, target func(string) (Target, error)) error {
	domains, sets := []string{""}, value // no domain at all is any
	if strings.HasPrefix(value, "/") {
		parts := strings.Split(value[1:], "/")
		domains, sets = parts[:len(parts)-1], parts[len(parts)-1]
		if len(domains) == 0 || strings.TrimSpace(sets) == "" {
			return errors.New("there is no set behind the last '/', and dnsmasq puts nothing anywhere: take the line out")
		}
	}
	return a.read(domains, dnsmasqDomain, strings.Split(sets, ","), target)
}

// dnsmasqDomain reads a domain. Dots in front are nothing, and no domain or # is
// every name.
func dnsmasqDomain(word string) (Domain, error) {
	word = strings.TrimLeft(strings.TrimRight(word, " "), ".")
	d := Domain{Apex: true, Below: true}
	switch {
	case word == "", word == "#":
		return d, nil
	case strings.Contains(word, "*"):
		return d, fmt.Errorf("dnsmasq takes the * in '%s' for itself, and no name has one: write /%s/ for a name and all below it",
			word, strings.TrimLeft(word, "*."))
	}
	var err error
	d.Name, err = domain(word)
	return d, err
}

// dnsmasqSet reads [4#|6#][FAMILY#]TABLE#SET, which dnsmasq hands to nft with
// blanks for #: without a family it is ip.
func dnsmasqSet(word string) (Target, error) {
	var t Target
	rest := word
	switch {
	case strings.HasPrefix(word, "4#"):
		t.Family, rest = IPv4, word[2:]
	case strings.HasPrefix(word, "6#"):
		t.Family, rest = IPv6, word[2:]
	}
	parts := strings.Split(rest, "#")
	if len(parts) == 2 {
		parts = append([]string{"ip"}, parts...)
	}
	if len(parts) != 3 {
		return t, fmt.Errorf("'%s' is no [4#|6#][FAMILY#]TABLE#SET, and dnsmasq puts nothing there: correct it", word)
	}
	var err error
	t.ID, err = set.ParseID(parts[0], parts[1], parts[2])
	return t, err
}

// ipset reads the name of an ipset.
func ipset(word string) (Target, error) {
	if word == "" || strings.ContainsAny(word, " \t") || len(word) > ipsetNameMax {
		return Target{}, fmt.Errorf("'%s' is no name of an ipset: it has up to %d characters, and no blanks", word, ipsetNameMax)
	}
	return Target{IPSet: true, ID: set.ID{Name: word}}, nil
}

// ipsetNameMax is IPSET_MAXNAMELEN less the final zero (linux/netfilter/ipset/ip_set.h).
const ipsetNameMax = 31
