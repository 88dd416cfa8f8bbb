package rule

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The bounds of a list. The gate keeps as many names that were asked for, so a
// longer list would be of use to nobody; as it is, it takes some 150 MB while the
// next one takes its place. The bytes are enough for long names with a comment
// each.
const (
	MaxListPatterns = 500_000
	MaxListBytes    = 64 << 20
)

const (
	// maxBadLines is how many bad lines are told: with more of them the file is
	// no list.
	maxBadLines = 20
	// maxListLine is longer than any name in any script, and short enough to be
	// shown.
	maxListLine = 1024
	// maxShown is how much of what is no text is shown of a line.
	maxShown = 32
)

// BadLine is a line of a list that can't be used.
type BadLine struct {
	Number int // from 1
	Err    error
}

// ParseList reads a list of patterns, one a line. Blank lines say nothing, nor
// does what follows a #. A list is good as a whole or not at all: if bad has
// lines, the first ones, there are no patterns.
func ParseList(text string) (patterns []Pattern, bad []BadLine) {
	if text == "" {
		// It is about to be written, or left by a script that has failed.
		return nil, []BadLine{{1, errors.New("the file is empty: for a list that names nothing, leave a comment in it")}}
	}
	text = strings.TrimPrefix(text, "\ufeff") // which some editors put in front of UTF-8
	number := 0
	for line := range strings.Lines(text) {
		number++
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		p, err := listed(line)
		if err == nil && len(patterns) == MaxListPatterns {
			err = fmt.Errorf("the list has more than %d patterns: wildcards say more with less", MaxListPatterns)
			bad = append(bad, BadLine{number, err})
			break
		}
		if err == nil {
			patterns = append(patterns, p)
		} else if bad = append(bad, BadLine{number, err}); len(bad) == maxBadLines {
			break
		}
	}
	if len(bad) > 0 {
		return nil, bad
	}
	return patterns, nil
}

// listed reads a line of a list, without comment and the blanks around it.
func listed(line string) (Pattern, error) {
	if len(line) > maxListLine {
		return Pattern{}, fmt.Errorf("the line has %d bytes: write one pattern a line", len(line))
	}
	if !utf8.ValidString(line) {
		return Pattern{}, fmt.Errorf("%q is no text in UTF-8: write the list as such", line[:min(len(line), maxShown)])
	}
	for _, c := range line {
		if unicode.IsControl(c) && c != '\t' {
			return Pattern{}, fmt.Errorf("%q can't be in a name: write the list as text in UTF-8", c)
		}
	}
	if words := strings.Fields(line); len(words) > 1 {
		return Pattern{}, fmt.Errorf("'%s' stands behind '%s': write one pattern a line, and what it opens into the Corefile", words[1], words[0])
	}
	return ParsePattern(line)
}
