package rule

import (
	"testing"
)

// The numbers are in state files, the words in what commands print.
func TestOrigins(t *testing.T) {
	for o, word := range map[Origin]string{0: "name", 1: "static", 2: "hand", Origins: "origin 3"} {
		if o.String() != word {
			t.Errorf("origin %d is %q, want %q", uint8(o), o, word)
		}
	}
}
