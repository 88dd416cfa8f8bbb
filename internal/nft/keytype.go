package nft

import (
	"fmt"
	"strings"

	"github.com/namewall/namewall/internal/set"
)

// The kernel keeps a set's key type for nft(8) without understanding it: six
// bits for each part of a concatenation, the first part in the highest (TYPE_BITS
// and enum datatypes in nftables' include/datatype.h).
const (
	keyTypeBits = 6
	keyTypeV4   = 7
)

var keyTypes = [1 << keyTypeBits]string{
	1: "verdict", 2: "nf_proto", 3: "bitmask", 4: "integer", 5: "string",
	6: "ll_addr", keyTypeV4: "ipv4_addr", 8: "ipv6_addr", 9: "ether_addr",
	10: "ether_type", 11: "arp_op", 12: "inet_proto", 13: "inet_service",
	14: "icmp_type", 15: "tcp_flag", 16: "dccp_pkttype", 17: "mh_type",
	18: "time", 19: "mark", 20: "iface_index", 21: "iface_type", 22: "realm",
	23: "classid", 24: "uid", 25: "gid", 26: "ct_state", 27: "ct_dir",
	28: "ct_status", 29: "icmpv6_type", 30: "ct_label", 31: "pkt_type",
	32: "icmp_code", 33: "icmpv6_code", 34: "icmpx_code", 35: "devgroup",
	36: "dscp", 37: "ecn", 38: "fib_addrtype", 39: "boolean", 40: "ct_event",
	41: "ifname", 42: "igmp_type", 43: "date", 44: "hour", 45: "day",
	46: "cgroupsv2",
}

// keyTypeName is a key type in nft's words.
func keyTypeName(typ uint32) string {
	if typ == 0 {
		return "unknown"
	}
	var parts []string
	for ; typ != 0; typ >>= keyTypeBits {
		n := typ & (1<<keyTypeBits - 1)
		name := keyTypes[n]
		if name == "" {
			name = fmt.Sprintf("type %d", n)
		}
		parts = append([]string{name}, parts...)
	}
	return strings.Join(parts, " . ")
}

// layoutOf is the layout of a key type, if it is one of ours. A set whose key
// has another length than its type says was not declared by nft(8).
func layoutOf(keyType string, keyLen uint32) (set.Layout, bool) {
	l, err := set.ParseLayout(keyType)
	return l, err == nil && l.Len() == int(keyLen)
}
