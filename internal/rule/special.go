package rule

import "net/netip"

// special is what is known about addresses that no line of the configuration
// speaks about. Of the rows that hold an address the longest decides.
var special = newTable(specialRows)

// specialRows are the IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC
// 6890, RFC 8190), row by row and by their column "Globally Reachable", and what
// else is no unicast.
//
// 6to4 and Teredo have no value in that column ("N/A"): how far such an address
// reaches is told by the IPv4 address inside, see embeddings.
var specialRows = []entry[Verdict]{
	{netip.MustParsePrefix("0.0.0.0/0"), Admit},
	{netip.MustParsePrefix("0.0.0.0/8"), RefuseSpecial},          // this network, RFC 791 §3.2
	{netip.MustParsePrefix("10.0.0.0/8"), RefuseSpecial},         // private, RFC 1918
	{netip.MustParsePrefix("100.64.0.0/10"), RefuseSpecial},      // shared behind carriers' NAT, RFC 6598
	{netip.MustParsePrefix("127.0.0.0/8"), RefuseSpecial},        // loopback, RFC 1122 §3.2.1.3
	{netip.MustParsePrefix("169.254.0.0/16"), RefuseSpecial},     // link-local, clouds' metadata, RFC 3927
	{netip.MustParsePrefix("172.16.0.0/12"), RefuseSpecial},      // private, RFC 1918
	{netip.MustParsePrefix("192.0.0.0/24"), RefuseSpecial},       // IETF protocol assignments, RFC 6890 §2.1
	{netip.MustParsePrefix("192.0.0.0/29"), RefuseSpecial},       // IPv4 service continuity, RFC 7335
	{netip.MustParsePrefix("192.0.0.8/32"), RefuseSpecial},       // dummy address, RFC 7600
	{netip.MustParsePrefix("192.0.0.9/32"), Admit},               // PCP anycast, RFC 7723
	{netip.MustParsePrefix("192.0.0.10/32"), Admit},              // TURN anycast, RFC 8155
	{netip.MustParsePrefix("192.0.0.170/31"), RefuseSpecial},     // discovery of NAT64, RFC 8880
	{netip.MustParsePrefix("192.0.2.0/24"), RefuseSpecial},       // documentation, RFC 5737
	{netip.MustParsePrefix("192.31.196.0/24"), Admit},            // AS112, RFC 7535
	{netip.MustParsePrefix("192.52.193.0/24"), Admit},            // AMT, RFC 7450
	{netip.MustParsePrefix("192.88.99.0/24"), RefuseSpecial},     // 6to4 relays, deprecated by RFC 7526
	{netip.MustParsePrefix("192.88.99.2/32"), RefuseSpecial},     // 6a44 relays, RFC 6751
	{netip.MustParsePrefix("192.168.0.0/16"), RefuseSpecial},     // private, RFC 1918
	{netip.MustParsePrefix("192.175.48.0/24"), Admit},            // AS112, RFC 7534
	{netip.MustParsePrefix("198.18.0.0/15"), RefuseSpecial},      // benchmarking, RFC 2544
	{netip.MustParsePrefix("198.51.100.0/24"), RefuseSpecial},    // documentation, RFC 5737
	{netip.MustParsePrefix("203.0.113.0/24"), RefuseSpecial},     // documentation, RFC 5737
	{netip.MustParsePrefix("224.0.0.0/4"), RefuseSpecial},        // multicast, RFC 5771; not in the registry
	{netip.MustParsePrefix("240.0.0.0/4"), RefuseSpecial},        // reserved, RFC 1112 §4
	{netip.MustParsePrefix("255.255.255.255/32"), RefuseSpecial}, // limited broadcast, RFC 8190

	{netip.MustParsePrefix("::/0"), RefuseSpecial},           // whatever follows does not name
	{netip.MustParsePrefix("2000::/3"), Admit},               // global unicast, RFC 3587 §3; not in the registry
	{netip.MustParsePrefix("::1/128"), RefuseSpecial},        // loopback, RFC 4291 §2.5.3
	{netip.MustParsePrefix("::/128"), RefuseSpecial},         // unspecified, RFC 4291 §2.5.2
	{netip.MustParsePrefix("::ffff:0:0/96"), RefuseSpecial},  // IPv4-mapped, RFC 4291 §2.5.5.2
	{netip.MustParsePrefix("64:ff9b::/96"), Admit},           // NAT64, RFC 6052
	{netip.MustParsePrefix("64:ff9b:1::/48"), RefuseSpecial}, // NAT64 for local use, RFC 8215
	{netip.MustParsePrefix("100::/64"), RefuseSpecial},       // discard-only, RFC 6666
	{netip.MustParsePrefix("100:0:0:1::/64"), RefuseSpecial}, // dummy, RFC 9780
	{netip.MustParsePrefix("2001::/23"), RefuseSpecial},      // IETF protocol assignments, RFC 2928
	{netip.MustParsePrefix("2001::/32"), Admit},              // Teredo, RFC 4380; N/A
	{netip.MustParsePrefix("2001:1::1/128"), Admit},          // PCP anycast, RFC 7723
	{netip.MustParsePrefix("2001:1::2/128"), Admit},          // TURN anycast, RFC 8155
	{netip.MustParsePrefix("2001:1::3/128"), Admit},          // DNS-SD service registration anycast, RFC 9665
	{netip.MustParsePrefix("2001:2::/48"), RefuseSpecial},    // benchmarking, RFC 5180
	{netip.MustParsePrefix("2001:3::/32"), Admit},            // AMT, RFC 7450
	{netip.MustParsePrefix("2001:4:112::/48"), Admit},        // AS112, RFC 7535
	{netip.MustParsePrefix("2001:10::/28"), RefuseSpecial},   // ORCHID, deprecated, RFC 4843
	{netip.MustParsePrefix("2001:20::/28"), Admit},           // ORCHIDv2, RFC 7343
	{netip.MustParsePrefix("2001:30::/28"), Admit},           // drones' entity tags, RFC 9374
	{netip.MustParsePrefix("2001:db8::/32"), RefuseSpecial},  // documentation, RFC 3849
	{netip.MustParsePrefix("2002::/16"), Admit},              // 6to4, RFC 3056; N/A
	{netip.MustParsePrefix("2620:4f:8000::/48"), Admit},      // AS112, RFC 7534
	{netip.MustParsePrefix("3fff::/20"), RefuseSpecial},      // documentation, RFC 9637
	{netip.MustParsePrefix("5f00::/16"), RefuseSpecial},      // segment identifiers, RFC 9602
	{netip.MustParsePrefix("fc00::/7"), RefuseSpecial},       // unique local, RFC 4193
	{netip.MustParsePrefix("fe80::/10"), RefuseSpecial},      // link-local, RFC 4291 §2.5.6
	{netip.MustParsePrefix("ff00::/8"), RefuseSpecial},       // multicast, RFC 4291 §2.7; not in the registry
}
