package main

import (
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/namewall/namewall/internal/control"
	"github.com/namewall/namewall/internal/rule"
)

func listCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "list [--rule NAME] [--set 'FAMILY TABLE SET'] [--name NAME] [--address ADDRESS]",
		Short: "List what a running namewall holds in its sets, and why",
		Long: `List the elements that a running namewall knows of in the sets that it feeds: how
long the kernel still holds them, and which names of which rules they are there
for. The exit code is 1 if there are none.`,
		Example: `  namewall list --rule web
  namewall list --set 'inet filter web4' --json`,
		Args: noArgs,
	}
	ask := askingFlags(c)
	words := map[string]*string{
		"rule":    c.Flags().String("rule", "", "only what this rule wants"),
		"set":     c.Flags().String("set", "", "only this set: 'inet filter web4'"),
		"name":    c.Flags().String("name", "", "only what this name has led to"),
		"address": c.Flags().String("address", "", "only this address"),
	}
	limit := c.Flags().Int("limit", 1000, "at most so many elements")
	ask.completes(c, "rule", runningRules)
	ask.completes(c, "set", runningSets)
	ask.completes(c, "name", heldNames)
	c.RunE = func(c *cobra.Command, _ []string) error {
		parameters := url.Values{"limit": {strconv.Itoa(*limit)}}
		for name, word := range words {
			if *word != "" {
				parameters.Set(name, *word)
			}
		}
		var found control.Elements
		if err := ask.client().Get("/elements", parameters, &found); err != nil {
			return err
		}
		if err := ask.print(c.OutOrStdout(), found, func(w io.Writer) { printElements(w, &found, time.Now()) }); err != nil {
			return err
		}
		if len(found.Elements) == 0 {
			return errReported
		}
		return nil
	}
	return c
}

// printElements prints the elements set by set.
func printElements(w io.Writer, found *control.Elements, now time.Time) {
	var rows [][]string
	for i := range found.Elements {
		e := &found.Elements[i]
		if i > 0 && e.Set != found.Elements[i-1].Set {
			printSet(w, found.Elements[i-1].Set, rows)
			rows = nil
		}
		rows = append(rows, []string{key(e), left(e, now), reasons(e)})
	}
	if len(rows) > 0 {
		printSet(w, found.Elements[len(found.Elements)-1].Set, rows)
	}
	switch {
	case found.More:
		fmt.Fprintln(w, "there are more: ask with a larger --limit, or for less")
	case len(found.Elements) == 0:
		fmt.Fprintln(w, "no such element")
	}
}

func printSet(w io.Writer, name string, rows [][]string) {
	fmt.Fprintln(w, name)
	table(w, "  ", rows)
}

// key is an element as nft has it.
func key(e *control.Element) string {
	var parts []string
	for _, part := range []string{e.Client, e.Address, e.Service} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, " . ")
}

// left is how long the kernel holds the element.
func left(e *control.Element, now time.Time) string {
	switch {
	case e.Permanent:
		return "permanent"
	case e.Held == nil:
		return "missing"
	}
	return span(e.Held.Sub(now))
}

// reasons are the names that an element is there for, with their rules.
func reasons(e *control.Element) string {
	var parts []string
	for _, r := range e.Reasons {
		name := strings.TrimSuffix(r.Name, ".")
		switch {
		case r.Origin == rule.ByLine.String():
			name = "static"
		case r.Origin == rule.ByHand.String():
			name = "by hand"
			if r.UID != nil {
				name += fmt.Sprintf(" of uid %d", *r.UID)
			}
		case name == "":
			name = "more names"
		}
		parts = append(parts, fmt.Sprintf("%s (%s)", name, r.Rule))
	}
	switch {
	case e.Ending:
		parts = append(parts, "being revoked")
	case len(parts) == 0:
		parts = append(parts, "of unknown origin")
	}
	return strings.Join(parts, ", ")
}
