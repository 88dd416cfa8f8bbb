package gate

import (
	"net/netip"
	"slices"

	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

// configured tells of one configuration what it gives: whether a reason that
// was good once would be good again. It is not safe for concurrent use.
type configured struct {
	rules   map[string]*rule.Rule
	written map[string]*rule.Written // by rule
	matcher *rule.Matcher
	site    rule.Site
	lines   []rule.Match
}

// configured is what the instance's rules give.
func (i *Instance) configured() *configured {
	c := &configured{
		rules: make(map[string]*rule.Rule, len(i.rules)), written: make(map[string]*rule.Written),
		matcher: i.matcher, site: i.site,
	}
	for _, rs := range i.rules {
		c.written[rs.rule.Name] = &rs.written
		c.rules[rs.rule.Name] = rs.rule
	}
	return c
}

// part is a key of a set, taken apart.
type part struct {
	set     set.ID
	layout  set.Layout
	client  netip.Addr // of a pair
	addr    netip.Addr
	service set.Service
}

// gives tells whether the rule of that name, as it is configured now, puts the
// key into its set for what asks for it: for a name, whoever asks. Without a name
// it tells whether it may be for some name. What belongs to the gateway itself is
// not asked: that is no matter of the configuration.
func (c *configured) gives(p *part, ruleName string, origin rule.Origin, name string) bool {
	r := c.rules[ruleName]
	if r == nil || !feeds(r, p) {
		return false
	}
	if origin == rule.ByLine {
		services, ok := c.written[ruleName].Find(p.addr)
		return ok && !p.layout.Pair && opens(services, p.service, p.layout)
	}
	if r.Policy.Judge(p.addr, rule.Site{DNS64: c.site.DNS64}) != rule.Admit {
		return false
	}
	if origin == rule.ByHand {
		return !p.layout.Pair || r.Asks(p.client)
	}
	if name == "" {
		return slices.ContainsFunc(r.Names, func(n rule.Names) bool { return opens(n.Services, p.service, p.layout) })
	}
	if p.layout.Pair {
		c.lines = c.matcher.Match(c.lines[:0], name, p.client)
	} else {
		c.lines = c.matcher.MatchAnyone(c.lines[:0], name)
	}
	return c.opens(r, p)
}

// admits tells whether the rule takes the key for a client that asks for name
// now, or for nobody if it keeps name resolved. It has been found to give it. What
// is written out is taken as it is.
func (c *configured) admits(p *part, ruleName string, origin rule.Origin, name string, client netip.Addr) bool {
	if origin == rule.ByLine {
		return true
	}
	r := c.rules[ruleName]
	if r.Policy.Judge(p.addr, c.site) != rule.Admit {
		return false
	}
	if origin == rule.ByHand || name == "" || p.layout.Pair {
		return true
	}
	if !client.IsValid() {
		if c.lines = r.Resolving(name); c.opens(r, p) {
			return true
		}
	}
	c.lines = c.matcher.Match(c.lines[:0], name, client)
	return c.opens(r, p)
}

// opens tells whether one of the lines that matched is r's and opens the key's
// service.
func (c *configured) opens(r *rule.Rule, p *part) bool {
	return slices.ContainsFunc(c.lines, func(m rule.Match) bool {
		return m.Rule == r && opens(m.Services, p.service, p.layout)
	})
}

// feeds tells whether the key's set, with its layout, is one of the rule's.
func feeds(r *rule.Rule, p *part) bool {
	return slices.ContainsFunc(r.Sets, func(s rule.Set) bool {
		return s.ID == p.set && !s.Interval && (!s.Known || s.Layout == p.layout)
	})
}

// opens tells whether a line's services include that of a key.
func opens(services []set.Service, s set.Service, l set.Layout) bool {
	if !l.Port || len(services) == 0 {
		return !l.Port && len(services) == 0
	}
	return slices.ContainsFunc(services, func(open set.Service) bool {
		return open.Port == s.Port && (!l.Proto || open.Proto == s.Proto)
	})
}
