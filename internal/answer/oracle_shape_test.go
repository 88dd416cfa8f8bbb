package answer

import (
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/miekg/dns"
)

// shaped is the oracle's idea of a shaped message.
type shaped struct {
	answer, authority, additional []string
	ad                            bool
	rcode                         int
}

func (o *oracle) kept(cut Cut, i int) bool { return i < len(cut.Keep) && cut.Keep[i] }

// shape renders the sections that should be left.
func (o *oracle) shape(m *dns.Msg, cut Cut) shaped {
	if o.fits(m, cut) {
		return shaped{texts(m.Answer), texts(m.Ns), texts(m.Extra), m.AuthenticatedData, m.Rcode}
	}
	limit := o.least
	if cut.Max > 0 {
		limit = min(limit, cut.Max)
	}
	trimmed, dropped := o.losses(m, cut)
	out := shaped{ad: m.AuthenticatedData, rcode: m.Rcode}
	left := o.rest
	for i, rr := range m.Answer {
		if o.stray[i] {
			continue
		}
		h := rr.Header()
		rr = dns.Copy(rr)
		if first, asked := o.index[i]; asked {
			if h.Rrtype < dns.TypeSVCB && !o.kept(cut, first) {
				continue
			}
			left = true
			setValues(rr, o.values(rr, cut, first))
		}
		capped := o.chain[i]
		if sig, ok := rr.(*dns.RRSIG); ok && slices.Contains(oracleTypes, sig.TypeCovered) {
			switch mine := o.atEnd(h) && o.asks(m, sig.TypeCovered); {
			case trimmed[sig.TypeCovered], !mine && dropped[sig.TypeCovered]:
				continue
			default:
				capped = mine
			}
		} else if ok {
			capped = o.covers(m, sig)
		}
		if capped && time.Duration(h.Ttl)*time.Second > limit {
			rr.Header().Ttl = uint32(limit / time.Second)
		}
		out.answer = append(out.answer, rr.String())
	}
	if left || len(out.answer) == len(m.Answer) {
		out.authority = o.others(m.Ns)
	}
	out.ad = out.ad && len(trimmed) == 0 && len(out.answer) == len(m.Answer) && len(out.authority) == len(m.Ns)
	out.additional = o.extra(m, cut)
	if out.rcode > 15 && (!cut.Client.OPT || m.IsEdns0() == nil && cut.EDE == nil) {
		out.rcode = dns.RcodeServerFailure
	}
	return out
}

// asks tells whether the question was for records of the type. Every question
// that asks for addresses and every record that was asked for is known here
// only by the message's question.
func (o *oracle) asks(m *dns.Msg, rrtype uint16) bool {
	return m.Question[0].Qtype == rrtype || m.Question[0].Qtype == dns.TypeANY
}

func (o *oracle) fits(m *dns.Msg, cut Cut) bool {
	for i := range o.addrs {
		if !o.kept(cut, i) {
			return false
		}
	}
	return !o.anyStray && !o.uneven && (cut.Max == 0 || o.least <= cut.Max) && (cut.EDE == nil || !cut.Client.OPT)
}

// losses are the types that lose something at the chain's end, and elsewhere.
func (o *oracle) losses(m *dns.Msg, cut Cut) (trimmed, dropped map[uint16]bool) {
	trimmed, dropped = make(map[uint16]bool), make(map[uint16]bool)
	for t := range o.bad {
		trimmed[t] = true
	}
	for i, first := range o.index {
		addrs, bad := oracleAddrs(m.Answer[i])
		if bad && m.Answer[i].Header().Rrtype < dns.TypeSVCB {
			continue
		}
		for j := range addrs {
			if !o.kept(cut, first+j) {
				trimmed[m.Answer[i].Header().Rrtype] = true
			}
		}
	}
	for i := range o.stray {
		if _, asked := o.index[i]; !asked {
			dropped[m.Answer[i].Header().Rrtype] = true
		}
	}
	return trimmed, dropped
}

// values are a service's parameters without the hints that are cut.
func (o *oracle) values(rr dns.RR, cut Cut, next int) []dns.SVCBKeyValue {
	alias := false
	switch rr := rr.(type) {
	case *dns.HTTPS:
		alias = rr.Priority == 0
	case *dns.SVCB:
		alias = rr.Priority == 0
	}
	some := func(ips []net.IP) (left []net.IP) {
		for _, ip := range ips {
			if !alias {
				if o.kept(cut, next) {
					left = append(left, ip)
				}
				next++
			}
		}
		return left
	}
	gone := make(map[dns.SVCBKey]bool)
	var values []dns.SVCBKeyValue
	for _, kv := range oracleValues(rr) {
		switch kv := kv.(type) {
		case *dns.SVCBIPv4Hint:
			if left := some(kv.Hint); left != nil {
				values = append(values, &dns.SVCBIPv4Hint{Hint: left})
				continue
			}
			gone[kv.Key()] = true
		case *dns.SVCBIPv6Hint:
			if left := some(kv.Hint); left != nil {
				values = append(values, &dns.SVCBIPv6Hint{Hint: left})
				continue
			}
			gone[kv.Key()] = true
		default:
			values = append(values, kv)
		}
	}
	for i, kv := range values {
		mandatory, ok := kv.(*dns.SVCBMandatory)
		if !ok || len(gone) == 0 {
			continue
		}
		var codes []dns.SVCBKey
		for _, c := range mandatory.Code {
			if !gone[c] {
				codes = append(codes, c)
			}
		}
		if codes == nil {
			return slices.Delete(values, i, i+1)
		}
		values[i] = &dns.SVCBMandatory{Code: codes}
	}
	return values
}

func setValues(rr dns.RR, values []dns.SVCBKeyValue) {
	switch rr := rr.(type) {
	case *dns.HTTPS:
		rr.Value = values
	case *dns.SVCB:
		rr.Value = values
	}
}

// others are the records of a section that no question asks for.
func (o *oracle) others(section []dns.RR) []string {
	gone := make(map[uint16]bool)
	for _, rr := range section {
		if oracleHolds(rr) {
			gone[rr.Header().Rrtype] = true
		}
	}
	var left []string
	for _, rr := range section {
		sig, ok := rr.(*dns.RRSIG)
		if !oracleHolds(rr) && !(ok && gone[sig.TypeCovered]) {
			left = append(left, rr.String())
		}
	}
	return left
}

// extra is ADDITIONAL: its records, one OPT, and the TSIG.
func (o *oracle) extra(m *dns.Msg, cut Cut) []string {
	records := slices.DeleteFunc(slices.Clone(m.Extra), func(rr dns.RR) bool {
		return rr.Header().Rrtype == dns.TypeOPT || rr.Header().Rrtype == dns.TypeTSIG
	})
	out := o.others(records)
	if cut.Client.OPT {
		opt := m.Copy().IsEdns0()
		if opt == nil && cut.EDE != nil {
			opt = &dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT}}
		}
		if opt != nil {
			opt.Hdr.Ttl = 0 // extended rcode, version and flags
			opt.Hdr.Name = "."
			opt.SetDo(cut.Client.DO)
		}
		if opt != nil && cut.EDE != nil {
			opt.Option = append(opt.Option, cut.EDE)
		}
		if opt != nil {
			out = append(out, opt.String())
		}
	}
	if tsig := m.IsTsig(); tsig != nil {
		out = append(out, tsig.String())
	}
	return out
}

func texts(section []dns.RR) []string {
	var out []string
	for _, rr := range section {
		out = append(out, fmt.Sprint(rr))
	}
	return out
}
