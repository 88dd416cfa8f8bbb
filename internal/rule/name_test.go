package rule

import (
	"strings"
	"testing"
)

func TestFold(t *testing.T) {
	for _, test := range []struct{ name, in, want string }{
		{"root", ".", ""},
		{"nothing", "", ""},
		{"name", "api.example.com.", "api.example.com"},
		{"no final dot", "api.example.com", "api.example.com"},
		{"dot in a label", `a\.b.example.com.`, "a\x00b.example.com"},
		{"dot in a label, by number", `a\046b.example.com.`, "a\x00b.example.com"},
		{"dot at the end of the last label", `example.com\.`, "example.com\x00"},
		{"and the final one", `example.com\..`, "example.com\x00"},
		{"backslash", `a\\.example.com.`, "a\x00.example.com"},
		{"backslash before a dot in a label", `a\\\.b.com.`, "a\x00\x00b.com"},
		{"blank", `a\032b.com.`, "a\x00b.com"},
		{"digits behind a blank", `a\0321.com.`, "a\x001.com"},
		{"needless escapes", `\a\112\073.com.`, "api.com"},
		{"an octet that is none", `\353.com.`, "\x00.com"},
		{"an escape at the end", `com\046`, "com\x00"},
		{"short number", `\04.com.`, "04.com"},
		{"torn", `com\`, "com\x00"},
		{"longest", strings.Repeat("a.", 127), strings.Repeat("a.", 126) + "a"},
		{"longest on the wire, longer in presentation", strings.Repeat(`\000`, 63) + "." + strings.Repeat(`\000`, 63) + "." + strings.Repeat(`\000`, 63) + "." + strings.Repeat(`\000`, 61) + ".",
			strings.Repeat("\x00", 63) + "." + strings.Repeat("\x00", 63) + "." + strings.Repeat("\x00", 63) + "." + strings.Repeat("\x00", 61)},
	} {
		t.Run(test.name, func(t *testing.T) {
			var buf [maxName + 1]byte
			got, ok := fold(buf[:0], test.in)
			if !ok || string(got) != test.want {
				t.Errorf("got %q, %v; want %q", got, ok, test.want)
			}
			if &got[:1][0] != &buf[0] {
				t.Error("the room was not used")
			}
		})
	}
	for _, in := range []string{strings.Repeat("a.", 126) + "aa.", strings.Repeat("a.", 126) + "aa", strings.Repeat(`\000`, 254), strings.Repeat(`\000`, 253) + ".a."} {
		if got, ok := fold(nil, in); ok {
			t.Errorf("%q was taken for a name: %q", in, got)
		}
	}
}
