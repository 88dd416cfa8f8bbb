package nftset

import (
	"sync/atomic"

	"github.com/miekg/dns"
)

// stackAhead is what an answer's goroutine needs of its stack, at the most that is
// common: through cache and forward, the walk and the gate. Together with what the
// server uses before it stays within 16 KiB, the largest stack that the runtime keeps
// for each processor (runtime.stackcache).
const stackAhead = 10 << 10

// The server starts a goroutine for each question, with a stack of 2 KiB, which the
// runtime doubles whenever it is full, and then has every frame to move: a tenth of
// what a fresh answer costs. Grown at once, before there are frames, it costs next to
// nothing. The server asks first of all whether a message is to be accepted at all, and
// so that is the place; no plugin is called as early.
func init() {
	accept := dns.DefaultMsgAcceptFunc
	dns.DefaultMsgAcceptFunc = func(h dns.Header) dns.MsgAcceptAction {
		if ruled.Load() {
			growStack(0)
		}
		return accept(h)
	}
}

// ruled is set once a configuration with rules has started.
var ruled atomic.Bool

// growStack makes the goroutine's stack large enough.
//
// A function has room for its whole frame before it does anything, so that the
// frame need not be used.
//
//go:noinline
func growStack(use int) byte {
	if use == 0 {
		return 0
	}
	var frame [stackAhead]byte
	return frame[use]
}
