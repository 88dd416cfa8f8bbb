package set_test

import (
	"strings"
	"testing"

	"github.com/namewall/namewall/internal/nstest"
	"github.com/namewall/namewall/internal/set"
)

// The real nft declares sets of every other name, and refuses most of those that
// are keywords: which ones depends on its version.
func TestKeyword(t *testing.T) {
	ns := nstest.New(t)
	declares := func(table, name string) bool {
		_, err := ns.Try("table inet "+table+" {\n set "+name+" { type ipv4_addr; }\n chain c { ip daddr @"+name+" accept\n }\n}\n", "nft", "-c", "-f", "-")
		return err == nil
	}
	for _, name := range []string{"accept", "set", "element", "ip", "tcp", "timeout", "type", "meter", "vlan"} {
		for _, id := range []set.ID{{Family: set.Inet, Table: "filter", Name: name}, {Family: set.Inet, Table: name, Name: "web4"}} {
			if word, ok := id.Keyword(); !ok || word != name || declares(id.Table, id.Name) {
				t.Errorf("%s: %s, %v; nft declares it: %v", id, word, ok, declares(id.Table, id.Name))
			}
		}
	}
	// Words of nft that are none where a set is named.
	for _, name := range []string{"filter", "nat", "web4", "accept4", "input", "forward", "established", "state", "saddr", "hash", "rate", "level"} {
		if word, ok := (set.ID{Family: set.Inet, Table: "filter", Name: name}).Keyword(); ok || !declares("filter", name) {
			t.Errorf("%s: taken for a keyword: %s; nft declares it: %v", name, word, declares("filter", name))
		}
	}
	refused := 0
	words := set.Keywords()
	for _, word := range words {
		if !declares("filter", word) {
			refused++
		}
	}
	if refused < len(words)*9/10 {
		t.Errorf("nft refuses %d of %d keywords: %s", refused, len(words), strings.Join(words, " "))
	}
}
