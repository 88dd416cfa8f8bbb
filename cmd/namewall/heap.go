package main

import "os"

// heapFloor is memory that is never touched and so never taken from the machine,
// but that the garbage collector counts as in use. It lets the heap double before
// it collects. A gateway's own is a few megabytes, and an answer leaves some
// kilobytes behind: without the floor it collects a dozen times a second under
// load, which takes a tenth of the processor. In return the process takes up to so
// much more memory.
const heapFloor = 64 << 20

// floor is the heap's, for as long as the caller keeps it alive. Who has told the
// collector what to do, by its own variables, is not interfered with.
func floor() []byte {
	for _, variable := range []string{"GOGC", "GOMEMLIMIT"} {
		if os.Getenv(variable) != "" {
			return nil
		}
	}
	return make([]byte, heapFloor)
}
