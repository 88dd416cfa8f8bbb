package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/namewall/namewall/internal/lookup"
	"github.com/namewall/namewall/internal/nft"
	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

// resolver is the one that the flags name.
func resolver(server string) (*lookup.Client, error) {
	if server == "" {
		return lookup.System()
	}
	c, err := lookup.Server(server)
	if err != nil {
		return nil, usageError{fmt.Errorf("--server: %w", err)}
	}
	return c, nil
}

// exactName is a name of a rule, with what it opens.
type exactName struct {
	rule     *rule.Rule
	name     string // fully qualified
	services []set.Service
}

// exactNames are the rules' names that are no wildcards, without those that a
// rule excepts.
func exactNames(rules []*rule.Rule) []exactName {
	m := rule.NewMatcher(rules)
	var all []exactName
	for _, r := range rules {
		for _, line := range r.Names {
			for _, p := range line.Patterns {
				if name, exact := p.Exact(); exact && !m.Excepted(r, name) {
					all = append(all, exactName{r, name, line.Services})
				}
			}
		}
	}
	return all
}

// resolved is what the exact names lead to, as namewall would put it into the
// sets. A name that does not, or can't be looked up, is an error.
func (e *exporter) resolved(ctx context.Context) (*holdings, error) {
	exact := exactNames(e.rules)
	for _, r := range e.rules {
		if len(r.Statics) == 0 && !slices.ContainsFunc(exact, func(n exactName) bool { return n.rule == r }) {
			return nil, fmt.Errorf("rule %s has no exact name: a wildcard can't be looked up", r.Name)
		}
	}
	client, err := resolver(e.server)
	if err != nil {
		return nil, err
	}
	layouts, err := e.layouts()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, n := range exact {
		names = append(names, n.name)
	}
	results := client.All(ctx, names)
	h := new(holdings)
	for id, l := range layouts {
		h.sets = append(h.sets, nft.Set{ID: id, KeyType: l.String(), Layout: l, Known: true, Timeout: true, Default: defaultLife, Size: defaultSize})
		if at := &h.sets[len(h.sets)-1]; e.interval(id) {
			at.Interval, at.Timeout, at.Default = true, false, 0
		}
	}
	var errs []error
	for i, n := range exact {
		if err := h.take(n, results[i], layouts); err != nil {
			errs = append(errs, err)
		}
	}
	for _, r := range e.rules {
		h.writtenOut(r, layouts)
	}
	h.merge()
	h.sort()
	return h, errors.Join(errs...)
}

// writtenOut adds what a rule has under `static`.
func (h *holdings) writtenOut(r *rule.Rule, layouts map[set.ID]set.Layout) {
	for _, line := range r.Statics {
		for _, p := range line.Prefixes {
			one := entry{rules: []string{r.Name}, addr: p.Addr(), static: true}
			if !p.IsSingleIP() {
				one.last = set.SpanOf(p).Last
			}
			h.put(one, exactName{rule: r, services: line.Services}, layouts)
		}
	}
}

// layouts are the types of the rules' sets, as far as the Corefile tells them.
// The format nft has to know all.
func (e *exporter) layouts() (map[set.ID]set.Layout, error) {
	if e.format != "nft" {
		return nil, nil
	}
	all, err := declarations(e.file)
	if err != nil {
		return nil, err
	}
	layouts := make(map[set.ID]set.Layout)
	for _, d := range all {
		if !slices.ContainsFunc(e.rules, func(r *rule.Rule) bool { return slices.Contains(d.rules, r.Name) }) {
			continue
		}
		if d.layout.Pair {
			return nil, fmt.Errorf("%s: set %s has the client in its keys, and looking names up tells of none: read the kernel's sets, without --resolve", d.place, d.id)
		}
		layouts[d.id] = d.layout
	}
	return layouts, nil
}

// take adds what a name has led to.
func (h *holdings) take(n exactName, r lookup.Result, layouts map[set.ID]set.Layout) error {
	name := strings.TrimSuffix(n.name, ".")
	switch {
	case r.Err != nil:
		return fmt.Errorf("rule %s: %w", n.rule.Name, r.Err)
	case n.rule.Validated && !r.Validated:
		return fmt.Errorf("rule %s: %s is not validated, and the rule says 'require validated': ask a resolver that validates, with --server", n.rule.Name, name)
	case !r.Found:
		return fmt.Errorf("rule %s: %s does not exist: correct the name", n.rule.Name, name)
	}
	taken := false
	for _, a := range r.Addrs {
		if n.rule.Policy.Judge(a.Addr, rule.Site{}) != rule.Admit {
			continue
		}
		taken = true
		one := entry{rules: []string{n.rule.Name}, addr: a.Addr, names: []string{name}}
		life := n.rule.Lifetime.Written(a.TTL)
		one.life(life, life)
		h.put(one, n, layouts)
	}
	if !taken {
		return fmt.Errorf("rule %s: %s has no address that the rule admits", n.rule.Name, name)
	}
	return nil
}

// put adds an address with the services that its name opens: to the sets of its
// family, or, where no sets matter, by itself.
func (h *holdings) put(one entry, n exactName, layouts map[set.ID]set.Layout) {
	services := n.services
	if len(services) == 0 {
		services = []set.Service{{}}
	}
	for _, one.service = range services {
		if layouts == nil {
			h.entries = append(h.entries, one)
			continue
		}
		for i, s := range n.rule.Sets {
			l := layouts[s.ID]
			switch {
			case !l.Fits(netip.Addr{}, one.addr):
				continue
			case one.static && !n.rule.Takes(i, one.prefix()), !one.static && s.Interval:
				continue
			}
			in := one
			in.set = s.ID
			if !l.Proto {
				in.service.Proto = 0
			}
			h.entries = append(h.entries, in)
		}
	}
}

// prefix is what a rule has written out for the entry.
func (e *entry) prefix() netip.Prefix {
	if e.last.IsValid() {
		if p, err := netip.ParsePrefix(e.words()); err == nil {
			return p
		}
	}
	return netip.PrefixFrom(e.addr, e.addr.BitLen())
}

// merge makes one of entries for the same element: it has all their names and
// rules, and the longest of their lives.
func (h *holdings) merge() {
	at := make(map[any]int)
	var all []entry
	for _, e := range h.entries {
		key := [...]any{e.set, e.addr, e.last, e.service}
		if e.set == (set.ID{}) {
			key = [...]any{e.rules[0], e.addr, e.last, e.service}
		}
		i, ok := at[key]
		if !ok {
			at[key] = len(all)
			all = append(all, e)
			continue
		}
		all[i].rules = union(all[i].rules, e.rules)
		all[i].names = union(all[i].names, e.names)
		if all[i].static = all[i].static || e.static; all[i].static { // it stays
			all[i].timeout, all[i].expires = 0, 0
			continue
		}
		all[i].timeout, all[i].expires = max(all[i].timeout, e.timeout), max(all[i].expires, e.expires)
	}
	h.entries = all
}

func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}
