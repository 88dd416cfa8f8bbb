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
// internationalised names become A-labels (UTS #46, non-transitional). Every
// other form is an error that quotes s and says what to write instead.
func ParsePattern(s string) (Pattern, error) {
	if s == everyText {
		return Pattern{everyText}, nil
	}
	text, err := canonical(s)
	if err != nil {
		return Pattern{}, fmt.Errorf("'%s' is no name: %w", s, err)
	}
	return Pattern{text}, nil
}

func canonical(s string) (string, error) {
	if err := mistaken(s); err != nil {
		return "", err
	}
	s, err := toASCII(s)
	if err != nil {
		return "", err
	}
	s = strings.TrimSuffix(strings.ToLower(s), ".")

	switch {
	case s == "":
		return "", errors.New("the root has no address: write * for every name")
	case s == "*":
		return "", errors.New("write * for every name")
	case s[0] == '.':
		return "", fmt.Errorf("write *%s for the names below, %s for the name itself", s, strings.TrimLeft(s, "."))
	}
	first, rest, more := strings.Cut(s, ".")
	if strings.Contains(rest, "*") || strings.Count(first, "*") > 1 {
		return "", errors.New("only one * can be, in the leftmost label: write *.example.com for all names below, at any depth")
	}
	// A * may stand for nothing, but not if it is the whole label.
	length := len(s)
	if strings.Contains(first, "*") && first != "*" {
		length--
		first = strings.Replace(first, "*", "", 1)
		if err := checkGlob(first); err != nil {
			return "", err
		}
	} else if first != "*" {
		if err := checkLabel(first); err != nil {
			return "", err
		}
	}
	if more {
		for label := range strings.SplitSeq(rest, ".") {
			if err := checkLabel(label); err != nil {
				return "", err
			}
		}
	}
	if length > maxName {
		return "", fmt.Errorf("it is longer than the %d characters of a name", maxName)
	}
	return s, nil
}

// mistaken recognises what is often written in the place of a name.
func mistaken(s string) error {
	switch {
	case s == "":
		return errors.New("it is empty")
	case strings.ContainsAny(s, " \t\r\n"):
		return errors.New("a blank is in it: write one pattern a word")
	case strings.Contains(s, "://"):
		return errors.New("it is a URL: write the host's name alone")
	case isAddress(s):
		return errors.New("it is an address, which needs no look-up: put it into the nftables rule itself")
	case strings.Contains(s, "/"):
		return errors.New("a slash is in it: write the name alone, and ports behind it as tcp/443")
	case strings.Contains(s, ":"):
		return errors.New("a colon is in it: write the name alone, and ports behind it as tcp/443")
	case strings.Contains(s, `\`):
		return errors.New(`escapes are not supported: a * in the leftmost label stands for any characters`)
	}
	return nil
}

// isAddress recognises addresses and prefixes, also in brackets, with a port or
// with a final dot.
func isAddress(s string) bool {
	s = strings.TrimSuffix(s, ".")
	_, addrErr := netip.ParseAddr(strings.Trim(s, "[]"))
	_, prefixErr := netip.ParsePrefix(s)
	_, portErr := netip.ParseAddrPort(s)
	return addrErr == nil || prefixErr == nil || portErr == nil
}

// toASCII turns the U-labels of s into A-labels. Names that are ASCII already
// are left alone: the hyphen rules of IDNA would refuse names that exist, such
// as those with "--" in the third place.
func toASCII(s string) (string, error) {
	if ascii(s) {
		return s, nil
	}
	if !utf8.ValidString(s) {
		return "", errors.New("it is not in UTF-8")
	}
	s = dots.Replace(s)
	star := ""
	if label, _, _ := strings.Cut(s, "."); strings.Contains(label, "*") {
		if !ascii(label) {
			return "", errors.New("a label with * and letters beyond ASCII can't be matched: write it as an A-label (xn--...)")
		}
		star, s = label, s[len(label):]
	}
	a, err := profile.ToASCII(s)
	if err != nil {
		return "", fmt.Errorf("not a valid internationalised name (%w)", err)
	}
	return star + a, nil
}

// dots are the characters that IDNA takes for a dot (UTS #46 §2.3).
var dots = strings.NewReplacer("\u3002", ".", "\uff0e", ".", "\uff61", ".")

// profile maps as a client's look-up does, and leaves it to checkLabel which
// ASCII characters there may be: '_' is one.
var profile = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.BidiRule(), idna.StrictDomainName(false))

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func checkLabel(label string) error {
	if label == "" {
		return errors.New("a label is empty: write one dot between labels")
	}
	if strings.Trim(label, "-") == "" {
		return errors.New("a label needs a letter, a digit or '_'")
	}
	return checkGlob(label)
}

// checkGlob checks what is left of a label without its *.
func checkGlob(label string) error {
	if len(label) > maxLabel {
		return fmt.Errorf("a label is longer than %d characters", maxLabel)
	}
	for i := range len(label) {
		if !inLabel(label[i]) {
			return fmt.Errorf("%q can't be in a name: use letters, digits, '-' and '_'", label[i])
		}
	}
	return nil
}
