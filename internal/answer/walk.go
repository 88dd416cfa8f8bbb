// Package answer reads DNS answers and shapes them: which addresses a message
// leads a client to, through which names and for how long; and the message
// that is left when some of them may not leave.
//
// What it promises: an address counts only if the client can reach it from
// the question, through CNAME and DNAME records of the ANSWER section
// (RFC 1034 §3.6.2, RFC 6672), and a shaped message holds no other address. A
// message is never changed, nor any record in it: the cache and the zones
// share them. Whatever a message holds, the work is linear in its size.
//
// What it leaves to others: whether an address is admissible, whether it is in
// its sets, and so which answer a client gets. It knows the wire's records, but
// neither CoreDNS nor the kernel nor a clock.
package answer

import (
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"
)

// maxLinks bounds a chain. Resolvers give up there or earlier (systemd-resolved
// after 16 links, Unbound and BIND after 11, dnsmasq after 10), so a longer
// chain is no use to anybody. What lies beyond it is not reachable.
const maxLinks = 16

// maxAliases bounds the CNAMEs, DNAMEs and RRSIGs over them that an answer may
// have, because each is looked at for each link. A chain of maxLinks, all
// signed by two keys and some of it DNAMEs with their CNAMEs, needs half of it.
// With more the chain counts as broken: it is an attack on whoever walks it.
const maxAliases = 8 * maxLinks

// Addr is an address that the answer gives to the client.
type Addr struct {
	Addr netip.Addr    // an A's is IPv4; an AAAA's is left as it is, also if it embeds an IPv4 address
	TTL  time.Duration // the record's, or less if a link before it has less
	Hint bool          // from an ipv4hint or ipv6hint of an SVCB or HTTPS record
}

// Kind tells which record a link comes from.
type Kind uint8

// LinkSVCB stands for HTTPS too.
const (
	LinkCNAME Kind = iota
	LinkDNAME
	LinkSVCB
)

// Link is a record that leads from one name to another. A DNAME's names are
// its own, not those that it rewrites: everything below Owner is to be found
// below Target.
type Link struct {
	Owner, Target string        // lower case
	Next          string        // the name that it leads to: Target, or what a DNAME makes of the name before
	TTL           time.Duration // the record's own
	Kind          Kind
}

// Walk is what an answer says. The zero Walk is ready for use. It is meant to
// be used again and again: Read forgets what was there before but keeps the
// memory. It holds on to strings of the last message, and it is not safe for
// concurrent use.
type Walk struct {
	// Addrs are the addresses at the chain's end that were asked for, in the
	// order of the message, duplicates included.
	Addrs []Addr
	// Links are the links that the chain was followed through, in its order,
	// and then those of the SVCB and HTTPS records at its end. A DNAME and the
	// CNAME made from it are two links to one name. A question for CNAME or
	// DNAME is not followed, but its links are here.
	Links []Link
	// Names are the chain's names from the question on, in lower case.
	Names []string
	// Stray tells that the message holds an address that the question does not
	// lead to: an A, AAAA or hint in ADDITIONAL or AUTHORITY, or in ANSWER
	// unreachable or not of the type asked for, or a malformed one.
	Stray bool
	// Broken tells that the chain has no end: it loops, is too long, or a name
	// on it is an alias of two others (RFC 2181 §10.1). Nothing is reachable
	// then.
	Broken bool
	// Least is the least TTL on the chain: its links, and the address, SVCB
	// and HTTPS records at its end. 0 if there are none.
	Least time.Duration
	// Uneven tells that a record on the chain has a TTL above Least.
	Uneven bool
	// Signed tells that ANSWER has an RRSIG over a record on the chain.
	Signed bool

	asked   types  // the address types that were asked for
	end     string // the chain's end
	rest    bool   // ANSWER has a record that was asked for and is no address
	roles   []role // of the records in ANSWER
	strays  types  // types of the records in ANSWER with roleStray
	bad     types  // types of malformed records among those that were asked for
	aliases []int  // indices of the CNAMEs and DNAMEs in ANSWER, and of RRSIGs over them
	ttls    ttls
}

// role is what a record of ANSWER is to the chain.
type role uint8

const (
	roleOther    role = iota // nothing
	roleLink                 // a CNAME or DNAME on it
	roleAddr                 // the address of one Addr
	roleSVCB                 // an SVCB or HTTPS record at its end, with any number of Addrs
	roleStray                // an address that must not leave
	roleLinkSig              // signs a link
	roleEndSig               // signs an address, SVCB or HTTPS record at its end
	roleStraySig             // signs such a record elsewhere
)

