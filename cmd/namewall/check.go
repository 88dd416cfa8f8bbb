package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func checkCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "check [-conf Corefile] [--nft FILE] [--resolve] [--json]",
		Short: "Compare a Corefile with the kernel's sets",
		Long: `Compare a Corefile with the kernel's sets, and print for each rule what is right
and what is not. Nothing is started, and nothing changed.

A note tells what may well be intended, a warning what probably is not, and an
error what keeps a rule from working. The exit code is 1 if there is an error.

To read the kernel's sets takes CAP_NET_ADMIN. With --nft the sets are those of
a file for nft(8), loaded in a network namespace of its own that is thrown away,
with interfaces named like this machine's.

With --resolve the rules' exact names are looked up, once, to warn about what
vendors warn about: names that don't exist, that have fewer addresses than their
siblings, or that lead to load balancers in a rule for connections from there.`,
		Example: `  namewall check -conf /etc/namewall/Corefile --resolve
  namewall check --nft /etc/nftables.conf`,
		Args: noArgs,
	}
	conf := corefileFlag(c)
	ruleset := c.Flags().String("nft", "", "file of nft(8) to compare with, instead of the kernel")
	resolve := c.Flags().Bool("resolve", false, "look the exact names up")
	asJSON := c.Flags().Bool("json", false, "print the findings as JSON")
	server := c.Flags().String("server", "", "resolver to ask, ADDRESS[:PORT], instead of the system's (implies --resolve)")
	c.RunE = func(c *cobra.Command, _ []string) error {
		input, f, err := readCorefile(*conf)
		if err != nil {
			return err
		}
		invalid := validate(input)
		read := kernelSets
		if *ruleset != "" {
			read = func() (sets, error) { return rulesetSets(*ruleset) }
		}
		sets, err := read()
		if err != nil && *ruleset != "" {
			return err
		}
		var looked lookups
		if *resolve || *server != "" {
			client, err := resolver(*server)
			if err != nil {
				return err
			}
			looked = lookUp(c.Context(), client, f.Rules)
		}
		found := inspect(f, invalid, sets, err, looked)
		if *asJSON {
			if err := printJSON(c.OutOrStdout(), found); err != nil {
				return err
			}
		} else {
			fmt.Fprintf(c.OutOrStdout(), "%s: %s in %s\n\n", *conf, plural(len(f.Rules), "rule"), plural(len(f.Servers), "server block"))
			found.print(c.OutOrStdout())
		}
		if found.count(wrong) > 0 {
			return errReported
		}
		return nil
	}
	return c
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
