package rule

import (
	"bytes"
	"math/bits"
	"strings"
)

// trie finds the patterns that match a name, label by label from the right, in
// a time that depends on the name and not on how many patterns there are.
//
// A node is known by its text: a name ("example.com"), whose parents are in the
// trie too, or a glob. Globs are found from the node of the name above them: it
// knows which lengths their prefixes have, so that one look-up a length finds
// the prefixes that fit a label ("fe-*.example.com"), and these know the lengths
// of the suffixes that follow them ("fe-*-eu.example.com").
type trie struct {
	places map[string]uint32 // in nodes, by text
	nodes  []node            // the first is the root's
	refs   []ref             // the first is none
}

type node struct {
	lens  uint64 // a bit for each length of the next part of a glob
	exact uint32 // list of the patterns that are this node
	below uint32 // list of the patterns for all names below
}

// ref is an element of a list, which is the place of its first one; 0 is none.
type ref struct {
	id, next uint32
}

func newTrie() trie {
	return trie{places: map[string]uint32{"": 0}, nodes: make([]node, 1), refs: make([]ref, 1)}
}

// add puts p into the trie under id. A pattern can have many ids, and an id
// many patterns.
func (t *trie) add(p Pattern, id uint32) {
	if name, ok := p.below(); ok {
		t.push(&t.node(name).below, id)
		return
	}
	if prefix, suffix, parent, ok := p.glob(); ok {
		star := len(prefix) + 1
		t.node(parent).lens |= 1 << len(prefix)
		t.node(p.text[:star] + p.text[star+len(suffix):]).lens |= 1 << len(suffix)
	}
	t.push(&t.node(p.text).exact, id)
}

// node is the node of a text, which is made if need be, and in every case the
// nodes of the names above it. It is valid until the next call.
func (t *trie) node(text string) *node {
	place, ok := t.places[text]
	if !ok {
		place = uint32(len(t.nodes))
		t.places[text] = place
		t.nodes = append(t.nodes, node{})
		if _, parent, ok := strings.Cut(text, "."); ok {
			t.node(parent)
		}
	}
	return &t.nodes[place]
}

// push puts id into a list, unless it came into it last.
func (t *trie) push(list *uint32, id uint32) {
	if t.refs[*list].id == id && *list != 0 {
		return
	}
	t.refs = append(t.refs, ref{id: id, next: *list})
	*list = uint32(len(t.refs) - 1)
}

func (t *trie) list(dst []uint32, first uint32) []uint32 {
	for first != 0 {
		dst = append(dst, t.refs[first].id)
		first = t.refs[first].next
	}
	return dst
}

// find appends the ids of all patterns that match name, a folded one, in no
// order and perhaps repeatedly. It allocates only to grow dst.
func (t *trie) find(dst []uint32, name []byte) []uint32 {
	n := &t.nodes[0]
	for end := len(name); ; {
		// The name is below n, whose text is what follows end.
		dst = t.list(dst, n.below)
		if end <= 0 {
			return dst
		}
		end = bytes.LastIndexByte(name[:end], '.')
		if end < 0 && n.lens != 0 {
			dst = t.findGlobs(dst, name, n.lens)
		}
		place, ok := t.places[string(name[end+1:])]
		if !ok {
			return dst
		}
		n = &t.nodes[place]
		if end < 0 {
			return t.list(dst, n.exact)
		}
	}
}

// findGlobs finds the globs for name whose prefixes have one of the lengths. A
// glob that matches is the name with a run of its first label replaced by *.
func (t *trie) findGlobs(dst []uint32, name []byte, prefixes uint64) []uint32 {
	var buf [maxName + 2]byte
	label, _, _ := bytes.Cut(name, []byte("."))
	for ; prefixes != 0; prefixes &= prefixes - 1 {
		i := bits.TrailingZeros64(prefixes)
		if i > len(label) {
			break
		}
		head := append(append(buf[:0], label[:i]...), '*')
		place, ok := t.places[string(append(head, name[len(label):]...))]
		if !ok {
			continue
		}
		n := &t.nodes[place]
		dst = t.list(dst, n.exact)
		for suffixes := n.lens &^ 1; suffixes != 0; suffixes &= suffixes - 1 {
			j := len(label) - bits.TrailingZeros64(suffixes)
			if j < i {
				break
			}
			if place, ok := t.places[string(append(head, name[j:]...))]; ok {
				dst = t.list(dst, t.nodes[place].exact)
			}
		}
	}
	return dst
}
