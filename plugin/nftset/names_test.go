package nftset

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coredns/caddy"
	"github.com/google/go-cmp/cmp"

	"github.com/namewall/namewall/internal/gate"
	"github.com/namewall/namewall/internal/rule"
)

// nameList makes a file of names.
func nameList(t *testing.T, lines ...string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "vendors.names")
	put(t, path, lines...)
	return path
}

// put replaces a file by another, as editors do.
func put(t *testing.T, path string, lines ...string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func TestNamesOfAFile(t *testing.T) {
	path := nameList(t, "a.example.org # one", "", "# two", "*.b.example.org")
	for _, test := range []struct{ root, file string }{
		{"", path}, {"/elsewhere", path}, {filepath.Dir(path), "vendors.names"}, {filepath.Dir(filepath.Dir(path)), filepath.Base(filepath.Dir(path)) + "/vendors.names"},
	} {
		cfg := new(Config)
		text := "nftset web {\n set inet filter web4\n name www.example.org tcp/443\n names " + test.file + " tcp/443 udp/443\n}"
		if _, err := parse(caddy.NewTestController("dns", text), cfg, test.root); err != nil {
			t.Errorf("root '%s': %v", test.root, err)
			continue
		}
		n := cfg.Rules[0].Names[1]
		if got := strings.Join(append(words(n.Patterns), words(n.Services)...), " "); got != "a.example.org *.b.example.org tcp/443 udp/443" || n.File != path {
			t.Errorf("root '%s': %s: %s", test.root, n.File, got)
		}
	}
	t.Chdir(filepath.Dir(path))
	if got := mustParse(t, "nftset web {\n set inet filter web4\n names vendors.names\n}").Rules[0].Names[0].File; got != path {
		t.Errorf("without root: %s", got)
	}
}

// A file is read once for all rules and blocks: they can't differ about it.
func TestNamesAreReadOnce(t *testing.T) {
	path := nameList(t, "a.example.org")
	cfg := new(Config)
	rules := "nftset web {\n set inet filter web4\n names " + path + "\n}\nnftset other {\n set inet filter other4\n names " + path + "\n}"
	if _, err := parse(caddy.NewTestController("dns", rules), cfg, ""); err != nil {
		t.Fatal(err)
	}
	put(t, path, "b..example.org")
	if _, err := parse(caddy.NewTestController("dns", rules), cfg, ""); err != nil {
		t.Errorf("in a second block: %v", err)
	}
	if len(cfg.Rules) != 2 {
		t.Errorf("%d rules of the same text in two blocks", len(cfg.Rules))
	}
}

func TestNamesErrors(t *testing.T) {
	bad := nameList(t, "a.example.org", "b..example.org", "c.example.org", "https://d.example.org/")
	good := nameList(t, "a.example.org")
	for names, want := range map[string][]string{
		bad:                        {":3 ", bad + ":2: 'b..example.org' is no pattern", "(and 1 more bad lines)"},
		good + ".gone":             {":3 ", good + ".gone: no such file", "'name' takes patterns"},
		filepath.Dir(good):         {":3 ", "is no regular file"},
		nameList(t):                {":3 ", ":1: the file is empty"},
		good + " b.example.org":    {":3 ", "'names' takes one file", "'b.example.org'"},
		good + " tcp/443":          {":2 ", "has no ports", "names " + good + " has tcp/443"},
		good + "\n name b tcp/443": {":4 ", "lines with ports and lines without", "Testfile:3"},
	} {
		_, err := parseText(t, "nftset web {\n set inet filter web4 ipv4_addr\n names "+names+"\n}")
		if err == nil {
			t.Errorf("'names %s' is accepted", names)
			continue
		}
		for _, part := range want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("error %q lacks %q", err, part)
			}
		}
	}
}

func TestNamesCanonicalForm(t *testing.T) {
	path := filepath.Join(t.TempDir(), `a "b" c`)
	put(t, path, "a.example.org")
	text := mustParse(t, fmt.Sprintf("nftset web {\n set inet filter web4\n names %s tcp/443\n}", quote(path))).sources["web"].text
	if again := mustParse(t, text).sources["web"]; again.text != text || again.rule.Names[0].File != path {
		t.Errorf("%s is read back as %s", text, again.text)
	}
}

// stats are the files' as the metrics tell them.
func (l *lab) stats() string {
	var all []string
	for _, s := range l.inst.names.stats() {
		all = append(all, fmt.Sprintf("%s %d %v", filepath.Base(s.path), s.patterns, s.refused == nil))
	}
	return strings.Join(all, ", ")
}

// matches tells whether a question falls under a rule, by an address that no rule
// takes.
func (l *lab) matches(name string) bool {
	l.t.Helper()
	return len(l.ask(name+" A", true, false, name+" 300 IN A 10.0.0.1").Answer) == 0
}

