package nftset

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

// limitMax bounds the addresses of one name. A DNS message has no room for more
// than some four thousand; beyond this, a limit limits nothing.
const limitMax = 100_000

var ruleName = regexp.MustCompile(`^[a-z0-9-]{1,63}$`)

// IsRuleName tells whether a rule can have this name.
func IsRuleName(name string) bool { return ruleName.MatchString(name) }

// ruleParser reads one named block.
type ruleParser struct {
	*parser
	source
	statics map[staticKey]Place // what `static` lines have said
}

// rule reads the block of the rule with this name.
func (p *parser) rule(name string) (*source, error) {
	if !ruleName.MatchString(name) {
		return nil, p.c.Errf("'%s' is no name for a rule: use up to 63 of a-z, 0-9 and '-'", name)
	}
	rp := &ruleParser{parser: p, source: source{place: p.head, rule: &rule.Rule{
		Name:          name,
		Lifetime:      rule.Lifetime{Min: rule.DefaultMin, Max: rule.DefaultMax, Grace: rule.DefaultGrace},
		Wait:          rule.DefaultWait,
		Limit:         rule.DefaultLimit,
		FollowTargets: true,
		Stale:         rule.DefaultStale,
	}}}
	err := p.block(options{
		"set":       rp.set,
		"name":      rp.names,
		"names":     rp.namesFile,
		"except":    rp.except,
		"resolve":   rp.resolve,
		"static":    rp.static,
		"stale":     rp.stale,
		"on_change": rp.onChange,
		"mode":      rp.mode,
		"lifetime":  rp.lifetime,
		"wait":      rp.wait,
		"allow":     func(args []string) error { return p.policy("allow", &rp.lines.Allow, args) },
		"pass":      func(args []string) error { return p.policy("pass", &rp.lines.Pass, args) },
		"clients":   rp.clients,
		"limit":     rp.limit,
		"targets":   rp.targets,
		"match":     rp.match,
		"require":   rp.require,
		"revoke":    rp.revoke,
	})
	if err != nil {
		return nil, err
	}
	if err := rp.whole(); err != nil {
		return nil, err
	}
	rp.text = format(rp.source.rule, rp.lines)
	return &rp.source, nil
}

// whole checks what only all lines together tell.
func (p *ruleParser) whole() error {
	r := p.source.rule
	if len(r.Sets) == 0 {
		return p.head.Errorf("rule %s has no set: add a line such as 'set inet filter web4 ipv4_addr'", r.Name)
	}
	if len(r.Names) == 0 && len(r.Statics) == 0 {
		return p.head.Errorf("rule %s has no name: add a line such as 'name www.example.com', or 'static 192.0.2.1'", r.Name)
	}
	places := slices.Concat(p.namePlaces, p.staticPlaces)
	for i, ports := range p.ports() {
		if ports != r.Ports() {
			return places[i].Errorf("rule %s has lines with ports and lines without, and no set can hold both: make two rules of it (the first one stands at %s)",
				r.Name, places[0])
		}
	}
	if err := p.wholeResolve(); err != nil {
		return err
	}
	if err := p.wholeStatic(); err != nil {
		return err
	}
	for i, s := range r.Sets {
		if !s.Known {
			continue
		}
		if err := r.CheckLayout(i, s.Layout); err != nil {
			return p.setPlaces[i].Errorf("%w", err)
		}
	}
	return nil
}

// ports tells of each line of names, and then of addresses, whether it has ports.
func (p *ruleParser) ports() []bool {
	var all []bool
	for _, n := range p.source.rule.Names {
		all = append(all, len(n.Services) > 0)
	}
	for _, s := range p.source.rule.Statics {
		all = append(all, len(s.Services) > 0)
	}
	return all
}

// set reads FAMILY TABLE SET [TYPE [interval]].
func (p *ruleParser) set(args []string) error {
	if len(args) < 3 {
		return p.c.Errf("'set' needs FAMILY TABLE SET, such as 'set inet filter web4'")
	}
	id, err := set.ParseID(args[0], args[1], args[2])
	if err != nil {
		return p.c.Errf("%v", err)
	}
	s := rule.Set{ID: id}
	if len(args) > 3 {
		s.Known = true
		if last := len(args) - 1; args[last] == "interval" {
			if s.Interval, args = true, args[:last]; last == 3 {
				return p.c.Errf("set '%s' is for ranges and has no type: write it in front of 'interval', such as 'set %s ipv4_addr interval'", id, id)
			}
		}
		if s.Layout, err = set.ParseLayout(strings.Join(args[3:], " ")); err != nil {
			return p.c.Errf("%v", err)
		}
	}
	if s.Interval && s.Layout.Pair {
		return p.c.Errf("set '%s' is for ranges, and '%s' has the client in its key, who has asked: nobody asks for a range", id, s.Layout)
	}
	r := p.source.rule
	for i, other := range r.Sets {
		if other.ID == id {
			return p.c.Errf("set '%s' already stands at %s: a rule names a set once", id, p.setPlaces[i])
		}
	}
	r.Sets = append(r.Sets, s)
	p.setPlaces = append(p.setPlaces, placeOf(p.c))
	return nil
}

