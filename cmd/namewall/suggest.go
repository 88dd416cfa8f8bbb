package main

import (
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/namewall/namewall/internal/control"
	"github.com/namewall/namewall/internal/suggest"
	"github.com/namewall/namewall/plugin/nftset"
)

// dropsMax is more drops than are kept.
const dropsMax = "100000"

func suggestCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "suggest [--since 7d] [--client ADDRESS|PREFIX] [--rule NAME]",
		Short: "Make a rule of what the firewall drops, to be read and taken over",
		Long: `Make a rule of the names that the firewall has dropped and that no rule matches by
now, as part of a Corefile: a line for each name with the ports that were wanted,
or for several names next to one another which one owner has, as far as is known.
Each line says how much was dropped for it. What no new rule helps, and addresses
that were never in DNS, stand in comments below.

Nothing is changed. Write it to a file, read it, declare the sets, and import the
file into the server block. The exit code is 1 if there is no name to suggest.`,
		Example: `  namewall suggest --since 24h --rule web > /etc/namewall/web.rules`,
		Args:    noArgs,
	}
	ask := askingFlags(c)
	since := c.Flags().String("since", "7d", "of what was dropped since then, such as 24h ago, or a time")
	client := c.Flags().String("client", "", "of what this client wanted, or those within a prefix")
	name := c.Flags().String("rule", "suggested", "the rule's name")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if !nftset.IsRuleName(*name) {
			return usageError{fmt.Errorf("'%s' is no name for a rule: use up to 63 of a-z, 0-9 and '-'", *name)}
		}
		parameters := url.Values{"limit": {dropsMax}, "since": {*since}}
		if *client != "" {
			parameters.Set("client", *client)
		}
		var found control.Drops
		if err := ask.client().Get("/drops", parameters, &found); err != nil {
			return err
		}
		s := suggest.Of(found.Drops)
		var text strings.Builder
		printDropsState(&text, "# ", &found)
		if err := s.Write(&text, *name); err != nil {
			return err
		}
		if err := ask.print(c.OutOrStdout(), s, func(w io.Writer) { fmt.Fprint(w, text.String()) }); err != nil {
			return err
		}
		if len(s.Lines) == 0 {
			return errReported
		}
		return nil
	}
	return c
}
