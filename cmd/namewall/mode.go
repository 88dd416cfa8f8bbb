package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/namewall/namewall/internal/control"
)

func modeCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "mode feed|enforce [RULE]",
		Short: "Hold a running namewall's rules to feeding, or let them enforce again",
		Long: `Hold a rule of a running namewall to feeding, or all of them: sets are still
written, but no answer is trimmed, failed or held for a set that is missing. It
is the brake for when answers are what is wrong; what the firewall drops, it goes
on dropping. It lasts over reloads until 'namewall mode enforce' or the end of the
process, after which the Corefile's mode counts again.`,
		Example: `  namewall mode feed
  namewall mode enforce web`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 || args[0] != "feed" && args[0] != "enforce" {
				return usageError{fmt.Errorf("write 'namewall mode feed' or 'namewall mode enforce', and a rule's name if not all are meant")}
			}
			return nil
		},
	}
	ask := askingFlags(c)
	c.ValidArgsFunction = func(c *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		switch len(args) {
		case 0:
			return []string{"feed", "enforce"}, cobra.ShellCompDirectiveNoFileComp
		case 1:
			return ask.completion(runningRules)(c, args, word)
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		m := control.Mode{Mode: args[0]}
		if len(args) == 2 {
			m.Rule = args[1]
		}
		var done control.Done
		if err := ask.client().Post("/mode", m, &done); err != nil {
			return err
		}
		return ask.print(c.OutOrStdout(), done, func(w io.Writer) { fmt.Fprintln(w, done.Done) })
	}
	return c
}
