package gate

import (
	"slices"

	"github.com/namewall/namewall/internal/answer"
	"github.com/namewall/namewall/internal/rule"
)

// Block is the rules of one server block, with which its questions are matched.
type Block struct {
	*Instance
	matcher *rule.Matcher
	chain   bool // a rule matches the names of the chain too
	follow  bool // a rule follows targets
	// validated: a rule that matches the names of the chain wants validated
	// answers.
	validated bool
}

// Block makes the matcher for rules, which are among the instance's. Most blocks
// have all of them.
func (i *Instance) Block(rules []*rule.Rule) *Block {
	b := &Block{Instance: i, matcher: i.matcher}
	if !slices.Equal(rules, i.all()) {
		b.matcher = rule.NewMatcher(rules)
	}
	for _, r := range rules {
		b.chain = b.chain || r.MatchChain
		b.follow = b.follow || r.FollowTargets
		b.validated = b.validated || r.MatchChain && r.Validated
	}
	return b
}

// Concerns finds the rules that q's name and client fall under, and tells
// whether the answer is to be looked at. Nothing is allocated if it isn't.
func (b *Block) Concerns(q *Question) bool {
	q.lines = b.matcher.Match(q.lines[:0], q.Name, q.Client)
	for _, m := range q.lines {
		q.Matches = append(q.Matches, Match{Match: m, Name: q.Name, until: forever})
	}
	if b.follow {
		b.followed(q)
	}
	return len(q.Matches) > 0 || b.chain
}

// WantsValidated tells whether a rule that q falls under, or may turn out to by
// the chain of its answer, learns from validated answers alone: the resolver
// below is then to be asked whether it has validated. Concerns was called before.
func (b *Block) WantsValidated(q *Question) bool {
	return b.validated || slices.ContainsFunc(q.Matches, func(m Match) bool { return m.Rule.Validated })
}

// followed adds the rules under which the names fall that led to the one asked
// for, while those links live.
func (b *Block) followed(q *Question) {
	if b.gate.targets.none() {
		return
	}
	q.origins = b.gate.targets.origins(q.origins[:0], q.Name, b.gate.now())
	for _, o := range q.origins {
		q.lines = b.matcher.Match(q.lines[:0], o.name, q.Client)
		for _, m := range q.lines {
			if m.Rule.FollowTargets && !b.matcher.Excepted(m.Rule, q.Name) {
				q.add(Match{Match: m, Name: o.name, until: o.until})
			}
		}
	}
}

// Chain adds the rules that match the chain's other names, after Walk has been
// read. A rule that excepts the name asked for stays out.
func (b *Block) Chain(q *Question) {
	if !b.chain || len(q.Walk.Names) < 2 {
		return
	}
	for _, name := range q.Walk.Names[1:] {
		q.lines = b.matcher.Match(q.lines[:0], name, q.Client)
		for _, m := range q.lines {
			if m.Rule.MatchChain && !b.matcher.Excepted(m.Rule, q.Name) {
				q.add(Match{Match: m, Name: name, until: forever})
			}
		}
	}
}

// add adds a match unless the same line of the same rule is there already: one
// reason is enough.
func (q *Question) add(m Match) {
	for n := range q.Matches {
		known := &q.Matches[n]
		if known.Rule == m.Rule && sameLine(known.Match, m.Match) {
			known.until = max(known.until, m.until)
			return
		}
	}
	q.Matches = append(q.Matches, m)
}

// sameLine tells whether two matches of one rule come from the same name line:
// their services are the line's own slice.
func sameLine(a, b rule.Match) bool {
	return len(a.Services) == len(b.Services) && (len(a.Services) == 0 || &a.Services[0] == &b.Services[0])
}

// follow learns the targets that the answer led to, for the rules that want
// that. A resolver below us holds a link for its TTL, and a client that has
// found a target keeps using it as long as its addresses live, so a link lives
// as long as an address with its TTL would. No target outlives the link that
// led to the name asked for.
func (g *Gate) follow(q *Question, now moment) {
	if len(q.Walk.Links) == 0 {
		return
	}
	for n := range q.Matches {
		m := &q.Matches[n]
		if !m.Rule.FollowTargets || !q.teaches(m.Rule) {
			continue // a forged link would lend the rule to whoever it leads to
		}
		until := m.until
		for _, link := range q.Walk.Links {
			end := min(until, now+m.Rule.Lifetime.Written(link.TTL))
			g.learn(link.Next, m.Name, end, now)
			if link.Kind == answer.LinkDNAME {
				g.targets.learnBelow(link.Target, origin{link.Owner, end}, now)
			}
			if link.Kind != answer.LinkSVCB { // these fan out at the chain's end
				until = end
			}
		}
	}
}

func (g *Gate) learn(target, name string, until, now moment) {
	if target != name {
		g.targets.learn(target, origin{name, until}, now)
	}
}
