package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// level is how bad a finding is.
type level int

const (
	right   level = iota // as it should be
	note                 // worth to know, and may well be intended
	warning              // works, but probably not as intended
	wrong                // a rule can't do its work
)

func (l level) String() string { return [...]string{"ok", "note", "warning", "error"}[l] }

// section is what there is to say about one thing.
type section struct {
	title    string
	findings []finding
}

type finding struct {
	level level
	text  string
}

func (s *section) add(l level, format string, args ...any) {
	s.findings = append(s.findings, finding{l, fmt.Sprintf(format, args...)})
}

// report is what check has found.
type report []*section

func (r *report) section(format string, args ...any) *section {
	s := &section{title: fmt.Sprintf(format, args...)}
	*r = append(*r, s)
	return s
}

// MarshalJSON implements json.Marshaler: a list of what there is to say, with what
// it is about.
func (r report) MarshalJSON() ([]byte, error) {
	type line struct {
		About string `json:"about"`
		Level string `json:"level"`
		Text  string `json:"text"`
	}
	lines := []line{}
	for _, s := range r {
		for _, f := range s.findings {
			lines = append(lines, line{s.title, f.level.String(), f.text})
		}
	}
	return json.Marshal(struct {
		Findings []line `json:"findings"`
	}{lines})
}

// count is the number of findings of a level.
func (r report) count(l level) int {
	n := 0
	for _, s := range r {
		for _, f := range s.findings {
			if f.level == l {
				n++
			}
		}
	}
	return n
}

// print writes the report for people to read.
func (r report) print(w io.Writer) {
	for _, s := range r {
		fmt.Fprintf(w, "%s\n", s.title)
		for _, f := range s.findings {
			fmt.Fprintf(w, "  %-7s  %s\n", f.level, f.text)
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w, r.summary())
}

func (r report) summary() string {
	var parts []string
	for _, l := range []level{wrong, warning, note} {
		switch n := r.count(l); n {
		case 0:
		case 1:
			parts = append(parts, "1 "+l.String())
		default:
			parts = append(parts, fmt.Sprintf("%d %ss", n, l))
		}
	}
	if len(parts) == 0 {
		return "nothing is wrong"
	}
	return strings.Join(parts, ", ")
}
