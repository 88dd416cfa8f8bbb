package nftset

import "github.com/miekg/dns"

// wantingAD is the question r with the wish to be told whether the answer is
// validated: by the AD bit, which adds nothing to the answer, and not by DO, which
// adds signatures (RFC 6840 §5.7). It is a copy, as r is the client's, and shares
// with r what rewrite changes in place.
//
// A cache between here and the upstream keeps the bit: it always asks for it
// itself, and gives it to who asks.
func wantingAD(r *dns.Msg) *dns.Msg {
	asked := *r
	asked.AuthenticatedData = true
	return &asked
}

// validated tells whether the upstream has validated all of m's ANSWER (RFC 4035
// §3.2.3), the answer to r, which was asked wantingAD. With CD the client has asked
// the upstream not to validate (RFC 4035 §3.2.2), and whether it has done so
// all the same depends on what it holds.
func validated(r, m *dns.Msg) bool { return m.AuthenticatedData && !r.CheckingDisabled }

// withoutAD is m for a client that hasn't asked whether it is validated (RFC 6840
// §5.8). m may be shared with the cache and isn't changed.
func withoutAD(m *dns.Msg) *dns.Msg {
	if !m.AuthenticatedData {
		return m
	}
	plain := *m
	plain.AuthenticatedData = false
	return &plain
}
