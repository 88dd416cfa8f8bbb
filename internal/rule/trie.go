package rule

import (
	"bytes"
	"math/bits"
	"strings"
)

// trie finds the patterns that match a name, label by label from the right, in
// a time that depends on the name and not on how many patterns there are.
//
// A node is known by its text: a name ("example.com"), whose parents are nodes
// too, or a glob. Globs are found from the name above them. Its node has the
// lengths that their prefixes have, so that one look-up a length finds all whose
// prefix fits a label ("fe-*.example.com"); and such a node has the lengths of
// the suffixes with which there are more ("fe-*-eu.example.com").
//
// The nodes are in one map by their whole text, and not each in its parent's:
// that is a third of the time and of the memory.
type trie struct {
	root  node
	nodes map[string]node // all others
	refs  []ref           // the first is none
}

type node struct {
	lens  uint64 // a bit for each length of the next part of a glob
	exact uint32 // list of the patterns that are this node
	below uint32 // list of the patterns for all names below
}

// ref is an element of a list. A list is the place of its first one, 0 if empty.
type ref struct {
	id, next uint32
}

func newTrie() trie {
	return trie{nodes: map[string]node{}, refs: make([]ref, 1)}
}

// add puts p into the trie under id. A pattern can have many ids, and an id
// many patterns.
func (t *trie) add(p Pattern, id uint32) {
	if name, ok := p.below(); ok {
		t.change(name, func(n *node) { n.below = t.push(n.below, id) })
		return
	}
	if prefix, suffix, parent, ok := p.glob(); ok {
		star := len(prefix) + 1
		t.change(parent, func(n *node) { n.lens |= 1 << len(prefix) })
		t.change(p.text[:star]+p.text[star+len(suffix):], func(n *node) { n.lens |= 1 << len(suffix) })
	}
	t.change(p.text, func(n *node) { n.exact = t.push(n.exact, id) })
}

// change changes the node of a text. If it is a new one it is made, and those of
// the names above it.
func (t *trie) change(text string, change func(*node)) {
	if text == "" {
		change(&t.root)
		return
	}
	n, ok := t.nodes[text]
	change(&n)
	t.nodes[text] = n
	if _, parent, _ := strings.Cut(text, "."); !ok {
		t.change(parent, func(*node) {})
	}
}

// push is list with id in front, unless it is there already.
func (t *trie) push(list, id uint32) uint32 {
	if list != 0 && t.refs[list].id == id {
		return list
	}
	t.refs = append(t.refs, ref{id: id, next: list})
	return uint32(len(t.refs) - 1)
}

func (t *trie) list(dst []uint32, list uint32) []uint32 {
	for list != 0 {
		dst = append(dst, t.refs[list].id)
		list = t.refs[list].next
	}
	return dst
}

// find appends the ids of all patterns that match name, a folded one, in no
// order and perhaps repeatedly. It allocates only to grow dst.
func (t *trie) find(dst []uint32, name []byte) []uint32 {
	n, end := t.root, len(name)
	for {
		// The text of n follows end, and the name is below it.
		dst = t.list(dst, n.below)
		end = bytes.LastIndexByte(name[:end], '.')
		if end < 0 && n.lens != 0 {
			dst = t.findGlobs(dst, name, n.lens)
		}
		var ok bool
		if n, ok = t.nodes[string(name[end+1:])]; !ok {
			return dst
		}
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
		n, ok := t.nodes[string(append(head, name[len(label):]...))]
		if !ok {
			continue
		}
		dst = t.list(dst, n.exact)
		for suffixes := n.lens &^ 1; suffixes != 0; suffixes &= suffixes - 1 {
			j := len(label) - bits.TrailingZeros64(suffixes)
			if j < i {
				break
			}
			dst = t.list(dst, t.nodes[string(append(head, name[j:]...))].exact)
		}
	}
	return dst
}
