package answer

import (
	"slices"
	"time"

	"github.com/miekg/dns"
)

// Cut is what Shape is to take away.
type Cut struct {
	// Keep tells, for each of Walk.Addrs, whether it stays. What has no true
	// here is cut.
	Keep []bool
	// Max bounds the TTLs. 0: no bound.
	Max time.Duration
	// Client is who gets the answer.
	Client Client
	// EDE is why something was cut, nil for nothing to say. It is told to a
	// client that sent an OPT, and becomes part of the answer as it is.
	EDE *dns.EDNS0_EDE
}

// Shape makes the answer that may leave, from the message that was read:
//
//   - without the addresses and hints that are not to be kept, without strays,
//     and without the RRSIGs of the sets that lost a record;
//   - the chain's TTLs, and their RRSIGs', are the least of them, and Max at most;
//   - AD is clear if ANSWER or AUTHORITY lost a record, for it says that these
//     two are authentic as they stand (RFC 4035 §3.2.3). It stays if only TTLs
//     sank, which validators allow (RFC 4035 §5.3.3), or ADDITIONAL was cleaned;
//   - question, id, rcode, TC and the other flags, OPT and TSIG are kept, but a
//     client without OPT gets none.
//
// If that leaves nothing of what was asked for (see Emptied), the result is
// NODATA: the chain without its end, and AUTHORITY is empty, because NS records
// without an answer would be a referral (RFC 2308 §2.2). It has no SOA on
// purpose: nobody may cache it.
//
// m is not changed, and is itself the result if nothing is to be done. The
// result shares with it the records that are the same: nothing above a plugin
// writes into records but into the OPT, which is a copy.
func (w *Walk) Shape(m *dns.Msg, cut Cut) *dns.Msg {
	if w.fits(cut) {
		return m
	}
	out := &dns.Msg{MsgHdr: m.MsgHdr, Compress: m.Compress, Question: slices.Clone(m.Question)}
	s := shaping{Walk: w, cut: cut, ttl: w.capTTL(cut.Max)}
	out.Answer = s.answer(m.Answer)
	if !w.Emptied(cut.Keep) {
		out.Ns = withoutAddresses(m.Ns)
	}
	if s.lost || len(out.Ns) < len(m.Ns) {
		out.AuthenticatedData = false
	}
	out.Extra = extra(m, cut.Client, cut.EDE, withoutAddresses(m.Extra))
	fitRcode(out)
	return out
}

// fits tells whether the message may leave as it is.
func (w *Walk) fits(cut Cut) bool {
	if w.Stray || w.Uneven || cut.Max > 0 && w.Least > cut.Max || cut.EDE != nil && cut.Client.OPT {
		return false
	}
	for i := range w.Addrs {
		if i >= len(cut.Keep) || !cut.Keep[i] {
			return false
		}
	}
	return true
}

// capTTL is the TTL that the chain's records get at most.
func (w *Walk) capTTL(limit time.Duration) uint32 {
	d := w.Least
	if limit > 0 {
		d = min(d, limit)
	}
	return uint32(d / time.Second)
}

// shaping is the work of one Shape on the ANSWER section.
type shaping struct {
	*Walk
	cut  Cut
	ttl  uint32
	next int   // index of the next of Addrs
	lost bool  // something was taken away
	from types // the types at the chain's end that lost something
}

// answer is the section that is left.
func (s *shaping) answer(section []dns.RR) []dns.RR {
	out := make([]dns.RR, 0, len(section))
	s.from = s.bad
	for i, rr := range section {
		if rr = s.record(rr, s.roles[i]); rr != nil {
			out = append(out, rr)
		}
	}
	s.lost = len(out) < len(section) || s.from != 0
	if s.from == 0 {
		return out
	}
	// Only now, because signatures may stand before what they sign.
	return slices.DeleteFunc(out, func(rr dns.RR) bool { return signs(rr, s.from) })
}

