package rule

import (
	"strings"
	"testing"
)

func TestParsePrefix(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.0/24":   "192.0.2.0/24",
		"0.0.0.0/0":      "0.0.0.0/0",
		"192.0.2.1":      "192.0.2.1/32",
		"2001:db8::/32":  "2001:db8::/32",
		"2001:DB8::1":    "2001:db8::1/128",
		"64:ff9b::/96":   "64:ff9b::/96",
		"::/0":           "::/0",
		"::ffff:0:0/95":  "",
		"::fffe:0:0/95":  "::fffe:0:0/95",
		"::192.0.2.0/96": "",
	} {
		p, err := ParsePrefix(in)
		if want == "" && err == nil || want != "" && (err != nil || p.String() != want) {
			t.Errorf("%s: got %v, %v", in, p, err)
		}
	}
}

func TestParsePrefixErrors(t *testing.T) {
	for in, remedy := range map[string]string{
		"":                     "write 192.0.2.0/24 or 2001:db8::/32",
		"example.com":          "write 192.0.2.0/24 or 2001:db8::/32",
		"192.0.2.0/33":         "write 192.0.2.0/24 or 2001:db8::/32",
		"192.0.2":              "write 192.0.2.0/24 or 2001:db8::/32",
		"192.0.2.0-192.0.2.9":  "write 192.0.2.0/24 or 2001:db8::/32",
		"192.0.2.1/24":         "write 192.0.2.0/24",
		"2001:db8::1/32":       "write 2001:db8::/32",
		"fe80::1%eth0":         "write fe80::1",
		"fe80::%eth0/10":       "write fe80::",
		"::ffff:192.0.2.0/120": "write 192.0.2.0/24",
		"::ffff:192.0.2.1":     "write 192.0.2.1",
		"::ffff:192.0.2.1/120": "write 192.0.2.0/24",
		"::ffff:0:0/96":        "write 0.0.0.0/0",
	} {
		if p, err := ParsePrefix(in); err == nil || !strings.Contains(err.Error(), "'"+in+"'") || !strings.HasSuffix(err.Error(), remedy) {
			t.Errorf("%s: got %v, %v", in, p, err)
		}
	}
}
