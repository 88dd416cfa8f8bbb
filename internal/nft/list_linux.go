package nft

import (
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// dumpTries is how often a list is asked for until a reading can be believed.
// A set that changes all the time is not read better by many more.
const dumpTries = 6

// listing is a list to read from the kernel.
type listing struct {
	request func()              // encodes the request, before every reading
	message func(message) error // takes one message of the list

	// complete tells, after a reading of so many datagrams, which a commit may
	// have interrupted, whether to believe it. nil means that any which was not
	// interrupted is believed.
	complete func(datagrams int, interrupted bool) bool
}

// dump reads a list until a reading can be believed.
func (l *link) dump(li listing) error {
	for range dumpTries {
		li.request()
		if err := l.send(); err != nil {
			return err
		}
		datagrams, interrupted, err := l.read(li.message)
		if err != nil {
			return err
		}
		if li.complete == nil {
			if !interrupted {
				return nil
			}
		} else if li.complete(datagrams, interrupted) {
			return nil
		}
	}
	return ErrInterrupted
}

// read reads the replies of a dump to the end, also after each has failed: what
// is not read now would come before the next reply.
//
// A commit in between shows in the ruleset's generation, of which every message
// has the lower half. The flag that netlink has for this is not set for elements
// by all kernels (nf_tables_dump_set).
func (l *link) read(each func(message) error) (datagrams int, interrupted bool, err error) {
	var failed error
	generation := -1
	for ; ; datagrams++ {
		b, err := l.receive()
		if err != nil {
			return 0, false, err
		}
		if b == nil {
			return 0, false, broken("list without an end: %w", errMalformed)
		}
		for len(b) > 0 {
			var m message
			if m, b, err = l.take(b); err != nil {
				return 0, false, err
			}
			if m.seq != l.seq {
				return 0, false, broken("list: %w", errMalformed)
			}
			interrupted = interrupted || m.flags&unix.NLM_F_DUMP_INTR != 0
			r, refused := reply(m)
			switch {
			case refused:
				return datagrams, false, cmp.Or(failed, error(r.errno))
			case m.typ == unix.NLMSG_DONE:
				return datagrams, interrupted, cmp.Or(failed, doneError(m))
			case failed == nil:
				failed = each(m)
			}
			if g := m.generation(); generation < 0 {
				generation = g
			} else if g != generation {
				interrupted = true
			}
		}
	}
}

// doneError is the error that a dump ended with, if any.
func doneError(m message) error {
	if len(m.body) < 4 {
		return nil
	}
	if n := int32(binary.NativeEndian.Uint32(m.body)); n < 0 {
		return syscall.Errno(-n)
	}
	return nil
}

// checksums tells whether a reading of a set's elements can be believed: by
// itself, or because it agrees with the one before.
//
// The kernel resizes the hash table of a set behind the commits' backs, after
// many insertions or expirations, and collects what has expired. Where a list goes
// on it counts elements from the beginning of the table (nft_rhash_walk), so that
// it then skips some and repeats others: of 5 000 elements that were dumped right
// after they had been added, 1 200 have been seen to be missing. Nothing in the
// list tells of it.
type checksums struct {
	count func() int // how many elements there are now, -1 if the kernel won't say

	seed      maphash.Seed
	since     time.Time
	hashes    []uint64 // of the keys of this reading
	before    int      // the count when it began
	now, last checksum
	readings  int
}

type checksum struct {
	elements int
	keys     uint64 // the sum of the keys' hashes
}

// dying is the rest of life from which on an element may expire between two
// readings, and so is none of what they have to agree on.
const dying = time.Minute

// next begins a reading.
func (c *checksums) next() {
	if c.since.IsZero() {
		c.since, c.seed = time.Now(), maphash.MakeSeed()
	}
	c.readings++
	c.last, c.now = c.now, checksum{}
	c.hashes = c.hashes[:0]
	c.before = c.count()
}

func (c *checksums) add(e Element) {
	hash := maphash.Comparable(c.seed, e.Key)
	c.hashes = append(c.hashes, hash)
	if e.Permanent() || e.Expires+time.Since(c.since) > dying {
		c.now.elements++
		c.now.keys += hash
	}
}

// complete tells, after a reading, whether to believe it: it was too short for
// anything to happen in it, or nothing has, or it agrees with the one before.
// That commits interrupted two readings which agree is no matter: every commit in
// the namespace does, whatever it is about, and what it does to this set is heard
// as an event.
func (c *checksums) complete(datagrams int, interrupted bool) bool {
	return !interrupted && (datagrams <= 1 || c.undisturbed()) || c.readings > 1 && c.now == c.last
}

// undisturbed tells that the table was not touched during a reading that no
// commit interrupted. Without a commit nothing is added, so the same count means
// that nothing was collected either. A table of so many elements that was resized
// in the middle has been read to the same number of places, and unless a key is
// among them twice, they were all there are.
func (c *checksums) undisturbed() bool {
	if c.before < 0 || c.before != c.count() {
		return false
	}
	slices.Sort(c.hashes)
	for i := 1; i < len(c.hashes); i++ {
		if c.hashes[i] == c.hashes[i-1] {
			return false
		}
	}
	return true
}
