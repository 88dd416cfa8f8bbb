package set

import (
	"slices"
	"strings"
)

// keywords are words that nft(8) reads as something else where a table or a set is
// named, so that neither can be declared with such a name: what nft 1.0.6 refused
// when it was tried, and what the scanner of nft 1.1.6 takes for a token in any
// place (nftables src/scanner.l).
const keywords = `
accept add ah all and arp auto-merge bridge cgroup chain comment comp constant continue counter cpu create ct day
dccp define delete describe destroy device devices dnat drop dst dup dynamic ecn element elements eq esp ether
exists expires export exthdr fib flags flow flowtable flush frag fwd gc-interval ge geneve get goto gre gretap gt
handle hbh hook hour ibriport ibrname icmp icmpv6 igmp iif iifgroup iifname iiftype import include index inet
insert interval ip ip6 ipsec jhash jump last le limit list ll log lshift lt map mark masquerade meta meter mh
missing monitor ne netdev nftrace nh not notrack numgen obriport obrname offload oif oifgroup oifname oiftype or
osf pkttype policy position priority queue quota random redefine redirect reject rename replace reset return rshift
rt rt0 rt2 rtclassid rule ruleset sctp secmark set size skgid skuid snat socket srh symhash synproxy table tcp th
time timeout tproxy tunnel type typeof udp udplite undefine update vlan vmap vni vxlan xor xt
`

// Keyword returns the part of the set's ID that nft(8) takes for a keyword, the
// table or the set. The kernel itself has nothing against it.
func (id ID) Keyword() (word string, ok bool) {
	known := strings.Fields(keywords)
	for _, word := range []string{id.Table, id.Name} {
		if slices.Contains(known, word) {
			return word, true
		}
	}
	return "", false
}
