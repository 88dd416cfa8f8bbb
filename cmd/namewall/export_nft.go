package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/namewall/namewall/internal/nft"
	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

// nft is what nft(8) loads: the sets with their elements, or with --for the
// elements alone.
func (e *exporter) nft(h *holdings) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n", e.title())
	var declared sets
	if e.forFile != "" {
		var err error
		if declared, err = rulesetSets(e.forFile); err != nil {
			return "", err
		}
	} else {
		writeSets(&b, h.sets)
	}
	for _, s := range h.sets {
		of := slices.DeleteFunc(slices.Clone(h.entries), func(one entry) bool { return one.set != s.ID })
		other, ok := declared[s.ID]
		switch {
		case e.forFile == "":
			writeAnew(&b, s, of)
		case !ok:
			fmt.Fprintf(&b, "\n# set %s: %s declares none\n", s.ID, e.forFile)
		case other.KeyType != s.KeyType:
			fmt.Fprintf(&b, "\n# set %s: its type is '%s', and '%s' in %s\n", s.ID, s.KeyType, other.KeyType, e.forFile)
		case usable(other, rule.Set{Interval: s.Interval}) != nil:
			fmt.Fprintf(&b, "\n# set %s: in %s %v\n", s.ID, e.forFile, usable(other, rule.Set{Interval: s.Interval}))
		default:
			writeElements(&b, other, of)
		}
	}
	return b.String(), nil
}

// writeSets writes the declarations of sets that are in order.
func writeSets(b *strings.Builder, all []nft.Set) {
	for i, s := range all {
		if i == 0 || !sameTable(s.ID, all[i-1].ID) {
			if i > 0 {
				b.WriteString("}\n")
			}
			fmt.Fprintf(b, "\ntable %s %s {\n", s.ID.Family, s.ID.Table)
		} else {
			b.WriteString("\n")
		}
		fmt.Fprintf(b, "\tset %s {\n\t\ttype %s\n", s.ID.Name, s.KeyType)
		if s.Size > 0 {
			fmt.Fprintf(b, "\t\tsize %d\n", s.Size)
		}
		b.WriteString(map[bool]string{false: "\t\tflags timeout\n", true: "\t\tflags interval\n"}[s.Interval])
		if s.Default > 0 {
			fmt.Fprintf(b, "\t\ttimeout %s\n", nftDuration(s.Default))
		}
		b.WriteString("\t}\n")
	}
	if len(all) > 0 {
		b.WriteString("}\n")
	}
}

// writeAnew writes elements so that they have their lives also where they are in
// the set already: kernels before 6.12 leave what is there as it is. The first
// addition makes the deletion one of something.
func writeAnew(b *strings.Builder, s nft.Set, of []entry) {
	if len(of) == 0 {
		return
	}
	if s.Interval { // what stays has no life to be given anew
		writeElements(b, s, of)
		return
	}
	var keys []string
	for _, one := range of {
		keys = append(keys, one.key())
	}
	words := strings.Join(keys, ",\n\t")
	fmt.Fprintf(b, "\nadd element %[1]s {\n\t%[2]s\n}\ndelete element %[1]s {\n\t%[2]s\n}", s.ID, words)
	writeElements(b, s, of)
}

// writeElements writes elements with what is left of their lives.
func writeElements(b *strings.Builder, s nft.Set, of []entry) {
	if len(of) == 0 {
		return
	}
	fmt.Fprintf(b, "\nadd element %s {\n", s.ID)
	for _, one := range of {
		fmt.Fprintf(b, "\t%s%s", one.key(), one.nftLife(s.Default))
		if one.own {
			fmt.Fprintf(b, " comment %q", nft.Comment)
		}
		b.WriteString(",")
		why := one.names
		if one.static {
			why = append([]string{"static"}, why...)
		}
		if len(why) > 0 {
			fmt.Fprintf(b, " # %s", list(why))
		}
		b.WriteString("\n")
	}
	b.WriteString("}\n")
}

// key is the element in nft's syntax.
func (one *entry) key() string {
	var parts []string
	if one.client.IsValid() {
		parts = append(parts, one.client.String())
	}
	parts = append(parts, one.words())
	if one.service.Proto != 0 {
		parts = append(parts, set.ProtocolName(one.service.Proto))
	}
	if one.service.Port != 0 {
		parts = append(parts, strconv.Itoa(int(one.service.Port)))
	}
	return strings.Join(parts, " . ")
}

// ever is the timeout of an element that stays, in a set with a default timeout:
// nft 1.0.6 has no word for none there, and takes 0 for the default.
const ever = 3650 * 24 * time.Hour

// nftLife is the life of an element in nft's syntax.
func (one *entry) nftLife(unset time.Duration) string {
	switch {
	case one.timeout > 0:
		return " timeout " + nftDuration(one.timeout) + " expires " + nftDuration(one.expires)
	case unset > 0:
		return " timeout " + nftDuration(ever)
	}
	return ""
}

// nftDuration is a duration in nft's syntax.
func nftDuration(d time.Duration) string {
	var b strings.Builder
	for _, u := range []struct {
		unit time.Duration
		word string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if n := d / u.unit; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.word)
			d %= u.unit
		}
	}
	return b.String()
}
