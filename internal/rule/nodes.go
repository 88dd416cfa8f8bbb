package rule

import "math/bits"

// node is what the trie knows of a name, or of a part of a glob.
type node struct {
	labels uint64 // a bit for each length of the labels of the nodes below
	parts  uint64 // a bit for each length of the next part of a glob
	exact  uint32 // list of the patterns that are this node
	below  uint32 // list of the patterns for all names below
}

// nodes finds nodes by their hashes, by open addressing with linear probing.
//
// The hashes are apart from the nodes, so that those of a hundred thousand fit a
// core's cache: a look-up waits for memory for a node that there is, and once. A
// map waits for its groups, its slots and the text of its keys.
type nodes struct {
	hashes []uint32 // 0 is a free place; a power of two, of which some are free
	nodes  []node   // in the places of their hashes
	shift  int      // leaves of a hash the bits that are a place
	taken  int
}

func newNodes() nodes { return sized(16) }

func sized(places int) nodes {
	return nodes{
		hashes: make([]uint32, places),
		nodes:  make([]node, places),
		shift:  32 - bits.Len(uint(places-1)),
	}
}

// find is the node with a hash, nil if there is none.
func (t *nodes) find(hash uint64) *node {
	if i, ok := t.place(short(hash)); ok {
		return &t.nodes[i]
	}
	return nil
}

// make is the node with a hash, a new one if there is none. It stays in its place
// until the next make.
func (t *nodes) make(hash uint64) *node {
	if 5*t.taken >= 4*len(t.hashes) {
		t.grow() // the ways to a free place get long
	}
	h := short(hash)
	i, ok := t.place(h)
	if !ok {
		t.hashes[i] = h
		t.taken++
	}
	return &t.nodes[i]
}

func (t *nodes) grow() {
	larger := sized(2 * len(t.hashes))
	larger.taken = t.taken
	for i, h := range t.hashes {
		if h != 0 {
			j, _ := larger.place(h)
			larger.hashes[j], larger.nodes[j] = h, t.nodes[i]
		}
	}
	*t = larger
}

// place is where the node with a hash is, or else the free place that it would
// get.
func (t *nodes) place(hash uint32) (place int, ok bool) {
	mask := len(t.hashes) - 1
	for i := int(hash >> t.shift); ; i++ {
		if h := t.hashes[i&mask]; h == hash || h == 0 {
			return i & mask, h != 0
		}
	}
}

// short is as much of a hash as is kept, and never 0.
func short(hash uint64) uint32 { return uint32(hash>>32) | 1 }
