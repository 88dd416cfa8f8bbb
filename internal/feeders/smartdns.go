package feeders

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/namewall/namewall/internal/set"
)

// Channels of SmartDNS: a name inherits each by itself from the names above it
// (enum domain_rule).
const (
	smartNFTSet4 = iota
	smartNFTSet6
	smartIPSet
	smartIPSet4
	smartIPSet6
)

// SmartDNS reads configuration files of SmartDNS and those that they include.
// An error is of a file that can't be read.
//
// A line about a name overrides those about the names above it, for each kind of
// set and family by itself; `-` ends a kind for good, for all names below too
// (rules.c, _dns_server_get_rules). Several lines for one name add up, as they do
// since release 47.
func SmartDNS(files ...string) (*Config, error) {
	r := smartReader{config: &Config{Program: "SmartDNS"}, lists: make(map[string][]string)}
	for _, file := range files {
		if err := r.file(file); err != nil {
			return nil, err
		}
	}
	return r.config, nil
}

// line reads one line of words.
func (r *smartReader) line(at Place, text string, words []string) error {
	option, args := words[0], words[1:]
	refuse := func(format string, args ...any) {
		r.config.problem(at, text, format, args...)
	}
	switch option {
	case "nftset", "ipset":
		if len(args) > 0 {
			r.sets(at, text, option, args[0], "")
		}
	case "domain-rules":
		if len(args) > 0 {
			r.domainRules(at, text, args)
		}
	case "domain-set":
		return r.domainSet(at, text, args)
	case "conf-file":
		return r.include(at, text, args)
	case "group-begin":
		r.group = "?"
		if len(args) > 0 {
			r.group = args[0]
		}
	case "group-end":
		r.group = ""
	case "nftset-no-speed", "ipset-no-speed":
		refuse("%s depends on the speed test, which there is none: take it out", option)
	default:
		if mine := slices.IndexFunc(args, aboutSets); mine >= 0 {
			refuse("%s of %s is about who asks: write the names with a 'clients' line", args[mine], option)
		} else {
			r.config.Others++
		}
	}
	return nil
}

// aboutSets tells whether a flag of bind or client-rules is about sets.
func aboutSets(flag string) bool {
	switch name, _, _ := strings.Cut(strings.TrimLeft(flag, "-"), "="); name {
	case "nftset", "ipset", "no-rule-ipset", "no-rule-nftset":
		return strings.HasPrefix(flag, "-")
	}
	return false
}

// domainRules reads /DOMAIN/ and the flags that are about sets.
func (r *smartReader) domainRules(at Place, text string, args []string) {
	kinds := map[string]string{"nftset": "nftset", "t": "nftset", "ipset": "ipset", "p": "ipset"}
	type flag struct{ kind, value string }
	var found []flag
	group := ""
	for i, arg := range args {
		name, value, ok := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		if !ok && i+1 < len(args) {
			value = args[i+1]
		}
		switch {
		case !strings.HasPrefix(arg, "-"):
		case name == "group", name == "g":
			group = value
		case name == "delete":
			r.config.problem(at, text, "-delete takes back what other lines say: take them out, and this one")
			return
		case kinds[name] != "":
			found = append(found, flag{kinds[name], value})
		}
	}
	if len(found) == 0 {
		r.config.Others++
	}
	for _, f := range found {
		r.sets(at, text, f.kind, args[0]+f.value, group)
	}
}

// sets reads [/DOMAIN/]SET[,SET...].
func (r *smartReader) sets(at Place, text, kind, value, group string) {
	if group == "" {
		group = r.group
	}
	if group != "" {
		r.config.problem(at, text, "it is for the group %s alone: write the names with a 'clients' line", group)
		return
	}
	for _, a := range r.assignments(at, text, kind, value) {
		r.config.take(a.Assignment, a.err)
	}
}

// smartAssignment is what a line says for one channel.
type smartAssignment struct {
	*Assignment
	err error
}