// Read reads m, the answer to a question of class IN for qname and qtype. qname
// is in miekg/dns's presentation form, in any case. Nothing is allocated once
// the Walk has grown to the size of the answers, unless a name has capitals or
// a DNAME comes without its CNAME.
func (w *Walk) Read(m *dns.Msg, qname string, qtype uint16) {
	*w = Walk{
		Addrs:   w.Addrs[:0],
		Links:   w.Links[:0],
		Names:   append(w.Names[:0], Lower(qname)),
		asked:   typesAsked(qtype),
		roles:   slices.Grow(w.roles[:0], len(m.Answer))[:len(m.Answer)],
		aliases: w.aliases[:0],
		ttls:    noTTLs,
	}
	clear(w.roles)
	w.follow(m.Answer, qtype == dns.TypeCNAME || qtype == dns.TypeDNAME)
	w.end = w.Names[len(w.Names)-1]
	w.collect(m.Answer, qtype)
	w.Stray = w.strays|w.bad != 0 || addresses(m.Ns) != 0 || addresses(m.Extra) != 0
	w.Least, w.Uneven = w.ttls.least(), w.ttls.uneven()
}

// collect finds the role of every record that is not a link.
func (w *Walk) collect(answer []dns.RR, qtype uint16) {
	links := w.ttls
	var signed, seen types
	for i, rr := range answer {
		if rr == nil {
			continue
		}
		h := rr.Header()
		switch t := typeOf(h.Rrtype); {
		case t == 0:
			if h.Rrtype == dns.TypeRRSIG {
				signed |= w.sign(i, rr)
			}
			w.rest = w.rest || w.answers(h, qtype)
		case w.reaches(h, t):
			if w.take(i, rr, h, t, links) {
				seen |= t
			}
		case holdsAddress(rr, t):
			w.roles[i] = roleStray
			w.strays |= t
		}
	}
	w.Signed = w.Signed || signed&seen != 0
}

// reaches tells whether the records of h's owner and type are what the
// question leads to.
func (w *Walk) reaches(h *dns.RR_Header, t types) bool {
	return w.asked&t != 0 && w.atEnd(h)
}

func (w *Walk) atEnd(h *dns.RR_Header) bool {
	return !w.Broken && h.Class == dns.ClassINET && sameName(h.Name, w.end)
}

// answers tells whether a record of a type that gives no addresses was asked for.
func (w *Walk) answers(h *dns.RR_Header, qtype uint16) bool {
	if qtype == dns.TypeANY {
		return h.Rrtype != dns.TypeRRSIG && w.atEnd(h)
	}
	return h.Rrtype == qtype && w.atEnd(h)
}

// take takes the i-th record of ANSWER, of type t, as one that was asked for. It
// reports false if it is malformed.
func (w *Walk) take(i int, rr dns.RR, h *dns.RR_Header, t types, links ttls) bool {
	if t&typesAddr == 0 {
		if svcb := svcbOf(rr); svcb != nil {
			w.roles[i] = roleSVCB
			w.rest = true
			w.ttls.add(h.Ttl)
			w.takeSVCB(svcb, links.atMost(h.Ttl))
			return true
		}
	} else if addr, ok := addrOf(rr, t); ok {
		w.roles[i] = roleAddr
		w.ttls.add(h.Ttl)
		w.Addrs = append(w.Addrs, Addr{Addr: addr, TTL: links.atMost(h.Ttl)})
		return true
	}
	w.roles[i] = roleStray
	w.bad |= t
	return false
}

// sign finds the role of an RRSIG. It returns the type that it covers, if it is
// over records that were asked for; there may be none.
func (w *Walk) sign(i int, rr dns.RR) types {
	sig, ok := rr.(*dns.RRSIG)
	if !ok {
		return 0
	}
	switch t := typeOf(sig.TypeCovered); {
	case t != 0 && w.reaches(&sig.Hdr, t):
		w.roles[i] = roleEndSig
		return t
	case t != 0:
		w.roles[i] = roleStraySig
	case w.signsLink(sig):
		w.roles[i] = roleLinkSig
		w.Signed = true
	}
	return 0
}

func (w *Walk) signsLink(sig *dns.RRSIG) bool {
	if sig.Hdr.Class != dns.ClassINET {
		return false
	}
	var kind Kind
	switch sig.TypeCovered {
	case dns.TypeCNAME:
		kind = LinkCNAME
	case dns.TypeDNAME:
		kind = LinkDNAME
	default:
		return false
	}
	return slices.ContainsFunc(w.Links, func(l Link) bool {
		return l.Kind == kind && sameName(sig.Hdr.Name, l.Owner)
	})
}

// Left tells whether the answer has anything that the question asked for if
// only the addresses with a true in keep stay: a record that is no address
// counts, and so does an SVCB or HTTPS record without its hints.
func (w *Walk) Left(keep []bool) bool {
	if w.rest {
		return true
	}
	for i := range w.Addrs {
		if i < len(keep) && keep[i] {
			return true
		}
	}
	return false
}

// Emptied tells whether nothing is Left of an ANSWER that did have addresses,
// though the question may not have led to them.
func (w *Walk) Emptied(keep []bool) bool {
	return (len(w.Addrs) > 0 || w.strays|w.bad != 0) && !w.Left(keep)
}
