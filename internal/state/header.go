package state

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"time"
)

// version is the format that is written, and the only one that is read. What
// header and payload look like is part of it; the golden file in testdata holds
// it fast.
const version = 3

// header comes first in a file, with its fields one after the other in network
// order; the payload follows, and nothing after that. Magic and Version are at
// the same place in every version.
type header struct {
	Magic   [8]byte
	Version uint32
	Serial  uint64 // one more with every save: which generation is the newer
	Wall    int64  // when the snapshot was taken: Unix nanoseconds,
	Up      int64  // CLOCK_BOOTTIME in nanoseconds,
	Boot    BootID // and of which boot that is
	Length  uint64 // of the payload

	// Sum is the SHA-256 of all of the above and of the payload. A CRC would
	// take four bytes and find the bits that flip, but of the sectors that a
	// failing disk mixes up it lets one in four thousand million pass, and this
	// is firewall policy; what it takes is little beside the decoding. It
	// protects from accidents only. From people, permissions do.
	Sum [sha256.Size]byte
}

const magic = "namewall"

// Lengths in a file.
const (
	prefixSize = 8 + 4 // Magic and Version
	summedSize = prefixSize + 8 + 8 + 8 + 16 + 8
	headerSize = summedSize + sha256.Size

	// maxFile is more than MaxBindings need, with eight reasons and long names
	// for each. A file that is larger isn't read.
	maxFile = 512 << 20
)

// newHeader makes the header of a payload.
func newHeader(payload []byte, taken Instant, serial uint64) header {
	h := header{
		Magic:   [8]byte([]byte(magic)),
		Version: version,
		Serial:  serial,
		Wall:    taken.Wall.UnixNano(),
		Up:      int64(taken.Up),
		Boot:    taken.Boot,
		Length:  uint64(len(payload)),
	}
	sum := h.hash()
	sum.Write(payload)
	sum.Sum(h.Sum[:0])
	return h
}

// bytes is the header as it is in a file.
func (h *header) bytes() []byte {
	b, _ := binary.Append(nil, binary.BigEndian, h) // fails for other types only
	return b
}

// hash begins the checksum; the payload is to be added.
func (h *header) hash() hash.Hash {
	sum := sha256.New()
	sum.Write(h.bytes()[:summedSize])
	return sum
}

// taken is when the snapshot was.
func (h *header) taken() Instant {
	return Instant{Wall: time.Unix(0, h.Wall), Boot: h.Boot, Up: time.Duration(h.Up)}
}

// newer tells whether h was saved after other. Serials are compared as RFC 1982
// has it, so that there is no last one.
func (h *header) newer(other *header) bool { return int64(h.Serial-other.Serial) > 0 }

// parseHeader reads the header of a file of that size from its first bytes,
// headerSize of them or all that there are. It doesn't check the sum.
func parseHeader(b []byte, size int64) (header, error) {
	var h header
	switch {
	case size == 0:
		return h, damaged("it is empty")
	case size < prefixSize || !bytes.HasPrefix(b, []byte(magic)):
		return h, damaged("it does not begin as a state file does")
	}
	if v := binary.BigEndian.Uint32(b[len(magic):]); v != version {
		return h, fmt.Errorf("%w: it has format %d, this namewall reads format %d", ErrVersion, v, version)
	}
	if _, err := binary.Decode(b, binary.BigEndian, &h); err != nil {
		return h, damaged("it ends in its header, after %d bytes", size)
	}
	switch {
	case size > maxFile:
		return h, damaged("it has %d bytes, more than any state", size)
	case uint64(size-headerSize) != h.Length:
		return h, damaged("it has %d bytes after its header instead of %d", size-headerSize, h.Length)
	case h.Up < 0:
		return h, damaged("its uptime is negative")
	}
	return h, nil
}

// damaged is an ErrDamaged that says why.
func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrDamaged, fmt.Errorf(format, args...))
}
