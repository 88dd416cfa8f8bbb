package nftset

// stackAhead is what an answer's goroutine needs of its stack below this plugin, at
// the most that is common: through cache and forward, the walk and the gate.
const stackAhead = 10 << 10

// growStack makes the goroutine's stack as large as the answer is going to need it.
// The server starts a goroutine for each question, with a small stack, which the
// runtime doubles whenever it is full, and then has every frame to move. Done at
// once, while there are few frames, this takes a third of the time.
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
