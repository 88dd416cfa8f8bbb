package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// width is what output is made for: a terminal that nobody has made larger.
const width = 80

// fold prints text in lines that are no longer than the width, where words allow
// it: the first begins with one indent, the others with another. A word is never
// cut, so that it can be copied and searched for.
func fold(w io.Writer, first, other, text string) {
	line, empty := first, true
	for word := range strings.FieldsSeq(text) {
		if !empty && length(line)+1+length(word) > width {
			fmt.Fprintln(w, line)
			line, empty = other, true
		}
		if !empty {
			line += " "
		}
		line += word
		empty = false
	}
	fmt.Fprintln(w, strings.TrimRight(line, " "))
}

func length(text string) int { return utf8.RuneCountInString(text) }
