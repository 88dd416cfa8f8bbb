package gate

import (
	"net/netip"

	"github.com/namewall/namewall/internal/rule"
)

// Falls tells which of the block's rules a name falls under now, for a client or,
// if that is invalid, for anybody: the matches that an answer's Concerns would
// find, targets included.
func (b *Block) Falls(name string, client netip.Addr) []Match {
	q := &Question{Name: name, Client: client}
	if client.IsValid() {
		b.Concerns(q)
		return q.Matches
	}
	for _, m := range b.matcher.MatchAnyone(nil, name) {
		q.Matches = append(q.Matches, Match{Match: m, Name: name, until: forever})
	}
	for _, o := range b.gate.targets.origins(nil, name, b.gate.now()) {
		for _, m := range b.matcher.MatchAnyone(nil, o.name) {
			if m.Rule.FollowTargets && !b.matcher.Excepted(m.Rule, name) {
				q.add(Match{Match: m, Name: o.name, until: o.until})
			}
		}
	}
	return q.Matches
}

// Excepts tells whether r, one of the block's rules, excepts name.
func (b *Block) Excepts(r *rule.Rule, name string) bool { return b.matcher.Excepted(r, name) }

// Judge says what the policy of r, one of the instance's rules, makes of an
// address now.
func (i *Instance) Judge(r *rule.Rule, a netip.Addr) rule.Verdict { return r.Policy.Judge(a, i.site) }
