package set

import "strings"

// Keywords are all keywords, for tests.
func Keywords() []string { return strings.Fields(keywords) }
