package rule

import (
	"fmt"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

// told is a list's patterns, or its bad lines by number.
func told(text string) string {
	patterns, bad := ParseList(text)
	var out []string
	for _, p := range patterns {
		out = append(out, p.String())
	}
	for _, b := range bad {
		out = append(out, fmt.Sprintf("%d!", b.Number))
	}
	return strings.Join(out, " ")
}

func TestParseList(t *testing.T) {
	for text, want := range map[string]string{
		"a.example\nb.example":                              "a.example b.example",
		"a.example\r\n\r\n*.b.example\r\n":                  "a.example *.b.example",
		"# vendors\n\n  A.example. # the API\n#b.example\n": "a.example",
		"\ufefffe-*.example\n*\n\tü.example \n":             "fe-*.example * xn--tda.example",
		"a.example\na.example\n":                            "a.example a.example",
		"# nothing for now\n":                               "",
		"\n":                                                "",
		"":                                                  "1!",
		"a.example\nb..example\n# c\nhttps://d.example/\ne.example": "2! 4!",
		"a.example tcp/443\n0.0.0.0 b.example\nc.example,\n":        "1! 2! 3!",
		"a.example\x00\n\x1b[31mb.example\n\xff\n":                  "1! 2! 3!",
		strings.Repeat("x", maxListLine+1):                          "1!",
	} {
		if got := told(text); got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

func TestBadLinesSayWhatToWrite(t *testing.T) {
	for line, want := range map[string]string{
		"":                                "leave a comment in it",
		"a.example tcp/443":               "'tcp/443' stands behind 'a.example': write one pattern a line",
		"a\x00b":                          `'\x00' can't be in a name: write the list as text`,
		"a\x1b[31m b\x07":                 `'\x1b' can't be in a name: write the list as text`,
		"a\xff\xfe b\xff":                 `"a\xff\xfe b\xff" is no text in UTF-8: write the list as such`,
		strings.Repeat("a.example,", 200): "the line has 2000 bytes",
		"192.0.2.1":                       "is an address",
	} {
		if _, bad := ParseList(line); len(bad) != 1 || !strings.Contains(bad[0].Err.Error(), want) {
			t.Errorf("%q: %v, want %q", line, bad, want)
		}
	}
}

func TestListsAreBounded(t *testing.T) {
	if _, bad := ParseList(strings.Repeat("a..b\n", 10*maxBadLines)); len(bad) != maxBadLines {
		t.Errorf("%d bad lines told of", len(bad))
	}
	full := strings.Repeat("a.example # one of many\n", MaxListPatterns)
	if patterns, bad := ParseList(full); len(patterns) != MaxListPatterns || bad != nil {
		t.Errorf("%d patterns, %v", len(patterns), bad)
	}
	if _, bad := ParseList(full + "a.example\n"); len(bad) != 1 || bad[0].Number != MaxListPatterns+1 {
		t.Errorf("one too many: %v", bad)
	}
}

// FuzzParseList compares with a reading that is slow and plain: characters become
// lines, words, and patterns one by one.
func FuzzParseList(f *testing.F) {
	for _, seed := range []string{
		"a.example\n*.b.example # below\n\n# c.example\nfe-*.d.example\r\n",
		"\ufeffa.example\n", "a.example b.example\nc..d\n*", "ü.example\n\xff\xfe\n\x00", "#", "\n\n", "a#b\n#\n##\n", "a.example\v\f\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var want []string
		var bad []int
		for i, line := range strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n") {
			if at := strings.IndexByte(line, '#'); at >= 0 {
				line = line[:at]
			}
			words := strings.Fields(line)
			if len(words) == 0 {
				continue
			}
			p, err := ParsePattern(words[0])
			if err != nil || len(words) > 1 || len(words[0]) > maxListLine || strings.ContainsFunc(words[0], unicode.IsControl) {
				bad = append(bad, i+1)
				continue
			}
			want = append(want, p.String())
		}
		if text == "" {
			bad = []int{1}
		}
		patterns, badLines := ParseList(text)
		if len(bad) > 0 {
			var got []int
			for _, b := range badLines {
				got = append(got, b.Number)
			}
			if diff := cmp.Diff(bad[:min(len(bad), maxBadLines)], got); diff != "" || patterns != nil {
				t.Fatalf("bad lines (-want +got):\n%s%d patterns", diff, len(patterns))
			}
			return
		}
		var got []string
		for _, p := range patterns {
			got = append(got, p.String())
			if again, err := ParsePattern(p.String()); err != nil || again != p {
				t.Fatalf("%q is read back as %v, %v", p, again, err)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" || badLines != nil {
			t.Fatalf("patterns (-want +got):\n%s%v", diff, badLines)
		}
	})
}

// A site with a list of this size starts, and takes over a change of it, within
// a second.
func BenchmarkParseList(b *testing.B) {
	const n = 100_000
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "host%d.zone%d.example.com\n", i, i%1000)
	}
	b.ReportAllocs()
	for b.Loop() {
		if patterns, _ := ParseList(text.String()); len(patterns) != n {
			b.Fatalf("%d patterns", len(patterns))
		}
	}
}
