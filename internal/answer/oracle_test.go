package answer

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"
)

// oracle is what an answer says, found the slow and obvious way: on names in
// wire form, from sets, with a scan for every question. It shares no code with
// the package.
type oracle struct {
	names  []string // wire form, lower case
	links  []oracleLink
	broken bool

	addrs []Addr
	index map[int]int  // record of ANSWER → its first address
	chain map[int]bool // records of ANSWER on the chain
	stray map[int]bool // records of ANSWER that must not leave
	bad   map[uint16]bool

	anyStray, uneven, signed, rest bool

	least time.Duration
}

type oracleLink struct {
	kind          uint16
	owner, target string
	ttl           uint32
}

var oracleTypes = []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeSVCB, dns.TypeHTTPS}

// wire is a name in wire form and lower case, empty for no name at all.
func wire(name string) string {
	buf := make([]byte, 512)
	n, err := dns.PackDomainName(name, buf, 0, nil, false)
	if name == "" || err != nil {
		return ""
	}
	return asciiLower(string(buf[:n]))
}

// aliasesOf are the names that a CNAME or a DNAME makes of name, and the links
// to them.
func aliasesOf(answer []dns.RR, name string) (targets []string, links map[int]oracleLink) {
	links = make(map[int]oracleLink)
	for i, rr := range answer {
		h := rr.Header()
		if h.Class != dns.ClassINET {
			continue
		}
		target := ""
		switch rr := rr.(type) {
		case *dns.CNAME:
			if wire(h.Name) != name || wire(rr.Target) == "" {
				continue
			}
			target = wire(rr.Target)
			links[i] = oracleLink{dns.TypeCNAME, name, target, h.Ttl}
		case *dns.DNAME:
			if wire(rr.Target) == "" {
				continue
			}
			// Off with one label after the other, until the owner is what's left.
			for n := 0; name[n] != 0; {
				n += 1 + int(name[n])
				if name[n:] == wire(h.Name) {
					target = name[:n] + wire(rr.Target)
					links[i] = oracleLink{dns.TypeDNAME, name[n:], wire(rr.Target), h.Ttl}
				}
			}
		}
		if target != "" && !slices.Contains(targets, target) {
			targets = append(targets, target)
		}
	}
	return targets, links
}

// oracleAliases counts the aliases and their signatures.
func oracleAliases(answer []dns.RR) (n int) {
	for _, rr := range answer {
		class := rr.Header().Class
		switch rr := rr.(type) {
		case *dns.CNAME:
			if class == dns.ClassINET && wire(rr.Target) != "" {
				n++
			}
		case *dns.DNAME:
			if class == dns.ClassINET && wire(rr.Target) != "" {
				n++
			}
		case *dns.RRSIG:
			if rr.TypeCovered == dns.TypeCNAME || rr.TypeCovered == dns.TypeDNAME {
				n++
			}
		}
	}
	return n
}

func oracleTTL(ttl uint32) time.Duration {
	if ttl >= 1<<31 {
		return 0
	}
	return time.Duration(ttl) * time.Second
}

func consult(m *dns.Msg, qname string, qtype uint16) *oracle {
	o := &oracle{
		names: []string{wire(qname)},
		index: make(map[int]int), chain: make(map[int]bool), stray: make(map[int]bool),
		bad: make(map[uint16]bool),
	}
	o.broken = oracleAliases(m.Answer) > 128
	for !o.broken {
		end := o.names[len(o.names)-1]
		targets, links := aliasesOf(m.Answer, end)
		if len(targets) == 0 {
			break
		}
		if len(targets) > 1 || len(targets[0]) > 255 || slices.Contains(o.names, targets[0]) || len(o.names) == 17 {
			o.broken = true
			break
		}
		for i, l := range links {
			o.chain[i] = true
			o.links = append(o.links, l)
		}
		if qtype == dns.TypeCNAME || qtype == dns.TypeDNAME {
			break
		}
		o.names = append(o.names, targets[0])
	}
	o.end(m, qtype)
	o.ttls(m)
	for _, rr := range slices.Concat(m.Ns, m.Extra) {
		o.anyStray = o.anyStray || oracleHolds(rr)
	}
	o.anyStray = o.anyStray || len(o.stray) > 0 || len(o.bad) > 0
	for _, rr := range m.Answer {
		if sig, ok := rr.(*dns.RRSIG); ok {
			o.signed = o.signed || o.covers(m, sig)
		}
	}
	return o
}

func (o *oracle) atEnd(h *dns.RR_Header) bool {
	return !o.broken && h.Class == dns.ClassINET && wire(h.Name) == o.names[len(o.names)-1]
}

