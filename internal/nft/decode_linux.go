package nft

import (
	"math"
	"slices"
	"time"

	"github.com/namewall/namewall/internal/set"
	"golang.org/x/sys/unix"
)

// decodeSet reads a message about a set: NFT_MSG_NEWSET as a reply or an event,
// or NFT_MSG_DELSET, of which only the ID may be there.
func decodeSet(m message) (Set, error) {
	family, a, ok := m.nf()
	if !ok {
		return Set{}, errMalformed
	}
	s := Set{ID: set.ID{Family: set.Family(family)}, Count: -1}
	var flags, keyType, keyLen uint32
	for a.next() {
		switch a.typ {
		case unix.NFTA_SET_TABLE:
			s.ID.Table = string(a.text())
		case unix.NFTA_SET_NAME:
			s.ID.Name = string(a.text())
		case unix.NFTA_SET_FLAGS:
			flags = a.uint32()
		case unix.NFTA_SET_KEY_TYPE:
			keyType = a.uint32()
		case unix.NFTA_SET_KEY_LEN:
			keyLen = a.uint32()
		case unix.NFTA_SET_TIMEOUT:
			s.Default = duration(a.uint64())
		case attrSetHandle:
			s.Handle = a.uint64()
		case unix.NFTA_SET_DESC:
			desc := attrsOf(a.val)
			for desc.next() {
				if desc.typ == unix.NFTA_SET_DESC_SIZE {
					s.Size = desc.uint32()
				}
			}
			if desc.err != nil {
				return Set{}, desc.err
			}
		case unix.NFTA_SET_USERDATA:
			s.Merge = merges(a.val)
		case attrSetCount:
			s.Count = int(a.uint32())
		}
	}
	s.KeyType = keyTypeName(keyType)
	s.Layout, s.Known = layoutOf(s.KeyType, keyLen)
	s.anonymous = flags&unix.NFT_SET_ANONYMOUS != 0
	s.Constant = flags&unix.NFT_SET_CONSTANT != 0
	s.Interval = flags&unix.NFT_SET_INTERVAL != 0
	s.Map = flags&unix.NFT_SET_MAP != 0 || flags&unix.NFT_SET_OBJECT != 0
	s.Timeout = flags&unix.NFT_SET_TIMEOUT != 0
	s.Dynamic = flags&unix.NFT_SET_EVAL != 0
	return s, a.err
}

// merges tells whether what nft(8) keeps with a set says auto-merge: entries of type,
// length and value, of which that is the one of type NFTNL_UDATA_SET_MERGE_ELEMENTS.
func merges(userdata []byte) bool {
	const mergeElements = 2
	for len(userdata) >= 2 {
		typ, n := userdata[0], int(userdata[1])
		userdata = userdata[2:]
		if n > len(userdata) {
			return false
		}
		if typ == mergeElements {
			return slices.ContainsFunc(userdata[:n], func(b byte) bool { return b != 0 })
		}
		userdata = userdata[n:]
	}
	return false
}

// elements is a message about elements of one set (NFT_MSG_NEWSETELEM and
// NFT_MSG_DELSETELEM). Its slices are the message's.
type elements struct {
	family      set.Family
	table, name []byte
	list        attrs
}

func decodeElements(m message) (e elements, err error) {
	family, a, ok := m.nf()
	if !ok {
		return e, errMalformed
	}
	e.family = set.Family(family)
	for a.next() {
		switch a.typ {
		case unix.NFTA_SET_ELEM_LIST_TABLE:
			e.table = a.text()
		case unix.NFTA_SET_ELEM_LIST_SET:
			e.name = a.text()
		case unix.NFTA_SET_ELEM_LIST_ELEMENTS:
			e.list = attrsOf(a.val)
		}
	}
	return e, a.err
}

// id is the set's name. It allocates nothing if that is known's.
func (e *elements) id(known set.ID) set.ID {
	if e.family == known.Family && string(e.table) == known.Table && string(e.name) == known.Name {
		return known
	}
	return set.ID{Family: e.family, Table: string(e.table), Name: string(e.name)}
}

