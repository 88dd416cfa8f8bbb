package rule

import (
	"net/netip"
	"regexp"
	"strings"
	"testing"
)

func TestParsePattern(t *testing.T) {
	label63 := strings.Repeat("x", 63)
	name253 := strings.Join([]string{label63, label63, label63, label63[:61]}, ".")
	for _, test := range []struct{ name, in, want string }{
		{"name", "api.example.com", "api.example.com"},
		{"case and final dot", "API.Example.COM.", "api.example.com"},
		{"below", "*.Example.com", "*.example.com"},
		{"below a top-level domain", "*.com", "*.com"},
		{"every name", "*", "*"},
		{"one label", "localhost", "localhost"},
		{"glob", "FE-*.example.com.", "fe-*.example.com"},
		{"glob with suffix", "*-fe.example.com", "*-fe.example.com"},
		{"glob with both", "a*b.example.com", "a*b.example.com"},
		{"glob of one label", "fe*", "fe*"},
		{"service labels", "_sip._tcp.example.com", "_sip._tcp.example.com"},
		{"hyphens in the third place", "r3---sn-5hne6.example.com", "r3---sn-5hne6.example.com"},
		{"hyphen at the end", "-a-.example.com", "-a-.example.com"},
		{"digits", "0.1.example", "0.1.example"},
		{"U-label", "bücher.example", "xn--bcher-kva.example"},
		{"U-label in capitals", "BÜCHER.example", "xn--bcher-kva.example"},
		{"decomposed", "bu\u0308cher.example", "xn--bcher-kva.example"},
		{"sharp s stays", "straße.example", "xn--strae-oqa.example"},
		{"right to left", "*.דוגמה.example", "*.xn--6dbbec0c.example"},
		{"ideographic dots", "例え。テスト。", "xn--r8jz45g.xn--zckzah"},
		{"full width", "ａｐｉ．example", "api.example"},
		{"A-label", "XN--bcher-KVA.example", "xn--bcher-kva.example"},
		{"glob over A-labels", "xn--bcher-*.example", "xn--bcher-*.example"},
		{"glob below a U-label", "fe-*.bücher.example", "fe-*.xn--bcher-kva.example"},
		{"mixed with an odd ASCII label", "r3---sn.bücher.example", "r3---sn.xn--bcher-kva.example"},
		{"longest name", name253 + ".", name253},
		{"longest glob", "*" + name253, "*" + name253},
		{"longest below", "*." + name253[2:], "*." + name253[2:]},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, err := ParsePattern(test.in)
			if err != nil || p.String() != test.want {
				t.Errorf("got %q, %v; want %q", p, err, test.want)
			}
		})
	}
}

func TestParsePatternErrors(t *testing.T) {
	label63 := strings.Repeat("x", 63)
	name253 := strings.Join([]string{label63, label63, label63, label63[:61]}, ".")
	for _, test := range []struct{ in, remedy string }{
		{"", "write a name"},
		{".", "write * for every name"},
		{"*.", "write * for every name"},
		{"*。", "write * for every name"},
		{".example.com", "write *.example.com for the names below, and example.com for the name itself"},
		{"..", "write * for every name"},
		{"..example.com", "write *.example.com for the names below, and example.com for the name itself"},
		{"**", "one *, in the leftmost label"},
		{"**.example.com", "one *, in the leftmost label"},
		{"a*b*c.example.com", "one *, in the leftmost label"},
		{"*.*.x", "one *, in the leftmost label"},
		{"foo.*.example.com", "write *.example.com for all names below"},
		{"192.0.2.*", "one *, in the leftmost label"},
		{"example.*", "one *, in the leftmost label"},
		{"a b", "one name a word"},
		{"a\tb", "one name a word"},
		{"-", "a label of hyphens alone"},
		{"---.example.com", "a label of hyphens alone"},
		{"a..example.com", "write one dot between labels"},
		{"example.com..", "write one dot between labels"},
		{"*..example.com", "write one dot between labels"},
		{"fe-*..com", "write one dot between labels"},
		{"a.\u00ad.example.com", "write one dot between labels"},
		{label63 + "x.example.com", "longer than 63 characters"},
		{label63 + "x*.example.com", "longer than 63 characters"},
		{strings.Repeat("ü", 60) + ".example.com", "longer than 63 characters"},
		{name253 + "x", "longer than the 253 characters"},
		{"**" + name253, "one *, in the leftmost label"},
		{"*" + name253 + "x", "longer than the 253 characters"},
		{"*." + name253[1:], "longer than the 253 characters"},
		{"https://api.example.com/x", "write the host's name alone"},
		{"api.example.com:443", "as in tcp/443"},
		{"tcp/443", "as in tcp/443"},
		{"api.example.com/", "as in tcp/443"},
		{"192.0.2.1", "nftables rule itself"},
		{"192.0.2.1.", "nftables rule itself"},
		{"192.0.2.1:53", "nftables rule itself"},
		{"192.0.2.0/24", "nftables rule itself"},
		{"2001:db8::1", "nftables rule itself"},
		{"[2001:db8::1]", "nftables rule itself"},
		{"[2001:db8::1]:53", "nftables rule itself"},
		{"fe80::1%eth0", "nftables rule itself"},
		{"2001:db8::/32", "nftables rule itself"},
		{"１９２.0.2.1", "nftables rule itself"},
		{`a\.b.example.com`, "stands for any characters"},
		{"a,b.example.com", "use letters, digits"},
		{"fe-*,.example.com", "use letters, digits"},
		{"a?.example.com", "use letters, digits"},
		{"[a-z].example.com", "use letters, digits"},
		{"a\x00.example.com", "use letters, digits"},
		{"~x", "use letters, digits"},
		{"bü*.example.com", "write the A-label"},
		{"foo＊.example.com", "use letters, digits"},
		{"a．＊.example.com", "use letters, digits"},
		{"a\xffb.example.com", "not in UTF-8"},
		{"a\ufffdb.example.com", "not in UTF-8"},
		{"א1a.example", "can't be a label"},
		{"xn--ü.example", "can't be a label"},
	} {
		t.Run(test.in, func(t *testing.T) {
			p, err := ParsePattern(test.in)
			if err == nil {
				t.Fatalf("accepted as %q", p)
			}
			if !strings.HasPrefix(err.Error(), "'"+test.in+"' is no pattern: ") || !strings.Contains(err.Error(), test.remedy) {
				t.Errorf("unhelpful: %v", err)
			}
			if p != (Pattern{}) {
				t.Errorf("%q comes with an error", p)
			}
		})
	}
}