// end looks at all that the chain may lead to.
func (o *oracle) end(m *dns.Msg, qtype uint16) {
	bound := time.Duration(1<<63 - 1)
	for _, l := range o.links {
		bound = min(bound, oracleTTL(l.ttl))
	}
	for i, rr := range m.Answer {
		h := rr.Header()
		asked := h.Rrtype == qtype || qtype == dns.TypeANY
		if !slices.Contains(oracleTypes, h.Rrtype) {
			signature := h.Rrtype == dns.TypeRRSIG && qtype == dns.TypeANY
			o.rest = o.rest || asked && o.atEnd(h) && !signature
			continue
		}
		if !asked || !o.atEnd(h) {
			if oracleHolds(rr) {
				o.stray[i] = true
			}
			continue
		}
		o.index[i] = len(o.addrs)
		ttl := min(bound, oracleTTL(h.Ttl))
		found, bad := oracleAddrs(rr)
		for _, a := range found {
			o.addrs = append(o.addrs, Addr{Addr: a, TTL: ttl, Hint: h.Rrtype >= dns.TypeSVCB})
		}
		if bad {
			o.bad[h.Rrtype] = true
		}
		if h.Rrtype >= dns.TypeSVCB {
			o.rest = true
		} else if bad {
			o.stray[i] = true
			continue
		}
		o.chain[i] = true
	}
}

func (o *oracle) ttls(m *dns.Msg) {
	first := true
	for i := range o.chain {
		ttl := oracleTTL(m.Answer[i].Header().Ttl)
		if first || ttl < o.least {
			o.least, first = ttl, false
		}
	}
	for i := range o.chain {
		if time.Duration(m.Answer[i].Header().Ttl)*time.Second > o.least {
			o.uneven = true
		}
	}
}

// covers tells whether sig signs a record on the chain.
func (o *oracle) covers(m *dns.Msg, sig *dns.RRSIG) bool {
	for i := range o.chain {
		h := m.Answer[i].Header()
		if sig.Hdr.Class == h.Class && sig.TypeCovered == h.Rrtype && wire(sig.Hdr.Name) == wire(h.Name) {
			return true
		}
	}
	return false
}

// oracleHolds tells whether a record holds an address, or what should be one.
func oracleHolds(rr dns.RR) bool {
	if t := rr.Header().Rrtype; t == dns.TypeA || t == dns.TypeAAAA {
		return true
	}
	for _, kv := range oracleValues(rr) {
		if kv.Key() == dns.SVCB_IPV4HINT || kv.Key() == dns.SVCB_IPV6HINT {
			return true
		}
	}
	return false
}

func oracleValues(rr dns.RR) []dns.SVCBKeyValue {
	switch rr := rr.(type) {
	case *dns.HTTPS:
		return rr.Value
	case *dns.SVCB:
		return rr.Value
	}
	return nil
}

// oracleAddrs reads the addresses of a record from its text.
func oracleAddrs(rr dns.RR) (addrs []netip.Addr, bad bool) {
	read := func(text string, is4 bool) {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Is4() != is4 {
			bad = true
			return
		}
		addrs = append(addrs, a)
	}
	switch rr := rr.(type) {
	case *dns.A:
		read(rr.A.String(), true)
		return addrs, bad
	case *dns.AAAA:
		if len(rr.AAAA) == 16 {
			return []netip.Addr{netip.AddrFrom16([16]byte(rr.AAAA))}, false
		}
		return nil, true
	case *dns.HTTPS:
		bad = rr.Priority == 0 && oracleHolds(rr)
	case *dns.SVCB:
		bad = rr.Priority == 0 && oracleHolds(rr)
	}
	if bad {
		return nil, true
	}
	for _, kv := range oracleValues(rr) {
		switch kv := kv.(type) {
		case *dns.SVCBIPv4Hint:
			for _, ip := range kv.Hint {
				read(ip.String(), true)
			}
		case *dns.SVCBIPv6Hint:
			for _, ip := range kv.Hint {
				read(ip.String(), false)
			}
		}
	}
	return addrs, bad
}

// services are the links of the SVCB and HTTPS records at the chain's end.
func (o *oracle) services(m *dns.Msg) []oracleLink {
	var links []oracleLink
	end := o.names[len(o.names)-1]
	for i, rr := range m.Answer {
		if _, asked := o.index[i]; !asked {
			continue
		}
		var target string
		switch rr := rr.(type) {
		case *dns.HTTPS:
			target = wire(rr.Target)
		case *dns.SVCB:
			target = wire(rr.Target)
		}
		if target != "" && target != "\x00" && target != end {
			ttl := uint32(oracleTTL(rr.Header().Ttl) / time.Second)
			links = append(links, oracleLink{dns.TypeSVCB, end, target, ttl})
		}
	}
	return links
}

// linkSet is the links without order and duplicates, the least TTL for each.
func linkSet(links []oracleLink) []oracleLink {
	links = slices.Clone(links)
	slices.SortFunc(links, func(a, b oracleLink) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.owner, b.owner),
			cmp.Compare(a.target, b.target), cmp.Compare(oracleTTL(a.ttl), oracleTTL(b.ttl)))
	})
	return slices.CompactFunc(links, func(a, b oracleLink) bool {
		return a.kind == b.kind && a.owner == b.owner && a.target == b.target
	})
}