// A file that has changed is taken over, or refused as a whole.
func TestNamesFollow(t *testing.T) {
	path := nameList(t, "a.example.com", "b.example.com")
	l := newLab(t, "nftset web {\n set inet filter web4\n names "+path+"\n except b.example.com\n}")
	l.ask("a.example.com. A", true, false, "a.example.com. 300 IN A 198.51.100.1")
	now := func() string {
		out := l.stats() + ":"
		for _, name := range []string{"a", "b", "c", "d"} {
			if l.matches(name + ".example.com.") {
				out += " " + name
			}
		}
		return out
	}
	if got := now(); got != "vendors.names 2 true: a" {
		t.Fatal(got)
	}
	await := func(want string) {
		t.Helper()
		got := ""
		defer func() {
			if t.Failed() {
				t.Logf("last: %s", got)
			}
		}()
		l.await(want, func() bool { got = now(); return got == want })
	}
	put(t, path, "a.example.com", "b.example.com", "c.example.com")
	await("vendors.names 3 true: a c")
	put(t, path, "a.example.com", "d.example.com", "c..example.com")
	await("vendors.names 3 false: a c")
	put(t, path, "a.example.com", "b.example.com", "c.example.com")
	await("vendors.names 3 true: a c")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	await("vendors.names 3 false: a c")
	put(t, path, "d.example.com")
	await("vendors.names 1 true: d")
	l.await("the element of the name that has gone is deleted", func() bool {
		return !strings.Contains(l.ns.Command("", "nft", "list", "set", "inet", "filter", "web4"), "198.51.100.1")
	})
	put(t, path, "# nothing for now")
	await("vendors.names 0 true:")
}

// Whatever has stopped, or has failed before it came into use, doesn't come back
// by a change of a file.
func TestNamesOfWhatHasGone(t *testing.T) {
	path := nameList(t, "a.example.com")
	for name, goes := range map[string]func(*instance, *gate.Instance){
		"replaced": func(i *instance, next *gate.Instance) { i.finish().active.Stop() },
		"failed":   func(i *instance, other *gate.Instance) { other.Keep() },
		"ending":   func(i *instance, next *gate.Instance) { i.finish() },
	} {
		l := newLab(t, "nftset web {\n set inet filter web4\n names "+path+"\n}")
		other := l.gate.Stage(nil, rule.Site{})
		other.Start()
		if !l.inst.renew(path, nil) {
			t.Errorf("%s: nothing changes while it is active", name)
		}
		goes(l.inst, other)
		rules, before := len(l.gate.Rules()), l.inst.current.Load()
		if l.inst.renew(path, nil) || l.inst.current.Load() != before || len(l.gate.Rules()) != rules {
			t.Errorf("%s: it comes back", name)
		}
	}
}

// Server blocks with the same rules share what is made of them.
func TestBlocksWithTheSameRulesAreOne(t *testing.T) {
	l := newLab(t, "nftset web {\n set inet filter web4\n name a.example.com\n}\nnftset more {\n set inet filter web4\n name b.example.com\n}")
	all := l.rules
	l.inst.handlers = []*Handler{{rules: all}, {rules: all[:1]}, {rules: all[:1]}, {rules: all}}
	b := l.inst.stage(l.inst.current.Load().rules).blocks
	if b[0] != b[3] || b[1] != b[2] || b[0] == b[1] {
		t.Error(b)
	}
}

// Only what a file says is changed, and nothing in the rules that are in use.
func TestWithNames(t *testing.T) {
	one, other := nameList(t, "a.example.com"), nameList(t, "b.example.com")
	cfg := mustParse(t, "nftset web {\n set inet filter web4\n names "+one+"\n names "+other+"\n}\nnftset more {\n set inet filter web4\n names "+other+"\n}")
	pattern, err := rule.ParsePattern("c.example.com")
	if err != nil {
		t.Fatal(err)
	}
	show := func(rules []*rule.Rule) (out []string) {
		for _, r := range rules {
			for _, n := range r.Names {
				out = append(out, r.Name+" "+strings.Join(words(n.Patterns), " "))
			}
		}
		return out
	}
	before := show(cfg.Rules)
	next := withNames(cfg.Rules, one, []rule.Pattern{pattern})
	if diff := cmp.Diff([]string{"web c.example.com", "web b.example.com", "more b.example.com"}, show(next)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(before, show(cfg.Rules)); diff != "" || next[1] != cfg.Rules[1] || next[0].Index != 0 {
		t.Errorf("the old rules have changed:\n%s", diff)
	}
}

// BenchmarkNames takes over changes of a file with a hundred thousand names, from
// the file to where the next question falls under what it says.
func BenchmarkNames(b *testing.B) {
	const n = 100_000
	path := filepath.Join(b.TempDir(), "vendors.names")
	text := new(strings.Builder)
	for i := range n {
		fmt.Fprintf(text, "host%d.zone%d.example.com\n", i, i%1000)
	}
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	l := newLab(b, "nftset web {\n set inet filter web4\n names "+path+"\n}")
	for b.Loop() {
		list, err := readList(path)
		if err != nil || len(list.patterns) != n || !l.inst.renew(path, list.patterns) {
			b.Fatal(err)
		}
	}
}
