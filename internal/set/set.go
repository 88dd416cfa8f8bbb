// Package set has the words that all of namewall uses for nftables sets: which
// set, what its keys are made of, and one key in the kernel's own bytes.
//
// It is pure: it reads no kernel and no Corefile, and every other package may
// import it.
package set

import (
	"fmt"
	"slices"
	"strings"
)

// Family is an nftables table family, with the kernel's own number
// (linux/netfilter.h, NFPROTO_*).
type Family uint8

// The families in which a set can match a packet's addresses.
const (
	Inet   Family = 1
	IP     Family = 2
	Netdev Family = 5
	Bridge Family = 7
	IP6    Family = 10
)

var families = map[string]Family{
	"inet": Inet, "ip": IP, "netdev": Netdev, "bridge": Bridge, "ip6": IP6,
}

// ParseFamily reads a family as nft(8) writes it.
func ParseFamily(s string) (Family, error) {
	if f, ok := families[s]; ok {
		return f, nil
	}
	return 0, fmt.Errorf("unknown family '%s': use ip, ip6, inet, bridge or netdev", s)
}

// String is the family as nft(8) writes it.
func (f Family) String() string {
	for name, known := range families {
		if known == f {
			return name
		}
	}
	return fmt.Sprintf("family %d", uint8(f))
}

// ID names one set.
type ID struct {
	Family Family
	Table  string
	Name   string
}

// nameMax is NFT_NAME_MAXLEN less the final zero (linux/netfilter/nf_tables.h).
const nameMax = 255

// ParseID reads the three words with which a rule names a set. It refuses what
// nft(8) could not have declared.
func ParseID(family, table, name string) (ID, error) {
	f, err := ParseFamily(family)
	if err != nil {
		return ID{}, err
	}
	for _, word := range []string{table, name} {
		if !validName(word) {
			return ID{}, fmt.Errorf("'%s' is no nftables name: it begins with a letter or '_', followed by letters, digits and / \\ _ . -", word)
		}
	}
	return ID{Family: f, Table: table, Name: name}, nil
}

// validName is the token rule for identifiers of nft's scanner (nftables
// src/scanner.l, "string"), in the part of it that needs no quotes.
func validName(s string) bool {
	if s == "" || len(s) > nameMax {
		return false
	}
	for i, r := range []byte(s) {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_'
		if letter {
			continue
		}
		if i == 0 || !(r >= '0' && r <= '9' || strings.IndexByte("/\\.-", r) >= 0) {
			return false
		}
	}
	return true
}

// String is the set as a command line of nft(8) names it: "inet filter web4".
func (id ID) String() string {
	return id.Family.String() + " " + id.Table + " " + id.Name
}

// Compare orders sets by family, table and name.
func (id ID) Compare(other ID) int {
	if id.Family != other.Family {
		return int(id.Family) - int(other.Family)
	}
	return slices.Compare([]string{id.Table, id.Name}, []string{other.Table, other.Name})
}
