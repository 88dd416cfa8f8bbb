package rule

import "net/netip"

// special is what is known about addresses that no line of the configuration
// speaks about: the IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC
// 6890, RFC 8190), by their column "Globally Reachable", and what lies outside
// unicast. Of the prefixes that hold an address the longest decides.
//
// 6to4 and Teredo have no value there ("N/A"): whether such an address is
// reachable depends on the IPv4 address inside, see embeddings.
var special = newTable([]entry{
	{netip.MustParsePrefix("0.0.0.0/0"), Admit},
	{netip.MustParsePrefix("0.0.0.0/8"), RefuseSpecial},       // this network, RFC 791 §3.2
	{netip.MustParsePrefix("10.0.0.0/8"), RefuseSpecial},      // private, RFC 1918
	{netip.MustParsePrefix("100.64.0.0/10"), RefuseSpecial},   // shared by carriers' NAT, RFC 6598
	{netip.MustParsePrefix("127.0.0.0/8"), RefuseSpecial},     // loopback, RFC 1122 §3.2.1.3
	{netip.MustParsePrefix("169.254.0.0/16"), RefuseSpecial},  // link-local and clouds' metadata, RFC 3927
	{netip.MustParsePrefix("172.16.0.0/12"), RefuseSpecial},   // private, RFC 1918
	{netip.MustParsePrefix("192.0.0.0/24"), RefuseSpecial},    // IETF protocol assignments, RFC 6890 §2.1
	{netip.MustParsePrefix("192.0.0.9/32"), Admit},            // PCP anycast, RFC 7723
	{netip.MustParsePrefix("192.0.0.10/32"), Admit},           // TURN anycast, RFC 8155
	{netip.MustParsePrefix("192.0.2.0/24"), RefuseSpecial},    // documentation, RFC 5737
	{netip.MustParsePrefix("192.88.99.0/24"), RefuseSpecial},  // 6to4 relays, deprecated, RFC 7526; 6a44, RFC 6751
	{netip.MustParsePrefix("192.168.0.0/16"), RefuseSpecial},  // private, RFC 1918
	{netip.MustParsePrefix("198.18.0.0/15"), RefuseSpecial},   // benchmarks, RFC 2544
	{netip.MustParsePrefix("198.51.100.0/24"), RefuseSpecial}, // documentation, RFC 5737
	{netip.MustParsePrefix("203.0.113.0/24"), RefuseSpecial},  // documentation, RFC 5737
	{netip.MustParsePrefix("224.0.0.0/4"), RefuseSpecial},     // multicast, RFC 5771
	{netip.MustParsePrefix("240.0.0.0/4"), RefuseSpecial},     // reserved, RFC 1112 §4; limited broadcast, RFC 8190

	{netip.MustParsePrefix("::/0"), RefuseSpecial},          // what is not global unicast, RFC 4291 §2.4
	{netip.MustParsePrefix("64:ff9b::/96"), Admit},          // NAT64, RFC 6052
	{netip.MustParsePrefix("2000::/3"), Admit},              // global unicast, RFC 3587 §3
	{netip.MustParsePrefix("2001::/23"), RefuseSpecial},     // IETF protocol assignments, RFC 2928
	{netip.MustParsePrefix("2001::/32"), Admit},             // Teredo, RFC 4380
	{netip.MustParsePrefix("2001:1::1/128"), Admit},         // PCP anycast, RFC 7723
	{netip.MustParsePrefix("2001:1::2/128"), Admit},         // TURN anycast, RFC 8155
	{netip.MustParsePrefix("2001:1::3/128"), Admit},         // DNS-SD SRP anycast, RFC 9665
	{netip.MustParsePrefix("2001:3::/32"), Admit},           // AMT, RFC 7450
	{netip.MustParsePrefix("2001:4:112::/48"), Admit},       // AS112, RFC 7535
	{netip.MustParsePrefix("2001:20::/28"), Admit},          // ORCHIDv2, RFC 7343
	{netip.MustParsePrefix("2001:30::/28"), Admit},          // drone remote identifiers, RFC 9374
	{netip.MustParsePrefix("2001:db8::/32"), RefuseSpecial}, // documentation, RFC 3849
	{netip.MustParsePrefix("2002::/16"), Admit},             // 6to4, RFC 3056
	{netip.MustParsePrefix("3fff::/20"), RefuseSpecial},     // documentation, RFC 9637
})
