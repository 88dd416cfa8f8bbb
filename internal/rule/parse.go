package rule

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// ParsePattern reads a pattern. Case and the final dot don't matter, and
// U-labels become A-labels (UTS #46, non-transitional). Whatever is no pattern
// is an error that quotes s and says what to write instead.
func ParsePattern(s string) (Pattern, error) {
	text, err := canonical(s)
	if err != nil {
		return Pattern{}, fmt.Errorf("'%s' is no pattern: %w", s, err)
	}
	return Pattern{text}, nil
}

func canonical(s string) (string, error) {
	if s == everyText {
		return s, nil
	}
	if err := mistaken(s); err != nil {
		return "", err
	}
	s = strings.TrimSuffix(dots.Replace(s), ".")
	first, rest, more := strings.Cut(s, ".")
	switch {
	case s == "", s == ".", s == "*":
		return "", errors.New("it is the root: write * for every name")
	case first == "":
		name := strings.TrimLeft(s, ".")
		return "", fmt.Errorf("it begins with a dot: write *.%s for the names below, and %s for the name itself", name, name)
	case strings.Count(first, "*") > 1, strings.Contains(rest, "*"):
		return "", errors.New("there can be one *, in the leftmost label: write *.example.com for all names below, at any depth")
	case !strings.Contains(first, "*"):
		return hostName(s)
	}
	first, err := wildLabel(first)
	if err != nil || !more {
		return first, err
	}
	rest, err = hostName(rest)
	if err != nil {
		return "", err
	}
	longest := maxName
	if len(first) > 1 {
		longest++ // the * of a glob may stand for nothing
	}
	s = first + "." + rest
	if len(s) > longest {
		return "", errLong
	}
	return s, nil
}

var errLong = fmt.Errorf("it is longer than the %d characters of a name", maxName)

// mistaken recognises what is sometimes written in the place of a name.
func mistaken(s string) error {
	_, addrErr := netip.ParseAddr(strings.Trim(s, "[]."))
	_, prefixErr := netip.ParsePrefix(s)
	_, portErr := netip.ParseAddrPort(s)
	switch {
	case s == "":
		return errors.New("it is empty: write a name, or * for every name")
	case strings.ContainsAny(s, " \t\r\n"):
		return errors.New("there is a blank in it: write one name a word")
	case strings.ContainsRune(s, utf8.RuneError):
		return errors.New("it is not in UTF-8: write A-labels (xn--...)")
	case addrErr == nil, prefixErr == nil, portErr == nil:
		return errors.New("it is an address, which needs no look-up: write it into the nftables rule itself")
	case strings.Contains(s, "://"):
		return errors.New("it is a URL: write the host's name alone")
	case strings.ContainsAny(s, "/:"):
		return errors.New("write the name alone, and ports as words behind it, as in tcp/443")
	case strings.Contains(s, `\`):
		return errors.New(`escapes are not supported: a * in the leftmost label stands for any characters`)
	}
	return nil
}

// wildLabel is the canonical form of a label with one * in it.
func wildLabel(label string) (string, error) {
	if !ascii(label) {
		return "", errors.New("a label with a * must be ASCII: write the A-label (xn--...)")
	}
	label = strings.ToLower(label)
	return label, checkCharacters(strings.Replace(label, "*", "", 1))
}

// hostName is the canonical form of a name without wildcards.
func hostName(s string) (string, error) {
	mapped := !ascii(s)
	labels := strings.Split(s, ".")
	for i, label := range labels {
		label, err := aLabel(label)
		if err != nil {
			return "", err
		}
		labels[i] = label
	}
	s = strings.Join(labels, ".")
	if len(s) > maxName {
		return "", errLong
	}
	if mapped {
		// There are other digits than ASCII's.
		return s, mistaken(s)
	}
	return s, nil
}

// aLabel is the canonical form of a label. Labels that are ASCII already are not
// held to the rules of IDNA, because there are names that break them, such as
// those with "--" in the third place.
func aLabel(label string) (string, error) {
	if ascii(label) {
		label = strings.ToLower(label)
	} else {
		a, err := profile.ToASCII(label)
		if err != nil {
			return "", fmt.Errorf("'%s' can't be a label (%w)", label, err)
		}
		label = a
	}
	switch {
	case label == "":
		return "", errors.New("a label is empty: write one dot between labels")
	case strings.Trim(label, "-") == "":
		return "", errors.New("there is a label of hyphens alone: a label has a letter, a digit or '_'")
	}
	return label, checkCharacters(label)
}

// dots are what IDNA takes for one (UTS #46 §2.3).
var dots = strings.NewReplacer("\u3002", ".", "\uff0e", ".", "\uff61", ".")

// profile maps as for a look-up. Which ASCII characters a label may have is left
// to checkCharacters, because '_' is one.
var profile = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(false))

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// checkCharacters checks a label, or what of it is not *.
func checkCharacters(label string) error {
	if len(label) > maxLabel {
		return fmt.Errorf("a label is longer than %d characters", maxLabel)
	}
	for _, c := range []byte(label) {
		if !inLabel(c) {
			return fmt.Errorf("%q can't be in a name: use letters, digits, '-' and '_'", c)
		}
	}
	return nil
}