// asciiPattern is what an ASCII pattern looks like, but for lengths, addresses
// and labels of hyphens.
var asciiPattern = regexp.MustCompile(`^(\*|(\*\.|[a-z0-9_-]*\*[a-z0-9_-]*\.)?([a-z0-9_-]+\.)*[a-z0-9_-]+|[a-z0-9_-]*\*[a-z0-9_-]*)$`)

func FuzzPattern(f *testing.F) {
	for _, seed := range []string{
		"api.example.com", "*.example.com.", "FE-*.example.com", "*", "*.", ".", "**", "bücher.example", "例え。テスト",
		"foo.*.example.com", "192.0.2.1", "-", "xn--a", "a＊", "１.１.１.１", "\u200d.x", "*-*", "ⅷ.example", "K.example",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePattern(s)
		if err == nil {
			checkCanonical(t, p)
		} else if !strings.HasPrefix(err.Error(), "'"+s+"' is no pattern: ") || p != (Pattern{}) {
			t.Errorf("%q: %q, %v", s, p, err)
		}
		if !ascii(s) {
			return
		}
		// For ASCII a regular expression can tell.
		text := strings.ToLower(s)
		if text != "*." {
			text = strings.TrimSuffix(text, ".")
		}
		if want := wellFormed(text); want != (err == nil) || want && p.String() != text {
			t.Errorf("%q: %q, %v; want %v", s, p, err, want)
		}
	})
}

func wellFormed(text string) bool {
	longest := 253
	for i, label := range strings.Split(text, ".") {
		if glob := strings.Contains(label, "*"); glob && label != "*" {
			label, longest = label[1:], 254
		} else if i >= 0 && !glob && strings.Trim(label, "-") == "" {
			return false
		}
		if len(label) > 63 {
			return false
		}
	}
	_, err := netip.ParseAddr(text)
	return err != nil && len(text) <= longest && asciiPattern.MatchString(text)
}

// checkCanonical checks what holds for every pattern.
func checkCanonical(t *testing.T, p Pattern) {
	t.Helper()
	if !wellFormed(p.String()) {
		t.Errorf("%q is not canonical", p)
	}
	for _, s := range []string{p.String(), strings.ToUpper(p.String()), p.String() + "."} {
		if again, err := ParsePattern(s); s != "*." && (err != nil || again != p) {
			t.Errorf("%q reads back as %q, %v", s, again, err)
		}
	}
	if !p.Meets(".") {
		t.Errorf("%q matches nothing", p)
	}
	if name, ok := p.Exact(); ok {
		if hits := NewMatcher([]*Rule{{Names: []Names{{Patterns: []Pattern{p}}}}}).Match(nil, name, netip.Addr{}); len(hits) != 1 {
			t.Errorf("%q does not match itself", p)
		}
	}
}
