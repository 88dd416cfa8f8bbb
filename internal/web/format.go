package web

import (
	"fmt"
	"html/template"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/namewall/namewall/internal/control"
)

// functions are what templates say things with.
var functions = template.FuncMap{
	"since":   func(at, now time.Time) string { return control.Span(now.Sub(at)) },
	"ago":     func(at, now time.Time) string { return control.Span(now.Sub(at)) + " ago" },
	"until":   func(at *time.Time, now time.Time) string { return control.Span(at.Sub(now)) },
	"clock":   func(at time.Time) string { return at.Local().Format(time.TimeOnly) },
	"stamp":   func(at time.Time) string { return at.Local().Format(time.RFC3339) },
	"name":    func(name string) string { return strings.TrimSuffix(name, ".") },
	"number":  number,
	"plural":  plural,
	"int":     func(n uint64) int { return int(n) },
	"seconds": func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) },
	"span":    control.Span,
	"percent": percent,
	"words":   func(s string) string { return strings.ReplaceAll(s, "_", " ") },
	"kind":    func(kind string) string { return strings.ReplaceAll(kind, " ", "-") },
	"path":    path,
	"key":     key,
	"ranged":  func(addr string) bool { return strings.ContainsAny(addr, "/-") }, // nobody asks why of one
	"asking":  asking,
	"counts":  counts,
	"used":    used,
	"busiest": func(what string, all []control.Busy) list { return list{what, all} },
	"high":    high,
	"near":    func(used, limit int) bool { return limit > 0 && used > high(limit) },
}

// nearlyFull is the share of a set or budget above which it is shown to be short:
// as the alert of packaging/prometheus has it.
const nearlyFull = 0.8

func high(limit int) int { return int(nearlyFull * float64(limit)) }

// number is n with its thousands apart.
func number(n int) string {
	digits := strconv.Itoa(n)
	var groups []string
	for len(digits) > 3 {
		groups = append(groups, digits[len(digits)-3:])
		digits = digits[:len(digits)-3]
	}
	groups = append(groups, digits)
	slices.Reverse(groups)
	return strings.Join(groups, "\u202f") // a narrow space that breaks no line
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return number(n) + " " + word + "s"
}

// percent is the share of a limit, "under 1 %" if it is hardly any.
func percent(used, limit int) string {
	share := float64(used) / float64(limit) * 100
	switch {
	case used == 0:
		return "0\u202f%"
	case share < 1:
		return "under 1\u202f%"
	}
	return fmt.Sprintf("%.0f\u202f%%", share)
}

// path is a chain in a line.
func path(chain []string) string {
	var names []string
	for _, name := range chain {
		names = append(names, strings.TrimSuffix(name, "."))
	}
	return strings.Join(names, " → ")
}

// key is what an element opens.
func key(e control.Element) string {
	text := e.Address
	if e.Client != "" {
		text = e.Client + " → " + text
	}
	if e.Service != "" {
		text += " " + e.Service
	}
	return text
}

// asking is the page that explains an address or a name.
func asking(about string) string {
	return "/why?about=" + url.QueryEscape(strings.TrimSuffix(about, "."))
}

// counts are numbers by what they count, in a line.
func counts(of map[string]int) string {
	var all []string
	for _, what := range slices.Sorted(maps.Keys(of)) {
		all = append(all, number(of[what])+" "+what)
	}
	return strings.Join(all, ", ")
}

// list is a table of the busiest.
type list struct {
	What string // they are
	All  []control.Busy
}

// used are the budgets of which something is used.
func used(all []control.Budget) []control.Budget {
	return slices.DeleteFunc(slices.Clone(all), func(b control.Budget) bool { return b.Used == 0 })
}
