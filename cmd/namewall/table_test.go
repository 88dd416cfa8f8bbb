package main

import (
	"strings"
	"testing"
)

// Lines have 80 columns, words stay whole, and what doesn't fit beside the other
// columns goes below them.
func TestTable(t *testing.T) {
	long := strings.Repeat("a", 60) + ".example.com"
	for name, test := range map[string]struct {
		rows [][]string
		want string
	}{
		"columns":            {[][]string{{"A", "B", "C"}, {"abc", "b", "c"}}, "  A    B  C\n  abc  b  c\n"},
		"an empty last cell": {[][]string{{"a", ""}}, "  a\n"},
		"folded": {
			[][]string{{"10.0.0.1", strings.Repeat("word ", 14) + "end"}},
			"  10.0.0.1  " + strings.Repeat("word ", 12) + "word\n            word end\n",
		},
		"a long word":  {[][]string{{"10.0.0.1", "1h", long + " (web)"}}, "  10.0.0.1  1h\n      " + long + "\n      (web)\n"},
		"no room":      {[][]string{{strings.Repeat("k", 60), "1h", "www.example.com (web)"}}, "  " + strings.Repeat("k", 60) + "  1h\n      www.example.com (web)\n"},
		"wide letters": {[][]string{{"µ", "x"}, {"mm", "x"}}, "  µ   x\n  mm  x\n"},
	} {
		var out strings.Builder
		if table(&out, "  ", test.rows); out.String() != test.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, out.String(), test.want)
		}
	}
}
