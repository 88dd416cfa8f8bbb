package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/namewall/namewall/internal/control"
)

func holdCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "hold ADDRESS... --rule RULE --for DURATION",
		Short: "Have a running namewall's rule hold addresses for a time",
		Long: `Put addresses into the sets of a running namewall's rule for a time, such as 30m,
2h or 7d (a month at most), whether or not anybody asks for a name that has them.
Sets with ports get those that the rule opens, or the ones given with --service;
sets of pairs need the client. What the rule refuses in answers is refused here,
too, unless an 'allow' line has it.

It is healed like anything that was promised, and outlives a restart, and reloads
that keep the rule. It ends at its time, or by 'namewall revoke'. A life only grows:
to hold for less than before changes nothing.

The exit code is 0 if all of it is held, and 1 if not.`,
		Example: `  namewall hold 198.51.100.7 --rule web --for 2h
  namewall hold 198.51.100.7 2001:db8::7 --rule web --for 7d --service tcp/8443`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{fmt.Errorf("an address is missing, such as 'namewall hold 198.51.100.7 --rule web --for 2h'")}
			}
			return nil
		},
	}
	ask := askingFlags(c)
	var body control.Hold
	c.Flags().StringVar(&body.Rule, "rule", "", "whose sets (needed)")
	c.Flags().StringVar(&body.For, "for", "", "for how long, such as 2h (needed)")
	c.Flags().StringArrayVar(&body.Services, "service", nil, "PROTO/PORT, for sets with ports; may be repeated")
	c.Flags().StringVar(&body.Client, "client", "", "who may connect, for sets of pairs")
	c.ValidArgsFunction = cobra.NoFileCompletions
	ask.completes(c, "rule", runningRules)
	c.RunE = func(c *cobra.Command, args []string) error {
		if body.Rule == "" || body.For == "" {
			return usageError{fmt.Errorf("--rule and --for are needed: write whose sets are to hold it, and for how long")}
		}
		body.Addresses = args
		var done control.Held
		if err := ask.client().Post("/hold", body, &done); err != nil {
			return err
		}
		if err := ask.print(c.OutOrStdout(), done, func(w io.Writer) {
			fmt.Fprintln(w, done.Done)
			printChanged(w, done.Elements)
			printNotes(w, done.Notes)
		}); err != nil {
			return err
		}
		if !done.AllHeld() {
			return errReported
		}
		return nil
	}
	return c
}
