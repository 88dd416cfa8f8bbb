package feeders

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

// names are what the properties are tried on: few labels, so that lines meet.
var names = rapid.Custom(func(t *rapid.T) string {
	return strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 4).Draw(t, "labels"), ".")
})

func target(name string) Target {
	return Target{ID: set.ID{Family: set.Inet, Table: "t", Name: name}, Family: IPv4}
}

// assignments draws lines of a program.
func assignments(t *rapid.T, channels int, ipsets, final, halves bool) []*Assignment {
	var all []*Assignment
	for i := range rapid.IntRange(1, 8).Draw(t, "lines") {
		a := &Assignment{Place: Place{"conf", i + 1}, Channel: rapid.IntRange(0, channels-1).Draw(t, "channel"), IPSets: ipsets && rapid.Bool().Draw(t, "ipsets")}
		for range rapid.IntRange(1, 3).Draw(t, "domains") {
			d := Domain{Name: names.Draw(t, "domain"), Apex: true, Below: true}
			if halves && d.Name != "" {
				d.Apex = rapid.Bool().Draw(t, "apex")
				d.Below = !d.Apex || rapid.Bool().Draw(t, "below")
			}
			a.Domains = append(a.Domains, d)
		}
		if a.Final = final && rapid.IntRange(0, 3).Draw(t, "final") == 0; !a.Final {
			for range rapid.IntRange(1, 2).Draw(t, "sets") {
				a.Targets = append(a.Targets, target(rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "set")))
			}
		}
		all = append(all, a)
	}
	return all
}

// fed are the sets that rules feed with a name, as the plugin does it.
func fed(t *rapid.T, rules []*Rule, name string) []string {
	var all []*rule.Rule
	for i, r := range rules {
		out := &rule.Rule{Name: r.Name, Index: i}
		for _, e := range r.Except {
			out.Except = append(out.Except, pattern(t, e.Pattern))
		}
		for _, n := range r.Names {
			var line rule.Names
			for _, p := range n.Patterns {
				line.Patterns = append(line.Patterns, pattern(t, p))
			}
			out.Names = append(out.Names, line)
		}
		all = append(all, out)
	}
	var sets []string
	for _, m := range rule.NewMatcher(all).Match(nil, name+".", netip.Addr{}) {
		for _, t := range rules[m.Rule.Index].Targets {
			sets = append(sets, t.ID.Name)
		}
	}
	slices.Sort(sets)
	return slices.Compact(sets)
}

func pattern(t *rapid.T, s string) rule.Pattern {
	p, err := rule.ParsePattern(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// below tells whether name is domain or lies below it.
func below(name, domain string) bool {
	return domain == "" || name == domain || strings.HasSuffix(name, "."+domain)
}

// The rules feed what dnsmasq feeds, whose search is here as its source has it
// (forward.c, domain_find_sets).
func TestRulesAsDnsmasq(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := &Config{Assignments: assignments(t, 1, true, false, false), firstWins: true}
		rules := c.Rules()
		for range 20 {
			name := names.Draw(t, "name")
			var want []string
			for _, ipsets := range []bool{false, true} {
				var best *Assignment
				length := -1
				for _, a := range c.Assignments {
					for _, d := range a.Domains {
						if a.IPSets == ipsets && below(name, d.Name) && len(d.Name) > length {
							best, length = a, len(d.Name)
						}
					}
				}
				if best != nil {
					for _, t := range best.Targets {
						want = append(want, t.ID.Name)
					}
				}
			}
			slices.Sort(want)
			if got := fed(t, rules, name); !slices.Equal(got, slices.Compact(want)) {
				t.Fatalf("'%s' feeds %q, want %q\n%s", name, got, want, show(rules))
			}
		}
	})
}

// The rules feed what SmartDNS feeds, whose walk from the root down is here as
// its source has it (rules.c, _dns_server_get_rules).
func TestRulesAsSmartDNS(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := &Config{Assignments: assignments(t, 2, false, true, true)}
		rules := c.Rules()
		for range 20 {
			name := names.Draw(t, "name")
			var want []string
			for channel := range 2 {
				var sets []string
				for _, at := range upTo(name) {
					var own []string
					speaks, final := false, false
					for _, a := range c.Assignments {
						if a.Channel == channel && slices.ContainsFunc(a.Domains, func(d Domain) bool {
							return d.Name == at && (d.Apex && at == name || d.Below && at != name || d.Name == "")
						}) {
							speaks, final = true, final || a.Final
							for _, t := range a.Targets {
								own = append(own, t.ID.Name)
							}
						}
					}
					if speaks {
						sets = own
					}
					if final {
						sets = nil
						break
					}
				}
				want = append(want, sets...)
			}
			slices.Sort(want)
			if got := fed(t, rules, name); !slices.Equal(got, slices.Compact(want)) {
				t.Fatalf("'%s' feeds %q, want %q\n%s", name, got, want, show(rules))
			}
		}
	})
}

// upTo are the root, the names above name and name.
func upTo(name string) []string {
	all := []string{}
	for ; name != ""; _, name, _ = strings.Cut(name, ".") {
		all = append(all, name)
	}
	all = append(all, "")
	slices.Reverse(all)
	return all
}

func show(rules []*Rule) string {
	var b strings.Builder
	for _, r := range rules {
		fmt.Fprintf(&b, "%s: %v\n", r.Name, r.Targets)
		for _, n := range r.Names {
			fmt.Fprintf(&b, "  name %q\n", n.Patterns)
		}
		for _, e := range r.Except {
			fmt.Fprintf(&b, "  except %q\n", e.Pattern)
		}
	}
	return b.String()
}

// Rules that return to sets further down are rules of their own: an exception
// holds for all names of a rule.
func TestRulesThatComeBack(t *testing.T) {
	line := func(n int, domain, to string) *Assignment {
		return &Assignment{Place: Place{"c", n}, Domains: []Domain{{domain, true, true}}, Targets: []Target{target(to)}}
	}
	c := &Config{Assignments: []*Assignment{line(1, "test", "vpn4"), line(2, "b.test", "wan"), line(3, "a.b.test", "vpn4")}}
	const want = `vpn: [inet t vpn4]
  name ["test" "*.test"]
  except "b.test"
  except "*.b.test"
wan: [inet t wan]
  name ["b.test" "*.b.test"]
  except "a.b.test"
  except "*.a.b.test"
vpn-2: [inet t vpn4]
  name ["a.b.test" "*.a.b.test"]
`
	if got := show(c.Rules()); got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestRuleNames(t *testing.T) {
	for want, sets := range map[string][]string{
		"vpn":                   {"vpn4", "vpn6"},
		"vpn-wan":               {"vpn_v4", "wan-ipv6"},
		"dev":                   {"DEV"},
		"4":                     {"4"},
		"imported":              {"__"},
		strings.Repeat("x", 63): {strings.Repeat("x", 80)},
	} {
		var targets []Target
		for _, s := range sets {
			targets = append(targets, target(s))
		}
		if got := ruleName(targets); got != want {
			t.Errorf("%q: got %s, want %s", sets, got, want)
		}
	}
	long := strings.Repeat("x", 63)
	rules := []*Rule{{Targets: []Target{target(long)}}, {Targets: []Target{target(long + "y")}}, {Targets: []Target{target(long + "z")}}}
	nameRules(rules)
	for i, want := range []string{long, long[:61] + "-2", long[:61] + "-3"} {
		if rules[i].Name != want {
			t.Errorf("got %s, want %s", rules[i].Name, want)
		}
	}
}