// record is what is left of one record, nil for nothing.
func (s *shaping) record(rr dns.RR, role role) dns.RR {
	switch role {
	case roleStray:
		return nil
	case roleStraySig:
		if signs(rr, s.strays) {
			return nil
		}
		return rr
	case roleAddr:
		if !s.keep() {
			s.from |= typeOf(rr.Header().Rrtype)
			return nil
		}
	case roleSVCB:
		rr = s.service(rr)
	case roleOther:
		return rr
	}
	return withTTL(rr, s.ttl)
}

// keep tells whether the next of Addrs stays.
func (s *shaping) keep() bool {
	i := s.next
	s.next++
	return i < len(s.cut.Keep) && s.cut.Keep[i]
}

// service is an SVCB or HTTPS record without the hints that were cut.
func (s *shaping) service(rr dns.RR) dns.RR {
	if !hasHints(rr) {
		return rr
	}
	trimmed := dns.Copy(rr)
	lost := false
	trimHints(svcbOf(trimmed), func() bool {
		kept := s.keep()
		lost = lost || !kept
		return kept
	})
	if lost {
		s.from |= typeOf(rr.Header().Rrtype)
	}
	return trimmed
}

// withTTL is the record with a TTL of at most ttl.
func withTTL(rr dns.RR, ttl uint32) dns.RR {
	if rr.Header().Ttl <= ttl {
		return rr
	}
	rr = dns.Copy(rr)
	rr.Header().Ttl = ttl
	return rr
}

// withoutAddresses is what is left of AUTHORITY or ADDITIONAL. With an address
// goes what signs its type, whoever owns it: a signature without its set is of
// no use, and a set without its signature is none the worse here, where
// nobody has to prove anything.
func withoutAddresses(section []dns.RR) []dns.RR {
	gone := addresses(section)
	if gone == 0 {
		return slices.Clone(section)
	}
	out := make([]dns.RR, 0, len(section))
	for _, rr := range section {
		if addressType(rr) == 0 && !signs(rr, gone) {
			out = append(out, rr)
		}
	}
	return out
}

// signs tells whether a record is an RRSIG over one of the types.
func signs(rr dns.RR, over types) bool {
	sig, ok := rr.(*dns.RRSIG)
	return ok && typeOf(sig.TypeCovered)&over != 0
}

// ServFail makes the answer to m's question for when the firewall can't do now
// what it may do later: SERVFAIL without any record but the OPT and the TSIG.
// m is not changed.
func ServFail(m *dns.Msg, client Client, e *dns.EDNS0_EDE) *dns.Msg {
	out := &dns.Msg{MsgHdr: m.MsgHdr, Compress: m.Compress, Question: slices.Clone(m.Question)}
	out.Rcode = dns.RcodeServerFailure
	out.Authoritative, out.AuthenticatedData, out.Truncated = false, false, false
	out.Extra = extra(m, client, e, nil)
	return out
}

// extra is the ADDITIONAL section of an answer made from m: records, the OPT,
// and the TSIG last, where it has to be (RFC 8945 §5.1).
func extra(m *dns.Msg, client Client, e *dns.EDNS0_EDE, records []dns.RR) []dns.RR {
	out := slices.DeleteFunc(records, func(rr dns.RR) bool {
		_, isOPT := rr.(*dns.OPT)
		_, isTSIG := rr.(*dns.TSIG)
		return isOPT || isTSIG
	})
	if opt := optFor(m, client, e); opt != nil {
		out = append(out, opt)
	}
	if tsig := m.IsTsig(); tsig != nil {
		out = append(out, tsig)
	}
	return out
}

// fitRcode replaces an extended rcode that can't be sent without an OPT.
func fitRcode(m *dns.Msg) {
	if m.Rcode > 0xF && m.IsEdns0() == nil {
		m.Rcode = dns.RcodeServerFailure
	}
}
