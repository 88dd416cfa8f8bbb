package rule

import "strings"

// matches is the definition of patterns in as few words as possible, for names
// that are given as raw labels. It knows no trie and no escapes.
func matches(pattern string, labels []string) bool {
	if pattern == "*" {
		return true
	}
	want := strings.Split(pattern, ".")
	if want[0] == "*" {
		want = want[1:]
		if len(labels) <= len(want) {
			return false
		}
		labels = labels[len(labels)-len(want):]
	}
	if len(labels) != len(want) {
		return false
	}
	for i, label := range labels {
		before, after, star := strings.Cut(want[i], "*")
		if !star && label != before {
			return false
		}
		if star && !(len(label) >= len(before+after) && strings.HasPrefix(label, before) && strings.HasSuffix(label, after)) {
			return false
		}
	}
	return true
}

// labelsOf splits a name that has no escapes.
func labelsOf(name string) []string {
	return strings.FieldsFunc(name, func(r rune) bool { return r == '.' })
}
