package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/namewall/namewall/internal/set"
)

// list is one address a line, or a prefix or range.
func (e *exporter) list(h *holdings) (string, error) {
	var spans []set.Span
	for _, one := range h.entries {
		s := set.Span{First: one.addr, Last: one.addr}
		if one.last.IsValid() {
			s.Last = one.last
		}
		spans = append(spans, s)
	}
	slices.SortFunc(spans, set.Span.Compare)
	var b strings.Builder
	for _, s := range slices.Compact(spans) {
		fmt.Fprintln(&b, s)
	}
	return b.String(), nil
}

// hosts is ADDRESS NAME, as hosts(5) has it. Addresses without a name are left
// out.
func (e *exporter) hosts(h *holdings) (string, error) {
	var lines []string
	nameless := 0
	for _, one := range h.entries {
		for _, name := range one.names {
			lines = append(lines, one.addr.String()+" "+name)
		}
		if len(one.names) == 0 {
			nameless++
		}
	}
	switch {
	case h.nameless != nil:
		return "", fmt.Errorf("the names aren't known: %w, or look them up with --resolve", h.nameless)
	case nameless > 0:
		e.warn("%s left out: nobody has asked namewall for a name of it", plural(nameless, "element"))
	}
	slices.Sort(lines)
	return "# " + e.title() + "\n" + joinLines(slices.Compact(lines)), nil
}

func joinLines(lines []string) string {
	var b strings.Builder
	for _, line := range lines {
		b.WriteString(line + "\n")
	}
	return b.String()
}

// csv has a header, and an element a line.
func (e *exporter) csv(h *holdings) (string, error) {
	var b strings.Builder
	w := csv.NewWriter(&b)
	e.mention(h.nameless)
	err := w.Write([]string{"rules", "set", "client", "address", "protocol", "port", "names", "timeout", "expires"})
	for _, one := range h.entries {
		r := newRecord(&one)
		err = errors.Join(err, w.Write([]string{
			strings.Join(r.Rules, " "), r.Set, r.Client, r.Address, r.Protocol, number(r.Port),
			strings.Join(r.Names, " "), number(r.Timeout), number(r.Expires),
		}))
	}
	w.Flush()
	return b.String(), errors.Join(err, w.Error())
}

// mention says why there are no names, where there could be some.
func (e *exporter) mention(nameless error) {
	if nameless != nil {
		e.warn("the names are left out: %v", nameless)
	}
}

// number is n, or nothing.
func number[N int64 | uint16](n *N) string {
	if n == nil {
		return ""
	}
	return fmt.Sprint(*n)
}

// jsonExport is the JSON form. Its fields are part of the command's interface.
type jsonExport struct {
	Taken   time.Time    `json:"taken"`
	Source  string       `json:"source"` // kernel or dns
	Entries []jsonRecord `json:"entries"`
}

type jsonRecord struct {
	Rules    []string `json:"rules"`
	Set      string   `json:"set,omitempty"` // FAMILY TABLE SET
	Client   string   `json:"client,omitempty"`
	Address  string   `json:"address"`
	Protocol string   `json:"protocol,omitempty"`
	Port     *uint16  `json:"port,omitempty"`
	Names    []string `json:"names"`
	Static   bool     `json:"static,omitempty"` // written out in the Corefile
	Timeout  *int64   `json:"timeout"`          // seconds; null: it stays
	Expires  *int64   `json:"expires"`
}

func (e *exporter) json(h *holdings) (string, error) {
	out := jsonExport{Taken: e.now.UTC().Truncate(time.Second), Source: "kernel", Entries: []jsonRecord{}}
	if e.resolve {
		out.Source = "dns"
	}
	e.mention(h.nameless)
	for _, one := range h.entries {
		out.Entries = append(out.Entries, newRecord(&one))
	}
	var b bytes.Buffer
	w := json.NewEncoder(&b)
	w.SetIndent("", "  ")
	err := w.Encode(out)
	return b.String(), err
}

func newRecord(one *entry) jsonRecord {
	r := jsonRecord{Rules: one.rules, Address: one.words(), Names: one.names, Static: one.static}
	if one.set.Name != "" {
		r.Set = one.set.String()
	}
	if one.client.IsValid() {
		r.Client = one.client.String()
	}
	if one.service.Proto != 0 {
		r.Protocol = set.ProtocolName(one.service.Proto)
	}
	if one.service.Port != 0 {
		r.Port = &one.service.Port
	}
	if r.Names == nil {
		r.Names = []string{}
	}
	if one.timeout > 0 {
		timeout, expires := int64(one.timeout/second), int64(one.expires/second)
		r.Timeout, r.Expires = &timeout, &expires
	}
	return r
}
