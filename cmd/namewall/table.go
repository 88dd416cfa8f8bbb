package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// width is what output is made for: a terminal that nobody has made larger.
const width = 80

// leastColumn is how narrow the last column of a table may be before it goes below
// the others.
const leastColumn = 30

// table prints rows in columns, each line after an indent. The last column is folded
// to the width, beside the others or, where there is too little room, below them.
func table(w io.Writer, indent string, rows [][]string) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row[:max(0, len(row)-1)] {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], length(cell))
		}
	}
	for _, row := range rows {
		line := indent
		for i, cell := range row[:max(0, len(row)-1)] {
			line += cell + strings.Repeat(" ", widths[i]-length(cell)+2)
		}
		last, hang := row[len(row)-1], strings.Repeat(" ", length(line))
		if room := width - length(line); length(last) > room && (room < leastColumn || longest(last) > room) {
			fmt.Fprintln(w, strings.TrimRight(line, " "))
			line, hang = indent+"    ", indent+"    "
		}
		fold(w, line, hang, last)
	}
}

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

// longest is the length of a text's longest word.
func longest(text string) int {
	n := 0
	for word := range strings.FieldsSeq(text) {
		n = max(n, length(word))
	}
	return n
}

func length(text string) int { return utf8.RuneCountInString(text) }
