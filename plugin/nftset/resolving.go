package nftset

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/internal/answer"
	"github.com/namewall/namewall/internal/gate"
	"github.com/namewall/namewall/internal/resolve"
	"github.com/namewall/namewall/internal/rule"
)

// resolving asks for the names that an instance's rules keep resolved, and has
// their addresses admitted. It implements resolve.Backend.
type resolving struct {
	inst  *instance
	names map[resolve.Key]*resolved
}

// resolved is a name that a rule keeps resolved.
type resolved struct {
	rule    int // its Index
	handler *Handler
	asker   *asker
}

// now is the configuration as its files of names have it now, and the rule in it.
func (b *resolving) now(r *resolved) (*gate.Instance, *rule.Rule) {
	g := b.inst.current.Load()
	return g.active, g.rules[r.rule]
}

var _ resolve.Backend = (*resolving)(nil)

// qtypes are the types of the questions by family.
var qtypes = [...]uint16{resolve.IPv4: dns.TypeA, resolve.IPv6: dns.TypeAAAA}

// Wants implements resolve.Backend.
func (b *resolving) Wants(k resolve.Key, f resolve.Family) bool {
	active, r := b.now(b.names[k])
	return active.Takes(r, f == resolve.IPv6)
}

// Ask implements resolve.Backend.
func (b *resolving) Ask(ctx context.Context, k resolve.Key, f resolve.Family) resolve.Answer {
	r := b.names[k]
	m, err := r.asker.ask(ctx, k.Name, qtypes[f], netip.Addr{})
	var a resolve.Answer
	if err != nil {
		a.Why = err.Error()
		if errors.Is(err, context.DeadlineExceeded) {
			a.Why = "timeout"
		}
	} else {
		a = b.read(r, k.Name, qtypes[f], m)
	}
	resolveQuestions.WithLabelValues(outcomeOf(a)).Inc()
	return a
}

// read tells what the answer to a question of the gateway's own says.
func (b *resolving) read(of *resolved, name string, qtype uint16, m *dns.Msg) resolve.Answer {
	active, r := b.now(of)
	if m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
		return resolve.Answer{Why: dns.RcodeToString[m.Rcode]}
	}
	if r.Validated && !m.AuthenticatedData {
		return resolve.Answer{Why: "not validated"}
	}
	w := new(answer.Walk)
	w.Read(m, name, qtype)
	switch {
	case w.Broken:
		return resolve.Answer{Why: "broken chain of CNAMEs"}
	case len(w.Addrs) == 0 && m.Rcode == dns.RcodeNameError:
		return resolve.Answer{None: true, Why: "NXDOMAIN"}
	case len(w.Addrs) == 0:
		return resolve.Answer{None: true, Why: "NODATA"}
	}
	a := resolve.Answer{Walk: w}
	for _, addr := range w.Addrs {
		if active.Judge(r, addr.Addr) == rule.Admit {
			a.Addrs = append(a.Addrs, addr.Addr)
		}
	}
	return a
}

// Admit implements resolve.Backend.
func (b *resolving) Admit(ctx context.Context, k resolve.Key, w *answer.Walk, age time.Duration) error {
	r := b.names[k]
	var q work // not one of those that are used again: the Walk is
	q.Name, q.Walk, q.Age = k.Name, *w, age
	q.Validated = true // or read would have refused it
	active, ru := b.now(r)
	active.Own(&q.Question, ru)
	active.Admit(ctx, &q.Question)
	countRefused(ownServer, q.mode(), q.Fates)
	if slices.ContainsFunc(q.Fates, func(f gate.Fate) bool { return !f.Given() }) {
		now := time.Now()
		r.handler.refused.note(&q, now)
		b.inst.shared().recent.note(&q, now)
	}
	for _, c := range q.Causes {
		if !c.Fate.Filtered() {
			return errors.New(c.String())
		}
	}
	return nil
}

// resolving prepares what the instance's rules keep resolved. A name that no
// block with its rule is asked for is left out, and that is logged.
func (i *instance) resolving() (*resolving, []resolve.Name, error) {
	b := &resolving{inst: i, names: make(map[resolve.Key]*resolved)}
	askers := make(map[*Handler]*asker)
	var names []resolve.Name
	for _, r := range i.cfg.Rules {
		for _, name := range r.ToResolve() {
			h := i.blockFor(r, name)
			if h == nil {
				log.Warningf("rule %s: %s is not resolved: no server block that has the rule is for it", r.Name, name)
				continue
			}
			if askers[h] == nil {
				a, err := newAsker(h)
				if err != nil {
					return nil, nil, fmt.Errorf("asking for names under 'resolve': %w", err)
				}
				askers[h] = a
			}
			k := resolve.Key{Rule: r.Name, Name: name}
			b.names[k] = &resolved{rule: r.Index, handler: h, asker: askers[h]}
			names = append(names, resolve.Name{Key: k, Lifetime: r.Lifetime, Stale: r.Stale})
		}
	}
	return b, names, nil
}

// blockFor is the handler through which a name is asked for: as CoreDNS chooses
// the block for a client's question, the one with the longest zone, but among
// those that have the rule. Of several with the same zone (for other transports
// and addresses, or with views) it is the first in the Corefile.
func (i *instance) blockFor(r *rule.Rule, name string) *Handler {
	var best *Handler
	longest := -1
	for _, h := range i.handlers {
		for _, zone := range h.zones {
			if len(zone) > longest && h.has(r) && dns.IsSubDomain(zone, name) {
				best, longest = h, len(zone)
			}
		}
	}
	return best
}

// known adds to names what the gate knows of them.
func known(g *gate.Gate, names []resolve.Name) {
	at := make(map[resolve.Key]int, len(names))
	for n := range names {
		at[names[n].Key] = n
	}
	g.Known(func(k gate.Known) {
		if n, ok := at[resolve.Key{Rule: k.Rule, Name: k.Name}]; ok {
			names[n].Known = append(names[n].Known, resolve.Known{Addr: k.Addr, Age: k.Age, Left: k.Left})
		}
	})
}