// assignments are what a value says, one a channel.
func (r *smartReader) assignments(at Place, text, kind, value string) []smartAssignment {
	domains, sets := []Domain{{Apex: true, Below: true}}, value
	var unread error // of a domain; the others are all the same
	if strings.HasPrefix(value, "/") {
		word, rest, _ := strings.Cut(value[1:], "/")
		domains, unread = r.domains(word)
		sets = rest
	}
	var all []smartAssignment
	for word := range strings.SplitSeq(sets, ",") {
		channels, target, err := smartTarget(kind, word)
		for _, c := range channels {
			i := slices.IndexFunc(all, func(a smartAssignment) bool { return a.Channel == c })
			if i < 0 {
				i = len(all)
				all = append(all, smartAssignment{&Assignment{Place: at, Text: text, IPSets: kind == "ipset", Channel: c, Domains: domains}, nil})
			}
			switch a := &all[i]; {
			case unread != nil || err != nil:
				a.err = cmp.Or(unread, err)
			case target == nil:
				a.Targets, a.Final = nil, true
			case !a.Final:
				a.Targets = append(a.Targets, *target)
			}
		}
	}
	return all
}

// smartTarget reads #4:FAMILY#TABLE#SET or #6:..., for an ipset [#4:|#6:]NAME,
// and - for none. It returns the channels that it is about.
func smartTarget(kind, word string) (channels []int, t *Target, err error) {
	family, rest := Untold, word
	switch {
	case strings.HasPrefix(word, "#4:"):
		family, rest = IPv4, word[3:]
	case strings.HasPrefix(word, "#6:"):
		family, rest = IPv6, word[3:]
	}
	if kind == "ipset" {
		channels = map[Family][]int{Untold: {smartIPSet}, IPv4: {smartIPSet4}, IPv6: {smartIPSet6}}[family]
		if rest == "-" {
			return channels, nil, nil
		}
		target, err := ipset(rest)
		target.Family = family
		return channels, &target, err
	}
	channels = map[Family][]int{Untold: {smartNFTSet4, smartNFTSet6}, IPv4: {smartNFTSet4}, IPv6: {smartNFTSet6}}[family]
	if rest == "-" {
		return channels, nil, nil
	}
	parts := strings.Split(rest, "#")
	if family == Untold || len(parts) != 3 {
		return channels, nil, fmt.Errorf("'%s' is neither #4:FAMILY#TABLE#SET nor #6:FAMILY#TABLE#SET, and SmartDNS ignores it: correct it", word)
	}
	id, err := set.ParseID(parts[0], parts[1], parts[2])
	return channels, &Target{ID: id, Family: family}, err
}

// domains reads what stands between the slashes: a domain or a list of them.
func (r *smartReader) domains(word string) ([]Domain, error) {
	if name, ok := strings.CutPrefix(word, "domain-set:"); ok {
		list, ok := r.lists[name]
		if !ok {
			return nil, fmt.Errorf("there is no domain-set %s above this line: SmartDNS ignores it", name)
		}
		var all []Domain
		var unread error
		for _, word := range list {
			d, err := smartDomain(word)
			if err == nil {
				all = append(all, d)
			} else if unread == nil {
				unread = fmt.Errorf("domain-set %s: %w", name, err)
			}
		}
		return all, unread
	}
	d, err := smartDomain(word)
	if err != nil {
		return nil, err
	}
	return []Domain{d}, nil
}

// smartDomain reads example.com, for the name and all below it, *.example.com for
// those below it, or -.example.com for the name alone (domain_rule.c,
// _config_setup_domain_key).
func smartDomain(word string) (Domain, error) {
	d := Domain{Apex: true, Below: true}
	switch {
	case word == ".":
		return d, nil
	case strings.HasPrefix(word, "*-."):
		word = word[3:]
	case strings.HasPrefix(word, "*."):
		d.Apex, word = false, word[2:]
	case strings.HasPrefix(word, "-."):
		d.Below, word = false, word[2:]
	case strings.HasPrefix(word, "*"), strings.HasPrefix(word, "-"):
		return d, fmt.Errorf("'%s' is any name that ends so, also within a label, and there is no such pattern: write the names", word)
	}
	word = strings.TrimLeft(word, ".")
	if word == "" {
		return d, errors.New("there is no domain between the slashes: write one, or nothing for every name")
	}
	var err error
	d.Name, err = domain(word)
	return d, err
}
