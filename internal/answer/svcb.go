package answer

import (
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"
)

// svcbOf is the SVCB part of an SVCB or HTTPS record, else nil.
func svcbOf(rr dns.RR) *dns.SVCB {
	switch rr := rr.(type) {
	case *dns.SVCB:
		return rr
	case *dns.HTTPS:
		return &rr.SVCB
	}
	return nil
}

// isHint tells whether a parameter holds addresses, RFC 9460 §7.3.
func isHint(key dns.SVCBKey) bool {
	return key == dns.SVCB_IPV4HINT || key == dns.SVCB_IPV6HINT
}

// hasHints tells whether a record of type SVCB or HTTPS holds addresses. One
// that nobody can read may hold any.
func hasHints(rr dns.RR) bool {
	svcb := svcbOf(rr)
	return svcb == nil || slices.ContainsFunc(svcb.Value, func(kv dns.SVCBKeyValue) bool {
		return isHint(kv.Key())
	})
}

// aliasMode tells whether the record is an alias. Its parameters mean nothing
// then (RFC 9460 §2.4.2), so that its hints are never admitted; but a client
// may not know that, so that they never leave.
func aliasMode(svcb *dns.SVCB) bool { return svcb.Priority == 0 }

// takeSVCB notes the hints of an SVCB or HTTPS record that was asked for, and
// where it leads.
func (w *Walk) takeSVCB(svcb *dns.SVCB, ttl time.Duration) {
	if target := Lower(svcb.Target); target != "" && target != "." && target != w.end {
		w.Links = append(w.Links, Link{
			Owner: w.end, Target: target, Next: target, TTL: seconds(svcb.Hdr.Ttl), Kind: LinkSVCB,
		})
	}
	for _, kv := range svcb.Value {
		if !isHint(kv.Key()) {
			continue
		}
		ips, addr := hintsOf(kv)
		if aliasMode(svcb) || len(ips) == 0 {
			w.bad |= typeOf(svcb.Hdr.Rrtype)
			continue
		}
		for _, ip := range ips {
			a, ok := addr(ip)
			if !ok {
				w.bad |= typeOf(svcb.Hdr.Rrtype)
				continue
			}
			w.Addrs = append(w.Addrs, Addr{Addr: a, TTL: ttl, Hint: true})
		}
	}
}

// hintsOf are the addresses of a hint, and how to read each. None, if the
// parameter is not of the type that its key tells.
func hintsOf(kv dns.SVCBKeyValue) ([]net.IP, func(net.IP) (netip.Addr, bool)) {
	switch kv := kv.(type) {
	case *dns.SVCBIPv4Hint:
		return kv.Hint, addr4
	case *dns.SVCBIPv6Hint:
		return kv.Hint, addr6
	}
	return nil, nil
}

// addr6 is an address that an ipv6hint can carry: miekg/dns refuses to send, and
// to read, one that maps an IPv4 address.
func addr6(ip net.IP) (netip.Addr, bool) {
	a, ok := addr16(ip)
	return a, ok && !a.Is4In6()
}

// trimHints takes the hints out of svcb, in place, that keep refuses. keep is
// called once for each that Read took, in the same order.
func trimHints(svcb *dns.SVCB, keep func() bool) {
	var gone []dns.SVCBKey
	svcb.Value = slices.DeleteFunc(svcb.Value, func(kv dns.SVCBKeyValue) bool {
		if !isHint(kv.Key()) || !aliasMode(svcb) && trimHint(kv, keep) {
			return false
		}
		gone = append(gone, kv.Key())
		return true
	})
	if gone == nil {
		return
	}
	// A mandatory key that isn't there makes the record unusable, and so does an
	// empty list of them: RFC 9460 §8.
	svcb.Value = slices.DeleteFunc(svcb.Value, func(kv dns.SVCBKeyValue) bool {
		m, ok := kv.(*dns.SVCBMandatory)
		if !ok {
			return false
		}
		m.Code = slices.DeleteFunc(m.Code, func(k dns.SVCBKey) bool { return slices.Contains(gone, k) })
		return len(m.Code) == 0
	})
}

// trimHint does the same to one parameter, and tells whether anything is left.
func trimHint(kv dns.SVCBKeyValue, keep func() bool) bool {
	_, addr := hintsOf(kv)
	refused := func(ip net.IP) bool {
		_, ok := addr(ip)
		return !ok || !keep()
	}
	switch kv := kv.(type) {
	case *dns.SVCBIPv4Hint:
		kv.Hint = slices.DeleteFunc(kv.Hint, refused)
		return len(kv.Hint) > 0
	case *dns.SVCBIPv6Hint:
		kv.Hint = slices.DeleteFunc(kv.Hint, refused)
		return len(kv.Hint) > 0
	}
	return false
}