// next is the next element with a key that can be one of ours: it passes over
// the catch-all element, ends of intervals and longer keys. unset is the timeout
// of an element for which the kernel leaves it out: the set's default, or 0 if
// that is not known.
func (e *elements) next(unset time.Duration) (el Element, ok bool, err error) {
	for e.list.next() {
		el, ok, err = decodeElement(e.list.val, unset)
		if ok || err != nil {
			return el, ok, err
		}
	}
	return Element{}, false, e.list.err
}

// decodeElement reads one element. The kernel gives no timeout for an element
// that has the set's default, which still expires, and no expiration for one
// that does not (nf_tables_fill_setelem).
func decodeElement(b []byte, unset time.Duration) (el Element, ok bool, err error) {
	a := attrsOf(b)
	var hasTimeout, hasExpiration bool
	for a.next() {
		switch a.typ {
		case unix.NFTA_SET_ELEM_KEY:
			value := attrsOf(a.val)
			for value.next() {
				if value.typ == unix.NFTA_DATA_VALUE {
					el.Key, ok = set.KeyOf(value.val)
				}
			}
			if value.err != nil {
				return Element{}, false, value.err
			}
		case unix.NFTA_SET_ELEM_FLAGS:
			if a.uint32() != 0 {
				return Element{}, false, a.err
			}
		case unix.NFTA_SET_ELEM_TIMEOUT:
			el.Timeout, hasTimeout = duration(a.uint64()), true
		case unix.NFTA_SET_ELEM_EXPIRATION:
			el.Expires, hasExpiration = duration(a.uint64()), true
		case unix.NFTA_SET_ELEM_EXPR:
			if err := el.count(a.val); err != nil {
				return Element{}, false, err
			}
		case attrElemExpressions:
			list := attrsOf(a.val)
			for list.next() {
				if err := el.count(list.val); err != nil {
					return Element{}, false, err
				}
			}
			if list.err != nil {
				return Element{}, false, list.err
			}
		}
	}
	if a.err != nil {
		return Element{}, false, a.err
	}
	if hasExpiration && !hasTimeout {
		el.Timeout = max(unset, el.Expires, time.Millisecond)
	}
	return el, ok, nil
}

// count reads an expression that an element carries, if it is a counter
// (nft_counter_do_dump).
func (el *Element) count(expression []byte) error {
	var counter bool
	var data []byte
	a := attrsOf(expression)
	for a.next() {
		switch a.typ {
		case unix.NFTA_EXPR_NAME:
			counter = string(a.text()) == "counter"
		case unix.NFTA_EXPR_DATA:
			data = a.val
		}
	}
	if a.err != nil || !counter {
		return a.err
	}
	el.Counted = true
	for a = attrsOf(data); a.next(); {
		switch a.typ {
		case unix.NFTA_COUNTER_PACKETS:
			el.Packets = a.uint64()
		case unix.NFTA_COUNTER_BYTES:
			el.Bytes = a.uint64()
		}
	}
	return a.err
}

// decodeGeneration tells who made a transaction, from the NFT_MSG_NEWGEN that ends it.
func decodeGeneration(m message) (by string, pid int) {
	_, a, ok := m.nf()
	if !ok {
		return "", 0
	}
	for a.next() {
		switch a.typ {
		case unix.NFTA_GEN_PROC_NAME:
			by = string(a.text())
		case unix.NFTA_GEN_PROC_PID:
			pid = int(int32(a.uint32()))
		}
	}
	return by, pid
}

// duration is a time in the kernel's unit. What is longer than a Duration can
// hold becomes the longest.
func duration(ms uint64) time.Duration {
	const most = math.MaxInt64 / int64(time.Millisecond)
	return time.Duration(min(ms, uint64(most))) * time.Millisecond
}

// decodeTable reads the name of a table that is gone.
func decodeTable(m message) (id set.ID, err error) {
	family, a, ok := m.nf()
	if !ok {
		return id, errMalformed
	}
	id.Family = set.Family(family)
	for a.next() {
		if a.typ == unix.NFTA_TABLE_NAME {
			id.Table = string(a.text())
		}
	}
	return id, a.err
}
