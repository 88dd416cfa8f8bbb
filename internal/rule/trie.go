package rule

import (
	"hash/maphash"
	"math/bits"
	"strings"
)

// trie finds the patterns that match a name, label by label from the right, in
// a time that depends on the name and not on how many patterns there are.
//
// Its nodes stand for names ("example.com"), whose parents have nodes too, and
// for globs. A glob is found from the name above it. That name's node has the
// lengths of the prefixes of globs, so that one look-up a length finds all whose
// prefix fits a label ("fe-*.example.com"); and the node that this finds has the
// lengths of suffixes ("fe-*-eu.example.com").
//
// A node is known by a hash of what it stands for, and by nothing else: two that
// have the same hash are one node. So what a node says is only what may be, that
// there are nodes below and patterns that match. Each pattern is asked itself
// (Pattern.matches) before it counts.
type trie struct {
	seed  maphash.Seed
	root  node
	nodes nodes // all others
	refs  []ref // the first is none
}

// ref is an element of a list. A list is the place of its first one, 0 if empty.
type ref struct {
	pattern  Pattern
	id, next uint32
}

// newTrie makes a trie with room for so many patterns.
func newTrie(patterns int) trie {
	return trie{seed: maphash.MakeSeed(), nodes: newNodes(), refs: make([]ref, 1, 1+patterns)}
}

// rootHash is the hash of the root. Any number will do.
const rootHash = 0

// below is the hash of what has a label, or a part of one, in front of what has
// the hash h. As the seed is secret, nobody can choose names by their hashes.
func (t *trie) below(h uint64, label string) uint64 {
	const odd = 0x9e3779b97f4a7c15 // any will do; with it, a.b is not b.a
	return (h ^ maphash.String(t.seed, label)) * odd
}

// glob is the hash of the prefix of globs for names below what has the hash h.
// It is not that of the name with such a label.
func (t *trie) glob(h uint64, prefix string) uint64 { return t.below(^h, prefix) }

// add puts p into the trie under id. A pattern can have many ids, and an id
// many patterns.
func (t *trie) add(p Pattern, id uint32) {
	if name, ok := p.below(); ok {
		n, _ := t.make(name)
		n.below = t.push(n.below, p, id)
		return
	}
	prefix, suffix, parent, ok := p.glob()
	if !ok {
		n, _ := t.make(p.text)
		n.exact = t.push(n.exact, p, id)
		return
	}
	n, h := t.make(parent)
	n.parts |= 1 << len(prefix)
	h = t.glob(h, prefix)
	n = t.nodes.make(h)
	if suffix != "" {
		n.parts |= 1 << len(suffix)
		n = t.nodes.make(t.below(h, suffix))
	}
	n.exact = t.push(n.exact, p, id)
}

// make is the node of a name, until the next make, and its hash. If it is a new
// one it is made, and those of the names above it.
func (t *trie) make(name string) (*node, uint64) {
	if name == "" {
		return &t.root, rootHash
	}
	label, parent, _ := strings.Cut(name, ".")
	n, h := t.make(parent)
	n.labels |= 1 << len(label)
	h = t.below(h, label)
	return t.nodes.make(h), h
}

// push is list with p and id in front, unless they are there already.
func (t *trie) push(list uint32, p Pattern, id uint32) uint32 {
	if r := &t.refs[list]; r.id == id && r.pattern == p {
		return list
	}
	t.refs = append(t.refs, ref{pattern: p, id: id, next: list})
	return uint32(len(t.refs) - 1)
}

// list appends the ids of those patterns of a list that match name.
func (t *trie) list(dst []uint32, list uint32, name string) []uint32 {
	for list != 0 {
		r := &t.refs[list]
		if r.pattern.matches(name) {
			dst = append(dst, r.id)
		}
		list = r.next
	}
	return dst
}

// find appends the ids of all patterns that match name, a folded one, in no
// order and perhaps repeatedly. It allocates only to grow dst.
func (t *trie) find(dst []uint32, name string) []uint32 {
	n, h := &t.root, uint64(rootHash)
	for end := len(name); ; {
		// The name that n stands for follows end, and ours is below it.
		if n.below != 0 {
			dst = t.list(dst, n.below, name)
		}
		start := strings.LastIndexByte(name[:end], '.') + 1
		label := name[start:end]
		if start == 0 && n.parts != 0 {
			dst = t.findGlobs(dst, name, label, h, n.parts)
		}
		if n.labels>>len(label)&1 == 0 {
			return dst
		}
		h = t.below(h, label)
		if n = t.nodes.find(h); n == nil {
			return dst
		}
		if start == 0 {
			return t.list(dst, n.exact, name)
		}
		end = start - 1
	}
}

// findGlobs finds the globs for name whose prefixes have one of the lengths. The
// name's first label is label, and what is above it has the hash h.
func (t *trie) findGlobs(dst []uint32, name, label string, h, prefixes uint64) []uint32 {
	for ; prefixes != 0; prefixes &= prefixes - 1 {
		i := bits.TrailingZeros64(prefixes)
		if i > len(label) {
			break
		}
		glob := t.glob(h, label[:i])
		n := t.nodes.find(glob)
		if n == nil {
			continue
		}
		dst = t.list(dst, n.exact, name)
		for suffixes := n.parts; suffixes != 0; suffixes &= suffixes - 1 {
			j := len(label) - bits.TrailingZeros64(suffixes)
			if j < i {
				break
			}
			if n := t.nodes.find(t.below(glob, label[j:])); n != nil {
				dst = t.list(dst, n.exact, name)
			}
		}
	}
	return dst
}
