package rule

import (
	"slices"
	"testing"
)

// Nodes with the same hash are one. At the worst all are, and each says of
// everything that it may be.
func TestTrieNeverByHashAlone(t *testing.T) {
	texts := []string{"*", "com", "example.com", "www.example.com", "*.com", "*.example.com", "*.www.example.com",
		"fe-*.example.com", "*-eu.example.com", "fe-*-eu.example.com", "*c.com", "c*m", "*.m", "m"}
	names := []string{"", "com", "m", "xm", "example.com", "www.example.com", "a.www.example.com", "fe-.example.com", "fe-1.example.com",
		"fe-eu.example.com", "fe--eu.example.com", "x-eu.example.com", "fe-1-eu.example.com", "a.fe-1-eu.example.com", "c.com", "bc.com", "cm"}
	trie := newTrie(len(texts))
	var all uint32
	for i, text := range texts {
		trie.add(mustParse(t, text), uint32(i))
		all = trie.push(all, mustParse(t, text), uint32(i))
	}
	for i := range trie.nodes.nodes {
		trie.nodes.nodes[i] = node{labels: ^uint64(0), parts: ^uint64(0), exact: all, below: all}
	}
	trie.root = node{labels: ^uint64(0), parts: ^uint64(0), exact: all, below: all}

	for _, name := range names {
		var want []uint32
		for i, text := range texts {
			if matches(text, labelsOf(name)) {
				want = append(want, uint32(i))
			}
		}
		got := trie.find(nil, name)
		slices.Sort(got)
		if got = slices.Compact(got); !slices.Equal(got, want) {
			t.Errorf("%q: got %v, want %v", name, got, want)
		}
	}
}

func TestNodes(t *testing.T) {
	table := newNodes()
	// Half of the hashes have the last places in common, and go on at the first.
	hash := func(i int) uint64 {
		if i%2 == 0 {
			return ^uint64(i << 33)
		}
		return uint64(i) << 33
	}
	const n = 1000
	for range 2 {
		for i := range n {
			table.make(hash(i)).exact = uint32(i)
		}
	}
	for i := range n {
		if got := table.find(hash(i)); got == nil || got.exact != uint32(i) {
			t.Fatalf("%d: got %v", i, got)
		}
		if got := table.find(hash(n + i)); got != nil {
			t.Fatalf("%d: got %v", n+i, got)
		}
	}
	if table.taken != n || len(table.hashes) != 2048 {
		t.Errorf("%d nodes in %d places", table.taken, len(table.hashes))
	}
	if table.find(0) != nil {
		t.Error("a free place is a node")
	}
}
