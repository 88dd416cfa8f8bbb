package rule

import (
	"bytes"
	"math/bits"
	"strings"
)

// trie finds the patterns that match a name, label by label from the right, in
// a time that depends on the name and not on how many patterns there are. All
// its nodes share one map, so that a node costs some tens of bytes.
//
// The globs below a name hang on a node of their own, first by what stands
// before the *, then by what stands behind it. Which lengths of these there are
// is a bit set, because one look-up a length finds them all.
type trie struct {
	edges map[edge]uint32 // to the child's place in nodes
	nodes []node
	refs  []ref // refs[0] is no ref
}

// edge leads from a node to a child: by a label, or by a part of a glob.
type edge struct {
	from uint32
	text string
}

// node is a name, or a part of a glob. Its lists are places in refs, 0 if empty.
type node struct {
	lens  uint64 // of the edges' texts, if these are parts of a glob
	globs uint32 // the node with the globs one label below; 0 if none
	exact uint32 // ids of patterns for this name
	below uint32 // ids of patterns for all names below
}

// ref is an element of a list of ids.
type ref struct {
	id, next uint32
}

const root = 0

func newTrie() trie {
	return trie{edges: map[edge]uint32{}, nodes: make([]node, 1), refs: make([]ref, 1)}
}

// add puts p into the trie under id. A pattern can have many ids, and an id
// many patterns.
func (t *trie) add(p Pattern, id uint32) {
	if p.text == "" {
		return
	}
	if name, ok := p.below(); ok {
		n := t.descend(name)
		t.push(&t.nodes[n].below, id)
		return
	}
	name := p.text
	prefix, suffix, parent, isGlob := p.glob()
	if isGlob {
		name = parent
	}
	n := t.descend(name)
	if isGlob {
		n = t.part(t.hub(n), prefix)
		n = t.part(n, suffix)
	}
	t.push(&t.nodes[n].exact, id)
}

// descend is the node of name, which it makes if need be.
func (t *trie) descend(name string) uint32 {
	n := uint32(root)
	for name != "" {
		i := strings.LastIndexByte(name, '.')
		n = t.child(n, name[i+1:])
		name = name[:max(i, 0)]
	}
	return n
}

func (t *trie) child(from uint32, text string) uint32 {
	n, ok := t.edges[edge{from, text}]
	if !ok {
		n = t.grow()
		t.edges[edge{from, text}] = n
	}
	return n
}

// hub is the node on which the globs one label below n hang.
func (t *trie) hub(n uint32) uint32 {
	if t.nodes[n].globs == 0 {
		hub := t.grow()
		t.nodes[n].globs = hub
	}
	return t.nodes[n].globs
}

func (t *trie) part(from uint32, text string) uint32 {
	t.nodes[from].lens |= 1 << len(text)
	return t.child(from, text)
}

func (t *trie) grow() uint32 {
	t.nodes = append(t.nodes, node{})
	return uint32(len(t.nodes) - 1)
}

// push puts id before the list, unless it is the first of it already.
func (t *trie) push(list *uint32, id uint32) {
	if *list != 0 && t.refs[*list].id == id {
		return
	}
	t.refs = append(t.refs, ref{id: id, next: *list})
	*list = uint32(len(t.refs) - 1)
}

// find appends the ids of all patterns that match name, a folded one, in no
// order and perhaps repeatedly. It allocates only to grow dst.
func (t *trie) find(dst []uint32, name []byte) []uint32 {
	n := uint32(root)
	dst = t.list(dst, t.nodes[n].below)
	for len(name) > 0 {
		i := bytes.LastIndexByte(name, '.')
		label := name[i+1:]
		if hub := t.nodes[n].globs; i < 0 && hub != 0 {
			dst = t.findGlobs(dst, hub, label)
		}
		next, ok := t.edges[edge{n, string(label)}]
		if !ok {
			break
		}
		n = next
		if i < 0 {
			return t.list(dst, t.nodes[n].exact)
		}
		dst = t.list(dst, t.nodes[n].below)
		name = name[:i]
	}
	return dst
}

func (t *trie) findGlobs(dst []uint32, hub uint32, label []byte) []uint32 {
	for lens := t.nodes[hub].lens; lens != 0; lens &= lens - 1 {
		i := bits.TrailingZeros64(lens)
		if i > len(label) {
			break
		}
		prefix, ok := t.edges[edge{hub, string(label[:i])}]
		if !ok {
			continue
		}
		for lens := t.nodes[prefix].lens; lens != 0; lens &= lens - 1 {
			j := len(label) - bits.TrailingZeros64(lens)
			if j < i {
				break
			}
			if suffix, ok := t.edges[edge{prefix, string(label[j:])}]; ok {
				dst = t.list(dst, t.nodes[suffix].exact)
			}
		}
	}
	return dst
}

func (t *trie) list(dst []uint32, at uint32) []uint32 {
	for at != 0 {
		dst = append(dst, t.refs[at].id)
		at = t.refs[at].next
	}
	return dst
}
