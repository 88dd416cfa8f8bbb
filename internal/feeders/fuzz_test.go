package feeders

import (
	"regexp"
	"strings"
	"testing"

	"github.com/namewall/namewall/internal/rule"
)

var validRule = regexp.MustCompile(`^[a-z0-9-]{1,63}$`)

// Whatever lines say, what comes of them are rules that a Corefile can have.
func FuzzLines(f *testing.F) {
	f.Add("nftset=/example.com/#/4#inet#fw4#vpn4,6#inet#fw4#vpn6 # comment\nipset=/b\u00fccher.example/vpn\nnftset=\"/a/t#s\"\n")
	f.Add("nftset /example.com/#4:inet#t#s,#6:-\ndomain-rules /*.example.com/ -t #4:ip#t#s\nipset -\ngroup-begin x\n")
	f.Add("a,b/c,d\n/x\n")
	f.Fuzz(func(t *testing.T, text string) {
		dnsmasq := dnsmasqReader{config: &Config{firstWins: true}}
		smart := smartReader{config: new(Config), lists: map[string][]string{"x": {"example.com", "*.example.net"}}}
		guard := new(Config)
		at := Place{File: "conf"}
		for line := range strings.Lines(text) {
			at.Line++
			if plain, err := dnsmasqLine(line); err == nil {
				name, value, _ := strings.Cut(plain, "=")
				if !strings.HasPrefix(name, "conf") { // other files
					_ = dnsmasq.option(at, line, name, value)
				}
			}
			if words := smartWords(line); len(words) > 0 && words[0] != "conf-file" && words[0] != "domain-set" {
				_ = smart.line(at, line, words)
			}
			guard.ipsetLine(at, line)
		}
		for _, c := range []*Config{dnsmasq.config, smart.config, guard} {
			c.Settle(Types{})
			sound(t, c.Rules())
		}
	})
}

// sound fails unless rules can stand in a Corefile.
func sound(t *testing.T, rules []*Rule) {
	t.Helper()
	names := make(map[string]bool)
	for _, r := range rules {
		if !validRule.MatchString(r.Name) || names[r.Name] || len(r.Targets) == 0 || len(r.Names) == 0 {
			t.Fatalf("%s", show([]*Rule{r}))
		}
		names[r.Name] = true
		var patterns []string
		for _, n := range r.Names {
			patterns = append(patterns, n.Patterns...)
		}
		for _, e := range r.Except {
			patterns = append(patterns, e.Pattern)
		}
		for _, p := range patterns {
			if _, err := rule.ParsePattern(p); err != nil {
				t.Fatal(err)
			}
		}
	}
}
