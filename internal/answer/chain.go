package answer

import (
	"slices"

	"github.com/miekg/dns"
)

// follow walks from the question's name to the chain's end, or as far as there
// is a way. With stay it only looks where the first step leads.
func (w *Walk) follow(answer []dns.RR, stay bool) {
	for i, rr := range answer {
		if !isAlias(rr) && !signsAlias(rr) {
			continue
		}
		if len(w.aliases) == maxAliases {
			w.Broken = true
			return
		}
		w.aliases = append(w.aliases, i)
	}
	for len(w.aliases) > 0 {
		name := w.Names[len(w.Names)-1]
		next, ok := w.next(answer, name)
		if ok && next == "" {
			return
		}
		if !ok || len(w.Names) > maxLinks || slices.Contains(w.Names, next) {
			w.Broken = true
			return
		}
		w.link(answer, name, next)
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
// Any disagreement is fatal, although some can be decided: no two clients
// decide them alike, and no sound zone needs it.
func (w *Walk) next(answer []dns.RR, name string) (next string, ok bool) {
	for _, i := range w.aliases {
		c, isCNAME := answer[i].(*dns.CNAME)
		if !isCNAME || !sameName(c.Hdr.Name, name) {
			continue
		}
		if next == "" {
			next = Lower(c.Target)
		} else if !sameName(c.Target, next) {
			return "", false
		}
	}
	for _, i := range w.aliases {
		d, isDNAME := answer[i].(*dns.DNAME)
		if !isDNAME {
			continue
		}
		prefix, below := cutSuffix(name, d.Hdr.Name)
		if !below {
			continue
		}
		if next == "" {
			next = Lower(join(prefix, d.Target))
			if nameLen(next) > maxName {
				return "", false
			}
		} else if !isJoin(next, prefix, d.Target) {
			return "", false
		}
	}
	return next, true
}

// link notes the records by which name is an alias of next.
func (w *Walk) link(answer []dns.RR, name, next string) {
	first := len(w.Links)
	for _, i := range w.aliases {
		h := answer[i].Header()
		var l Link
		switch rr := answer[i].(type) {
		case *dns.CNAME:
			if !sameName(h.Name, name) {
				continue
			}
			l.Kind, l.Owner, l.Target = LinkCNAME, name, next
		case *dns.DNAME:
			if _, below := cutSuffix(name, h.Name); !below {
				continue
			}
			l.Kind, l.Owner, l.Target = LinkDNAME, Lower(h.Name), Lower(rr.Target)
		default: // an RRSIG
			continue
		}
		l.Next, l.TTL = next, seconds(h.Ttl)
		w.roles[i] = roleLink
		w.ttls.add(h.Ttl)
		w.addLink(l, first)
	}
}

// addLink adds a link, unless those from index first on have it already: then
// the shorter life counts.
func (w *Walk) addLink(l Link, first int) {
	for i := first; i < len(w.Links); i++ {
		if old := &w.Links[i]; old.Kind == l.Kind && old.Owner == l.Owner && old.Target == l.Target {
			old.TTL = min(old.TTL, l.TTL)
			return
		}
	}
	w.Links = append(w.Links, l)
}

// isAlias tells whether a client could follow the record. miekg/dns reads a
// record without data as one with empty names.
func isAlias(rr dns.RR) bool {
	switch rr := rr.(type) {
	case *dns.CNAME:
		return isLink(&rr.Hdr, dns.TypeCNAME, rr.Target)
	case *dns.DNAME:
		return isLink(&rr.Hdr, dns.TypeDNAME, rr.Target)
	}
	return false
}

func isLink(h *dns.RR_Header, rrtype uint16, target string) bool {
	return h.Rrtype == rrtype && h.Class == dns.ClassINET && h.Name != "" && target != ""
}

func signsAlias(rr dns.RR) bool {
	sig, ok := rr.(*dns.RRSIG)
	return ok && (sig.TypeCovered == dns.TypeCNAME || sig.TypeCovered == dns.TypeDNAME)
}
