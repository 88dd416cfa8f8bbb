package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
	"github.com/namewall/namewall/plugin/nftset"
)

// What the printed sets have beyond their type.
//
// The size is a bound, not an allocation: the kernel grows a set as it fills.
// It must leave room for elements that have expired and are not yet collected.
// The default timeout is for elements that are added by hand: without one, a
// forgotten timeout means for ever. Interval sets have none: what is written there
// stays. Nor have they auto-merge, with which nft makes one element of namewall's and
// the administrator's, so that neither could be taken out alone.
const (
	defaultSize = 65536
	defaultLife = time.Hour
)

func nftCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "nft [-conf Corefile]",
		Short: "Print the sets that a Corefile needs",
		Long: `Print the declarations of the tables and sets that a Corefile needs, to include
in nftables.conf in front of the rules that use them. They can be loaded again
at any time, and keep what the sets hold.`,
		Example: `  namewall nft -conf /etc/namewall/Corefile > /etc/nftables.d/namewall.nft`,
		Args:    noArgs,
	}
	conf := corefileFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		_, f, err := readCorefile(*conf)
		if err != nil {
			return err
		}
		text, err := declare(f)
		if err != nil {
			return err
		}
		fmt.Fprint(c.OutOrStdout(), text)
		return nil
	}
	return c
}

// declaration is one set, for all the rules that feed it.
type declaration struct {
	id    set.ID
	place nftset.Place // of the line that told the type, or else of the first one
	rules []string

	layout  set.Layout
	typed   bool       // layout is known
	example set.Layout // what it could be

	interval bool // it is for ranges
}

// declare is the text for nft(8).
func declare(f *nftset.Corefile) (string, error) {
	var b strings.Builder
	all, err := declarations(f)
	if err != nil {
		return "", err
	}
	for i, d := range all {
		if i > 0 && sameTable(d.id, all[i-1].id) {
			b.WriteString("\n")
		} else {
			if i > 0 {
				b.WriteString("}\n\n")
			}
			fmt.Fprintf(&b, "table %s %s {\n", d.id.Family, d.id.Table)
		}
		fmt.Fprintf(&b, "\t# for %s\n\tset %s {\n\t\ttype %s\n\t\tsize %d\n", list(d.rules), d.id.Name, d.layout, defaultSize)
		if d.interval {
			b.WriteString("\t\tflags interval\n\t}\n")
		} else {
			fmt.Fprintf(&b, "\t\tflags timeout\n\t\ttimeout %s\n\t}\n", nftDuration(defaultLife))
		}
	}
	if len(all) > 0 {
		b.WriteString("}\n")
	}
	return b.String(), nil
}

func sameTable(a, b set.ID) bool { return a.Family == b.Family && a.Table == b.Table }

// declarations gathers the sets of all rules, ordered by table and name. It
// fails for a set whose type the Corefile doesn't tell, or tells in two ways.
func declarations(f *nftset.Corefile) ([]*declaration, error) {
	byID := make(map[set.ID]*declaration)
	var all []*declaration
	var errs []error
	for _, r := range f.Rules {
		for i, s := range r.Sets {
			d := byID[s.ID]
			if d == nil {
				d = &declaration{id: s.ID, interval: s.Interval, place: f.SetPlace(r, i), example: layoutFor(r, strings.HasSuffix(s.ID.Name, "6"))}
				byID[s.ID] = d
				all = append(all, d)
			}
			d.rules = append(d.rules, r.Name)
			if err := d.learn(s, f.SetPlace(r, i)); err != nil {
				errs = append(errs, err)
			}
		}
	}
	for _, d := range all {
		if word, keyword := d.id.Keyword(); keyword {
			errs = append(errs, fmt.Errorf("%s: set '%s' can't be declared, as nft takes '%s' for a keyword: give it another name", d.place, d.id, word))
		}
		if err := d.infer(); err != nil {
			errs = append(errs, err)
		}
	}
	for _, r := range f.Rules {
		for i, s := range r.Sets {
			if d := byID[s.ID]; d.typed {
				if err := r.CheckLayout(i, d.layout); err != nil {
					errs = append(errs, fmt.Errorf("%s: %w", f.SetPlace(r, i), err))
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b *declaration) int { return a.id.Compare(b.id) })
	return all, errors.Join(errs...)
}

// learn takes in a line that feeds the set.
func (d *declaration) learn(s rule.Set, place nftset.Place) error {
	switch {
	case !s.Known:
	case !d.typed:
		d.layout, d.typed, d.place = s.Layout, true, place
	case s.Layout != d.layout:
		return fmt.Errorf("%s: set '%s' is '%s' here and '%s' at %s: a set has one type", place, d.id, s.Layout, d.layout, d.place)
	}
	return nil
}

// infer makes up for a type that no line has told, where the table's family
// leaves no choice.
func (d *declaration) infer() error {
	switch {
	case d.typed:
		return nil
	case d.id.Family == set.IP || d.id.Family == set.IP6:
		d.layout, d.typed = d.example, true
		d.layout.V6 = d.id.Family == set.IP6
		return nil
	}
	return fmt.Errorf("%s: whether set '%s' is for IPv4 or IPv6 can't be known: add its type, such as 'set %s %s'", d.place, d.id, d.id, d.example)
}

// layoutFor is the layout that a rule's lines need: with protocol and port, or
// without.
func layoutFor(r *rule.Rule, v6 bool) set.Layout {
	return set.Layout{V6: v6, Proto: r.Ports(), Port: r.Ports()}
}
