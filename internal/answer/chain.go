package answer

import (
	"slices"

	"github.com/miekg/dns"
)

// follow walks from the question's name to the chain's end, or as far as there
// is a way. With stay it only looks where the first step leads.
func (w *Walk) follow(answer []dns.RR, stay bool) {
	for i, rr := range answer {
		switch rr.(type) {
		case *dns.CNAME, *dns.DNAME:
			w.aliases = append(w.aliases, i)
		}
	}
	for len(w.aliases) > 0 {
		name := w.Names[len(w.Names)-1]
		next, ok := w.next(answer, name)
		if !ok || len(w.Names) > maxLinks && next != "" || slices.Contains(w.Names, next) {
			w.Broken = true
			return
		}
		if next == "" {
			return
		}
		w.link(answer, name)
		if stay {
			return
		}
		w.Names = append(w.Names, next)
	}
}

// next is the name that name is an alias of, in lower case, or empty. It
// reports false if the records disagree about it (a CNAME may well come
// several times, and with the DNAME that it was synthesised from), or if a
// DNAME makes a name that is too long (RFC 6672 §2.2).
//
// Any disagreement is fatal, although some can be decided: no client decides
// them all alike, and no sound zone needs it.
func (w *Walk) next(answer []dns.RR, name string) (next string, ok bool) {
	for _, i := range w.aliases {
		c, isCNAME := answer[i].(*dns.CNAME)
		if !isCNAME || !isAlias(&c.Hdr) || !sameName(c.Hdr.Name, name) {
			continue
		}
		if next == "" {
			next = lower(c.Target)
		} else if !sameName(c.Target, next) {
			return "", false
		}
	}
	for _, i := range w.aliases {
		d, isDNAME := answer[i].(*dns.DNAME)
		if !isDNAME || !isAlias(&d.Hdr) {
			continue
		}
		prefix, below := cutSuffix(name, d.Hdr.Name)
		if !below {
			continue
		}
		if next == "" {
			next = lower(join(prefix, d.Target))
		} else if !isJoin(next, prefix, d.Target) {
			return "", false
		}
		if nameLen(next) > maxName {
			return "", false
		}
	}
	return next, true
}

// link notes the records by which name is an alias.
func (w *Walk) link(answer []dns.RR, name string) {
	first := len(w.Links)
	for _, i := range w.aliases {
		var l Link
		h := answer[i].Header()
		switch rr := answer[i].(type) {
		case *dns.CNAME:
			if !isAlias(h) || !sameName(h.Name, name) {
				continue
			}
			l = Link{Owner: name, Target: lower(rr.Target), Kind: LinkCNAME}
		case *dns.DNAME:
			prefix, below := cutSuffix(name, h.Name)
			if !isAlias(h) || !below {
				continue
			}
			l = Link{Owner: name[len(prefix):], Target: lower(rr.Target), Kind: LinkDNAME}
		}
		l.TTL = seconds(h.Ttl)
		w.roles[i] = roleLink
		w.ttls.add(h.Ttl)
		w.addLink(l, first)
	}
}

// addLink adds a link, unless those from index first on have it already: then
// the shorter life counts.
func (w *Walk) addLink(l Link, first int) {
	for i := first; i < len(w.Links); i++ {
		if old := &w.Links[i]; old.Owner == l.Owner && old.Target == l.Target && old.Kind == l.Kind {
			old.TTL = min(old.TTL, l.TTL)
			return
		}
	}
	w.Links = append(w.Links, l)
}

// isAlias tells whether the header suits a CNAME or DNAME that a client would
// follow.
func isAlias(h *dns.RR_Header) bool {
	return h.Class == dns.ClassINET && (h.Rrtype == dns.TypeCNAME || h.Rrtype == dns.TypeDNAME)
}
