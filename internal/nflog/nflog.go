// Package nflog reads the packets that a ruleset logs to an NFLOG group
// (`log group N`, nft(8)): who sent them to whom, and to which port.
//
// It promises that a packet, whatever is in it, costs no more than a look at its
// headers; that it takes no more packets than perSecond, and leaves the kernel to
// drop the rest; and that whatever is missed is counted.
package nflog

import (
	"errors"
	"net/netip"
)

// Packet is what the headers of a packet say.
type Packet struct {
	Src, Dst netip.Addr
	Proto    uint8 // IANA's number of what IP carries
	// Ports are 0 if the protocol has none, or if this is a later fragment. ICMP
	// has its type in DstPort.
	SrcPort, DstPort uint16
}

// Sink takes what is read. Its methods are called one after the other.
type Sink interface {
	Reading()      // from now on packets come
	Packet(Packet) // one has
	Undecoded()    // one has that is no IP, or cut off within its header
	Lost(n uint64) // so many have not, because they came too fast
}

// Options are what tests change.
type Options struct {
	NetNS int // descriptor of the network namespace; 0: the process's own
}

const (
	// copied is how much of a packet the kernel is asked for: the longest IPv4
	// header, or IPv6's with the extensions that are in use, and the ports.
	copied = 128
	// flushAfter is how long the kernel may keep a packet back to send several
	// at once, in hundredths of a second.
	flushAfter = 10
	// perSecond is how many packets are taken: a burst of a whole site's clients.
	// Who logs without a limit costs the gateway no more than that.
	perSecond = 1000
)

// Why a group can't be read.
var (
	ErrInUse      = errors.New("another process reads this group: give the ruleset and 'drops' another number")
	ErrPermission = errors.New("reading it needs CAP_NET_ADMIN")
	ErrNone       = errors.New("the kernel has no nfnetlink_log")
)
