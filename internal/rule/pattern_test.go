package rule

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestPatternExact(t *testing.T) {
	for in, want := range map[string]string{
		"API.example.com": "api.example.com.", "localhost": "localhost.",
		"*.example.com": "", "fe-*.example.com": "", "*": "",
	} {
		name, ok := mustParse(t, in).Exact()
		if name != want || ok != (want != "") {
			t.Errorf("%s: got %q, %v", in, name, ok)
		}
	}
	if name, ok := (Pattern{}).Exact(); ok {
		t.Errorf("the zero pattern is the name %q", name)
	}
}

func TestPatternIsComparable(t *testing.T) {
	if mustParse(t, "API.Example.com.") != mustParse(t, "api.example.com") {
		t.Error("one name makes two patterns")
	}
	if mustParse(t, "*.example.com") == mustParse(t, "example.com") {
		t.Error("a wildcard equals its base")
	}
}

func TestPatternMeets(t *testing.T) {
	for _, test := range []struct {
		pattern string
		zones   string
		others  string
	}{
		{"*", ". com. a.example.com.", ""},
		{"api.example.com", ". com. example.com. api.example.com. API.Example.COM api.example.com",
			"x.api.example.com. i.example.com. pi.example.com. org. xample.com."},
		{"*.example.com", ". com. example.com. a.example.com. b.a.example.com. example.com",
			"org. xexample.com. b.example.org."},
		{"*.com", ". com. example.com.", "org."},
		{"fe-*.example.com", ". com. example.com. fe-1.example.com. fe-.example.com.",
			"gw.example.com. fe.example.com. x.fe-1.example.com. fe-1.example.org. org."},
		{"a*a.example.com", "aa.example.com. aba.example.com.", "a.example.com."},
		{"fe*", ". fe. fe1.", "x. com. fe.com."},
		{"*-x.example.com", `a\.b-x.example.com.`, `a\.b.example.com. a.b-x.example.com. a\045y.example.com.`},
		{"a-x.example.com", `\097\045x.example.com.`, `a\.x.example.com.`},
	} {
		p := mustParse(t, test.pattern)
		for zone := range strings.FieldsSeq(test.zones) {
			if !p.Meets(zone) {
				t.Errorf("%s does not meet %s", p, zone)
			}
		}
		for zone := range strings.FieldsSeq(test.others) {
			if p.Meets(zone) {
				t.Errorf("%s meets %s", p, zone)
			}
		}
	}
	if (Pattern{}).Meets(".") {
		t.Error("the zero pattern meets the root")
	}
	if mustParse(t, "*").Meets(strings.Repeat("a.", 200)) {
		t.Error("met a zone that can't be")
	}
}

// A pattern meets a zone exactly if there is a name in the zone that it matches.
// All names of up to three short labels are enough to find one for patterns and
// zones that are shorter still.
func TestPatternMeetsIfANameDoes(t *testing.T) {
	labels := []string{"a", "b", "aa", "ab", "ba", "bb", "aba", "bab"}
	names := []string{"."}
	for _, x := range labels {
		names = append(names, x+".")
		for _, y := range labels {
			names = append(names, y+"."+x+".")
			for _, z := range labels[:4] {
				names = append(names, z+"."+y+"."+x+".")
			}
		}
	}
	zones := rapid.StringMatching(`((a|b|ab)\.){0,2}`)
	patterns := rapid.StringMatching(`(\*|(\*|a\*|\*b|a\*a|b\*a|a|b|ab)(\.(a|b|ab)){0,1})`)
	rapid.Check(t, func(t *rapid.T) {
		p, zone := mustParse(t, patterns.Draw(t, "pattern")), zones.Draw(t, "zone")
		if zone == "" {
			zone = "."
		}
		witness := ""
		for _, name := range names {
			if matches(p.text, labelsOf(name)) && (zone == "." || name == zone || strings.HasSuffix(name, "."+zone)) {
				witness = name
				break
			}
		}
		if p.Meets(zone) != (witness != "") {
			t.Fatalf("%s meets %s: %v, but in it is %q", p, zone, p.Meets(zone), witness)
		}
	})
}

func mustParse(t interface{ Fatal(...any) }, s string) Pattern {
	p, err := ParsePattern(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
