package rule

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/internal/set"
)

var (
	https  = []set.Service{{Proto: 6, Port: 443}}
	agents = []set.Service{{Proto: 6, Port: 2804}}
)

// lineOf is a name line of blank-separated patterns.
func lineOf(t interface{ Fatal(...any) }, patterns string, services ...set.Service) Names {
	n := Names{Services: services}
	for s := range strings.FieldsSeq(patterns) {
		n.Patterns = append(n.Patterns, mustParse(t, s))
	}
	return n
}

// hits describes what matches: "a:443 b" is the line of rule a that opens 443,
// and a line of rule b that opens whole addresses.
func hits(m *Matcher, name string, client netip.Addr) string {
	var words []string
	for _, match := range m.Match(nil, name, client) {
		word := match.Rule.Name
		for _, s := range match.Services {
			word += fmt.Sprintf(":%d", s.Port)
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

func TestMatchPatterns(t *testing.T) {
	for _, test := range []struct{ pattern, names, others string }{
		{"api.example.com", "api.example.com.",
			`. com. example.com. www.example.com. x.api.example.com. api.example.org. xapi.example.com. api.example.com.org. api\.example.com. x\.api.example.com.`},
		{"*.example.com", `a.example.com. b.a.example.com. *.example.com. a\.b.example.com. \032.example.com. _sip._tcp.example.com.`,
			`. com. example.com. aexample.com. a\.example.com. a.b\.example.com. a.example.org. a.example.com.org. example\.com.`},
		{"fe-*.example.com", `fe-.example.com. fe-1.example.com. fe-fe-.example.com. fe-*.example.com. fe-\.x.example.com. fe-\\.example.com.`,
			`fe.example.com. x.fe-1.example.com. xfe-1.example.com. fe-1.x.example.com. fe-1.example.org. fe-1\.example.com. example.com. fe-1.com.`},
		{"*-fe.example.com", `-fe.example.com. x-fe.example.com. x\.y-fe.example.com. \\-fe.example.com.`,
			`fe.example.com. x-fe-.example.com. x.x-fe\.example.com. x-fe.x.example.com. x.x-fe.example.com. a\.x-fe.`},
		{"a*a.example.com", "aa.example.com. aaa.example.com. aba.example.com.", "a.example.com. ab.example.com. ba.example.com."},
		{"*32.example.com", `32.example.com. x32.example.com. \03232.example.com. \03132.example.com.`, `\032.example.com. x\032.example.com. \132.example.com.`},
		{"fe*", "fe. fe1.", "fe.example. f. fe.fe."},
		{"*com", "com. xcom.", "x.com."},
		{"*.com", "example.com. www.example.com.", "com. org. xcom."},
		{"*", `. com. api.example.com. \..`, ""},
	} {
		t.Run(test.pattern, func(t *testing.T) {
			m := NewMatcher([]*Rule{{Name: "r", Names: []Names{lineOf(t, test.pattern)}}})
			for name := range strings.FieldsSeq(test.names) {
				if hits(m, name, netip.Addr{}) != "r" {
					t.Errorf("%s is missed", name)
				}
			}
			for name := range strings.FieldsSeq(test.others) {
				if hits(m, name, netip.Addr{}) != "" {
					t.Errorf("%s is hit", name)
				}
			}
		})
	}
}

// Globs of all shapes below one name don't get into one another's way.
func TestMatchGlobsOfOneName(t *testing.T) {
	var rules []*Rule
	for i, glob := range []string{"a*", "aaa*", "a*b", "a*aab", "*b", "*aab", "aaa*b"} {
		rules = append(rules, &Rule{Index: i, Name: glob, Names: []Names{lineOf(t, glob+".example.com")}})
	}
	m := NewMatcher(rules)
	for name, want := range map[string]string{
		"a": "a*", "b": "*b", "ab": "a* a*b *b", "aaa": "a* aaa*", "aab": "a* a*b *b *aab", "aaab": "a* aaa* a*b a*aab *b *aab aaa*b",
		"caab": "*b *aab", "aaac": "a* aaa*", "c": "",
	} {
		if got := hits(m, name+".example.com.", netip.Addr{}); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestMatchNeverANameTooLong(t *testing.T) {
	m := NewMatcher([]*Rule{{Name: "r", Names: []Names{lineOf(t, "*")}}})
	if got := hits(m, strings.Repeat("a.", 128), netip.Addr{}); got != "" {
		t.Errorf("got %s", got)
	}
}

// FusionReactor's two names have a port each; a name may be on several lines.
func TestMatchLines(t *testing.T) {
	m := NewMatcher([]*Rule{{Name: "r", Names: []Names{
		lineOf(t, "cc.fusionreactor.io", agents...),
		lineOf(t, "api.fusionreactor.io", https...),
		lineOf(t, "*.fusionreactor.io cc.fusionreactor.io c*.fusionreactor.io cc.fusionreactor.io"),
	}}})
	for name, want := range map[string]string{
		"cc.fusionreactor.io.":  "r:2804 r",
		"api.fusionreactor.io.": "r:443 r",
		"www.fusionreactor.io.": "r",
		"fusionreactor.io.":     "",
	} {
		if got := hits(m, name, netip.Addr{}); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

func TestMatchOrder(t *testing.T) {
	rule := func(index int, lines ...Names) *Rule {
		return &Rule{Name: string(rune('a' + index)), Index: index, Names: lines}
	}
	any, exact := lineOf(t, "*"), lineOf(t, "api.example.com", https...)
	m := NewMatcher([]*Rule{rule(2, exact, any), rule(0, any, exact), rule(1, exact)})
	dst := []Match{{Rule: &Rule{Name: "before"}}}
	dst = m.Match(dst, "api.example.com.", netip.Addr{})
	if dst[0].Rule.Name != "before" {
		t.Error("what was in dst is gone")
	}
	if got := hits(m, "api.example.com.", netip.Addr{}); got != "a a:443 b:443 c:443 c" || len(dst) != 6 {
		t.Errorf("got %s", got)
	}
}

func TestMatchExcept(t *testing.T) {
	out := &Rule{Name: "out", Names: []Names{lineOf(t, "*.example.com test.example.com", https...), lineOf(t, "*")},
		Except: lineOf(t, "test.example.com *.test.example.com dev-*.example.com").Patterns}
	all := &Rule{Name: "all", Index: 1, Names: []Names{lineOf(t, "*.example.com")}}
	m := NewMatcher([]*Rule{out, all})
	for name, want := range map[string]string{
		"www.example.com.":    "out:443 out all",
		"test.example.com.":   "all",
		"a.test.example.com.": "all",
		"dev-1.example.com.":  "all",
		"example.org.":        "out",
	} {
		if got := hits(m, name, netip.Addr{}); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
		excepted := !strings.Contains(want, "out")
		if m.Excepted(out, name) != excepted || m.Excepted(all, name) {
			t.Errorf("%s: excepted %v and %v", name, m.Excepted(out, name), m.Excepted(all, name))
		}
	}
	stranger := &Rule{Except: out.Except}
	if !m.Excepted(stranger, "www.example.com.") {
		t.Error("a rule of another configuration takes names")
	}
}

func TestMatchClients(t *testing.T) {
	clients := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/25"), netip.MustParsePrefix("192.0.2.192/26"), netip.MustParsePrefix("2001:db8::/64")}
	m := NewMatcher([]*Rule{
		{Name: "some", Names: []Names{lineOf(t, "*", https...), lineOf(t, "*")}, Clients: clients},
		{Name: "all", Index: 1, Names: []Names{lineOf(t, "*")}},
		{Name: "every4", Index: 2, Names: []Names{lineOf(t, "*")}, Clients: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}},
		{Name: "every6", Index: 3, Names: []Names{lineOf(t, "*")}, Clients: []netip.Prefix{netip.MustParsePrefix("::/0")}},
	})
	for client, want := range map[string]string{
		"192.0.2.1":        "some:443 some all every4",
		"192.0.2.130":      "all every4",
		"192.0.2.200":      "some:443 some all every4",
		"::ffff:192.0.2.1": "some:443 some all every4",
		"2001:db8::9%eth0": "some:443 some all every6",
		"2001:db8:0:1::9":  "all every6",
		"255.255.255.255":  "all every4",
	} {
		if got := hits(m, "api.example.com.", netip.MustParseAddr(client)); got != want {
			t.Errorf("%s: got %q, want %q", client, got, want)
		}
	}
	if got := hits(m, "api.example.com.", netip.Addr{}); got != "all" {
		t.Errorf("an unknown client: got %q", got)
	}
}

func TestMatcherEmpty(t *testing.T) {
	for _, test := range []struct {
		name  string
		rules []*Rule
		want  bool
	}{
		{"no rules", nil, true},
		{"a rule without names", []*Rule{{Except: lineOf(t, "*").Patterns}}, true},
		{"a line without patterns", []*Rule{{Names: []Names{{}}}}, true},
		{"a name", []*Rule{{}, {Index: 1, Names: []Names{lineOf(t, "a")}}}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := NewMatcher(test.rules)
			if m.Empty() != test.want {
				t.Errorf("empty: %v", m.Empty())
			}
			if got := hits(m, "b.", netip.Addr{}); got != "" {
				t.Errorf("got %q", got)
			}
		})
	}
}

// More lines than fit the room on the stack still match, once each and in order.
func TestMatchManyRules(t *testing.T) {
	var rules []*Rule
	for i := range 3 * usualHits {
		rules = append(rules, &Rule{Index: i, Names: []Names{lineOf(t, "* *.example.com"), lineOf(t, "api.example.com *i.example.com")}})
	}
	got := NewMatcher(rules).Match(nil, "api.example.com.", netip.Addr{})
	if len(got) != 2*len(rules) {
		t.Fatalf("%d matches", len(got))
	}
	for i, match := range got {
		if match.Rule != rules[i/2] {
			t.Fatalf("match %d is of rule %d", i, match.Rule.Index)
		}
	}
}

func TestNewMatcherLeavesItsInput(t *testing.T) {
	a, b := &Rule{Index: 1}, &Rule{Index: 0}
	rules := []*Rule{a, b}
	NewMatcher(rules)
	if rules[0] != a || rules[1] != b {
		t.Error("the caller's rules are in another order")
	}
}

// Patterns that many lines share cost a list element each, and nothing else.
func TestNewMatcherIsLinear(t *testing.T) {
	const rules, patterns = 100, 100
	var all []*Rule
	for i := range rules {
		var n Names
		for j := range patterns {
			p := mustParse(t, fmt.Sprintf("fe%d-*-x.example.com", j))
			n.Patterns = append(n.Patterns, p, p)
		}
		all = append(all, &Rule{Index: i, Names: []Names{n}})
	}
	m := NewMatcher(all)
	// Each is twice in its line, and one list element.
	if got := len(m.trie.refs) - 1; got != rules*patterns {
		t.Errorf("%d list elements", got)
	}
	// com, example.com; each glob, and its part before the *.
	if got := m.trie.nodes.taken; got != 2+2*patterns {
		t.Errorf("%d nodes", got)
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	m, names := benchMatcher(t, 1000)
	names = append(names, "www.google.com.", `a\.b.example.com.`, strings.Repeat(`\001`, 60)+".host1.zone1.example.com.", ".", strings.Repeat(`\000`, 400))
	dst := make([]Match, 0, 8)
	excepting := m.lines[0].of.rule
	n := testing.AllocsPerRun(100, func() {
		for _, name := range names {
			dst = m.Match(dst[:0], name, netip.Addr{})
			m.Excepted(excepting, name)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzMatch compares the matcher with the definition of patterns, for names as
// they come from the wire. What it is given is cut into words: three rules'
// patterns, what they except, and the name's labels.
func FuzzMatch(f *testing.F) {
	f.Add("api.example.com *.example.com", "fe-*.example.com", "*", "test.example.com", "api|example|com")
	f.Add("*.b", "a*.b *a.b a*a.b", "*.a.b", "*.a.a.b", "a|a|b")
	f.Add("*32.x", `b.x`, "a.b.x", "", "a.b|x")
	f.Add("a*.x aaa*.x a*b.x a*aab.x", "*b.x *aab.x", "a* aaa* *b", "aa*.x a*ab.x", "aaaaab|x")
	f.Add("*", "com", "*com", "c*m", "\x20|\\|*")
	f.Fuzz(func(t *testing.T, first, second, third, except, name string) {
		texts := [][]string{patternsIn(first), patternsIn(second), patternsIn(third)}
		excepted := patternsIn(except)
		rules := []*Rule{
			{Index: 0, Names: []Names{lineOf(t, strings.Join(texts[0], " ")), lineOf(t, strings.Join(texts[1], " "))}},
			{Index: 1, Names: []Names{lineOf(t, strings.Join(texts[2], " "))}, Except: lineOf(t, strings.Join(excepted, " ")).Patterns},
		}
		wire, labels := wireName(name)
		text, _, err := dns.UnpackDomainName(wire, 0)
		if err != nil {
			return // the name is too long
		}

		any := func(patterns []string) bool {
			for _, p := range patterns {
				if matches(p, labels) {
					return true
				}
			}
			return false
		}
		var want []*Rule
		for i, r := range []*Rule{rules[0], rules[0], rules[1]} {
			if any(texts[i]) && !(i == 2 && any(excepted)) {
				want = append(want, r)
			}
		}
		m := NewMatcher(rules)
		got := m.Match(nil, text, netip.Addr{})
		if len(got) != len(want) {
			t.Fatalf("%q has %d matches, want %d", text, len(got), len(want))
		}
		for i := range got {
			if got[i].Rule != want[i] {
				t.Errorf("match %d is of rule %d", i, got[i].Rule.Index)
			}
		}
		if m.Excepted(rules[1], text) != any(excepted) {
			t.Errorf("excepted: %v", m.Excepted(rules[1], text))
		}
	})
}

// patternsIn are the canonical texts of those words of s that are patterns.
func patternsIn(s string) []string {
	var texts []string
	for word := range strings.FieldsSeq(s) {
		if p, err := ParsePattern(word); err == nil {
			texts = append(texts, p.String())
		}
	}
	return texts
}

// wireName makes a name of labels between '|', in lower case.
func wireName(s string) (wire []byte, labels []string) {
	for label := range strings.SplitSeq(s, "|") {
		if label == "" || len(label) > 63 {
			continue
		}
		raw := []byte(label)
		for i := range raw {
			raw[i] = lower(raw[i])
		}
		labels = append(labels, string(raw))
		wire = append(append(wire, byte(len(raw))), raw...)
	}
	return append(wire, 0), labels
}
