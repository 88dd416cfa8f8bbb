package main

import (
	"fmt"
	"io"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/namewall/namewall/internal/control"
)

func dropsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "drops [--since 24h] [--client ADDRESS|PREFIX] [--name NAME] [--address ADDRESS]",
		Short: "Show what the firewall drops, and which names that was",
		Long: `Show what the firewall has dropped, as the running namewall reads it from the NFLOG
group of its Corefile's 'drops', the latest first: who wanted what, which name that
was, and why it isn't open. A name is what the client, or anybody, was last told
the address for before the packet came.

Each entry is all packets between a client and a name for one service. They are
kept for a week after the last one. The exit code is 1 if there are none.`,
		Example: `  namewall drops --since 24h
  namewall drops --client 192.0.2.9 --cause no_rule`,
		Args: noArgs,
	}
	ask := askingFlags(c)
	words := map[string]*string{
		"since":   c.Flags().String("since", "24h", "only what was dropped since then, such as 30m or 7d ago, or a time"),
		"client":  c.Flags().String("client", "", "only of this client, or of those within a prefix"),
		"name":    c.Flags().String("name", "", "only of this name"),
		"address": c.Flags().String("address", "", "only of this address"),
		"cause":   c.Flags().String("cause", "", "only for this cause, such as no_rule or never_asked"),
	}
	limit := c.Flags().Int("limit", 1000, "at most so many entries")
	ask.completes(c, "cause", fixed("no_rule", "expired", "revoked", "by_hand", "other_service", "in_set", "never_asked"))
	c.RunE = func(c *cobra.Command, _ []string) error {
		parameters := url.Values{"limit": {strconv.Itoa(*limit)}}
		for name, word := range words {
			if *word != "" {
				parameters.Set(name, *word)
			}
		}
		var found control.Drops
		if err := ask.client().Get("/drops", parameters, &found); err != nil {
			return err
		}
		if err := ask.print(c.OutOrStdout(), found, func(w io.Writer) { printDrops(w, &found, time.Now()) }); err != nil {
			return err
		}
		if len(found.Drops) == 0 {
			return errReported
		}
		return nil
	}
	return c
}

func printDrops(w io.Writer, found *control.Drops, now time.Time) {
	printDropsState(w, "", found)
	for i := range found.Drops {
		d := &found.Drops[i]
		fold(w, "", "    ", fmt.Sprintf("%s ago, %s: %s", span(now.Sub(d.Last)), plural(int(d.Count), "packet"), flow(d)))
		fold(w, "    ", "      ", d.Text)
		if d.Covered != "" {
			fmt.Fprintf(w, "    by now rule %s opens it\n", d.Covered)
		}
	}
	switch {
	case found.More:
		fmt.Fprintln(w, "there are more: ask with a larger --limit, or for less")
	case len(found.Drops) == 0:
		fmt.Fprintln(w, "no such drops")
	}
}

// printDropsState tells what is wrong with the reading, in lines that begin with
// prefix.
func printDropsState(w io.Writer, prefix string, found *control.Drops) {
	switch {
	case found.Group == nil:
		fmt.Fprintf(w, "%sthe Corefile has no 'drops GROUP': nothing is read\n", prefix)
	case found.Problem != "":
		fold(w, prefix, prefix, "nothing is read: "+found.Problem)
	}
	if found.Lost > 0 {
		fold(w, prefix, prefix, plural(int(found.Lost), "packet")+" came too fast to be read: give the ruleset's 'log group' a limit")
	}
}

// flow is who sent to whom.
func flow(d *control.Drop) string {
	remote := ""
	if len(d.Addresses) > 0 {
		remote = d.Addresses[0]
	}
	if d.Direction == control.DirectionIn {
		return remote + " → " + d.From + " " + d.Service
	}
	return d.From + " → " + remote + " " + d.Service
}
