package main

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/namewall/namewall/internal/nft"
	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
	"github.com/namewall/namewall/internal/state"
)

// held is what the kernel's sets hold. A set that is missing, or that a rule can't
// use, is an error: what it should hold is not known.
func (e *exporter) held() (*holdings, error) {
	r, err := nft.OpenReader(nft.Options{})
	if err != nil {
		return nil, fmt.Errorf("the kernel's sets can't be read: %w", err)
	}
	defer r.Close()
	have, err := kernelSets()
	if err != nil {
		return nil, err
	}
	names, nameless := e.names()
	h := &holdings{nameless: nameless}
	var errs []error
	for id, feeding := range e.feeders() {
		s, ok := have[id]
		if !ok {
			errs = append(errs, fmt.Errorf("set %s: there is none: load the ruleset that declares it, or look the names up with --resolve", id))
			continue
		}
		if err := usable(s, rule.Set{Interval: e.interval(id)}); err != nil {
			errs = append(errs, fmt.Errorf("set %s: %w", id, err))
			continue
		}
		h.sets = append(h.sets, s)
		if err := h.read(e, r, s, feeding, names); err != nil {
			errs = append(errs, fmt.Errorf("set %s: %w", id, err))
		}
	}
	e.markStatic(h)
	h.sort()
	return h, errors.Join(errs...)
}

// markStatic marks what the rules write out of what the sets hold.
func (e *exporter) markStatic(h *holdings) {
	written := make(map[string]rule.Written)
	for _, r := range e.rules {
		written[r.Name] = rule.WrittenOut(r.Statics)
	}
	for i := range h.entries {
		one := &h.entries[i]
		one.static = slices.ContainsFunc(one.rules, func(name string) bool {
			w := written[name]
			services, ok := w.Find(one.addr)
			if one.last.IsValid() { // ranges are merged, and what lies in them is looked at by its ends
				_, okLast := w.Find(one.last)
				ok = ok && okLast
			}
			return ok && !one.client.IsValid() && (one.service == set.Service{} || slices.ContainsFunc(services, func(s set.Service) bool {
				return s.Port == one.service.Port && (one.service.Proto == 0 || s.Proto == one.service.Proto)
			}))
		})
	}
}

// feeders are the sets, with the rules that feed them.
func (e *exporter) feeders() map[set.ID][]string {
	all := make(map[set.ID][]string)
	for _, r := range e.rules {
		for _, s := range r.Sets {
			all[s.ID] = append(all[s.ID], r.Name)
		}
	}
	return all
}

// read adds a set's elements.
func (h *holdings) read(e *exporter, r *nft.Reader, s nft.Set, feeding []string, names nameIndex) error {
	if s.Interval {
		return h.readRanges(e, r, s, feeding)
	}
	elements := make(map[set.Key]nft.Element) // one may be told several times
	if err := r.Elements(s, func(el nft.Element) error { elements[el.Key] = el; return nil }); err != nil {
		return err
	}
	for key, el := range elements {
		client, addr, service, ok := s.Layout.Split(key)
		if !ok {
			return errors.New("it has been declared anew meanwhile: try again")
		}
		one := entry{rules: feeding, set: s.ID, client: client, addr: addr, service: service, names: names[elementID{s.ID, key}]}
		one.life(el.Timeout, el.Expires)
		h.entries = append(h.entries, one)
	}
	return nil
}

// interval tells whether the rules have a set for ranges.
func (e *exporter) interval(id set.ID) bool {
	return slices.ContainsFunc(e.rules, func(r *rule.Rule) bool {
		return slices.ContainsFunc(r.Sets, func(s rule.Set) bool { return s.ID == id && s.Interval })
	})
}

// readRanges adds the ranges of an interval set.
func (h *holdings) readRanges(e *exporter, r *nft.Reader, s nft.Set, feeding []string) error {
	all, err := r.Ranges(s)
	for _, one := range all {
		_, first, service, ok := s.Layout.Split(one.First)
		_, last, _, okLast := s.Layout.Split(one.Last)
		if !ok || !okLast {
			return errors.New("it has been declared anew meanwhile: try again")
		}
		in := entry{rules: feeding, set: s.ID, addr: first, service: service}
		if in.last = last; first == last {
			in.last = netip.Addr{}
		}
		in.own = one.Own && e.forFile != "" // there it stays namewall's
		in.life(one.Expires, one.Expires)
		h.entries = append(h.entries, in)
	}
	return err
}

// elementID names one element of one set.
type elementID struct {
	set set.ID
	key set.Key
}

// nameIndex has the names that elements are there for.
type nameIndex map[elementID][]string

var errNoState = errors.New("write 'state DIRECTORY' into the block nftset without a name")

// names are those that the state file tells, as of its last half minute.
func (e *exporter) names() (nameIndex, error) {
	dir := e.file.Node.State
	if dir == "" {
		return nil, errNoState
	}
	l, err := state.View(dir)
	if err != nil {
		return nil, errors.Join(append([]error{err}, l.Problems...)...)
	}
	all := make(nameIndex, len(l.Bindings))
	for _, b := range l.Bindings {
		id := elementID{l.Sets[b.Set].ID, b.Key}
		for _, reason := range b.Reasons {
			if name, ok := hostName(reason.Name); ok && !slices.Contains(all[id], name) {
				all[id] = append(all[id], name)
			}
		}
		slices.Sort(all[id])
	}
	return all, nil
}

// hostName is a name as people and other programs write it. A client may ask for
// names that are none (RFC 2181 §11), and these are nobody's business elsewhere.
func hostName(name string) (string, bool) {
	p, err := rule.ParsePattern(name)
	if err != nil {
		return "", false
	}
	_, exact := p.Exact()
	return p.String(), exact
}