// names reads PATTERN... [PROTO/PORT...].
func (p *ruleParser) names(args []string) error {
	n, err := p.line("name", args)
	if err == nil {
		p.add(n)
	}
	return err
}

// add takes a line of names into the rule.
func (p *ruleParser) add(n rule.Names) {
	r := p.source.rule
	r.Names = append(r.Names, n)
	p.namePlaces = append(p.namePlaces, placeOf(p.c))
}

// line reads the patterns of an option, and the services that they open.
func (p *ruleParser) line(option string, args []string) (rule.Names, error) {
	var n rule.Names
	for _, word := range args {
		if err := p.noForeign(word); err != nil {
			return n, err
		}
		switch {
		case strings.Contains(word, "/"):
			service, err := set.ParseService(word)
			if err != nil {
				return n, p.c.Errf("%v", err)
			}
			n.Services = append(n.Services, service)
		case len(n.Services) > 0:
			return n, p.c.Errf("pattern '%s' stands after a service: write the patterns first, then the services that all of them open", word)
		default:
			pattern, err := rule.ParsePattern(word)
			if err != nil {
				return n, p.c.Errf("%v", err)
			}
			n.Patterns = append(n.Patterns, pattern)
		}
	}
	if len(n.Patterns) == 0 {
		return n, p.c.Errf("'%s' needs a pattern before '%s', such as '%s www.example.com %s'", option, args[0], option, args[0])
	}
	return n, nil
}

func (p *ruleParser) except(args []string) error {
	for _, word := range args {
		if err := p.noForeign(word); err != nil {
			return err
		}
		if strings.Contains(word, "/") {
			return p.c.Errf("unexpected '%s': 'except' takes patterns only, and a name is taken out for all services", word)
		}
		pattern, err := rule.ParsePattern(word)
		if err != nil {
			return p.c.Errf("%v", err)
		}
		p.source.rule.Except = append(p.source.rule.Except, pattern)
	}
	return nil
}

func (p *ruleParser) mode(args []string) error {
	feed, err := p.choice("mode", args, "enforce", "feed")
	if feed {
		p.source.rule.Mode = rule.Feed
	}
	return err
}

// lifetime reads MIN MAX [GRACE].
func (p *ruleParser) lifetime(args []string) error {
	if err := p.once("lifetime"); err != nil {
		return err
	}
	if len(args) < 2 || len(args) > 3 {
		return p.c.Errf("'lifetime' takes MIN MAX [GRACE], such as 'lifetime 1h 24h 1m'")
	}
	l := &p.source.rule.Lifetime
	for i, to := range []*time.Duration{&l.Min, &l.Max, &l.Grace}[:len(args)] {
		var err error
		if *to, err = p.duration(args[i], lifetimeMin, lifetimeMax); err != nil {
			return err
		}
	}
	if l.Min > l.Max {
		return p.c.Errf("MIN (%s) is longer than MAX (%s): 'lifetime' takes the shorter one first", args[0], args[1])
	}
	return nil
}

func (p *ruleParser) wait(args []string) error {
	word, err := p.single("wait", args)
	if err != nil {
		return err
	}
	p.source.rule.Wait, err = p.duration(word, waitMin, waitMax)
	return err
}

func (p *ruleParser) clients(args []string) error {
	for _, word := range args {
		prefix, err := p.prefix(word)
		if err != nil {
			return err
		}
		if addr := prefix.Addr(); addr.Is4In6() { // clients are compared in their own family
			return p.c.Errf("'%s' is IPv4 in IPv6's form: write it as IPv4, like %s", word, addr.Unmap())
		}
		p.source.rule.Clients = append(p.source.rule.Clients, prefix)
	}
	return nil
}

func (p *ruleParser) limit(args []string) error {
	word, err := p.single("limit", args)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(word)
	if err != nil || n < 1 || n > limitMax {
		return p.c.Errf("'%s' is no limit: use a number from 1 to %d", word, limitMax)
	}
	p.source.rule.Limit = n
	return nil
}

func (p *ruleParser) targets(args []string) error {
	ignore, err := p.choice("targets", args, "follow", "ignore")
	p.source.rule.FollowTargets = !ignore
	return err
}

func (p *ruleParser) match(args []string) (err error) {
	p.source.rule.MatchChain, err = p.choice("match", args, "query", "chain")
	return err
}

func (p *ruleParser) revoke(args []string) error {
	word, err := p.single("revoke", args)
	if err != nil {
		return err
	}
	choice, ok := rule.ParseRevoke(word)
	if !ok {
		return p.c.Errf("'revoke' takes 'delete', 'keep' or 'kill', not '%s'", word)
	}
	p.source.rule.Revoke = choice
	return nil
}
