package main

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/namewall/namewall/internal/control"
)

func revokeCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "revoke NAME|ADDRESS [--rule RULE] [--kill]",
		Short: "Close what a running namewall has opened for a name or an address",
		Long: `Delete, now, the elements that a running namewall has put into its sets because of
a name, or for an address, whatever else they are there for; with --rule only
what that rule wants, so that what another rule wants too stays. With --kill the
connections are ended that they have let through.

It closes the door and doesn't lock it: the next answer that a rule matches admits
an address anew, and a name under 'resolve' comes back by itself. Nothing else
brings it back, no restart either. What is to stay closed has to leave the
Corefile. So has what is static. Elements that others have written are left alone.

The exit code is 0 if all that was found is closed, and 1 if something is not, or
nothing was found.`,
		Example: `  namewall revoke www.example.com
  namewall revoke 198.51.100.7 --rule web --kill`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{fmt.Errorf("write one name or one address, such as 'namewall revoke 198.51.100.7 --kill'")}
			}
			return nil
		},
	}
	ask := askingFlags(c)
	var body control.Revoke
	c.Flags().StringVar(&body.Rule, "rule", "", "only what this rule wants")
	c.Flags().BoolVar(&body.Kill, "kill", false, "end the connections too")
	c.ValidArgsFunction = firstOnly(ask.completion(heldNames))
	ask.completes(c, "rule", runningRules)
	c.RunE = func(c *cobra.Command, args []string) error {
		if _, err := netip.ParseAddr(args[0]); err == nil {
			body.Address = args[0]
		} else {
			body.Name = args[0]
		}
		var done control.Revoked
		if err := ask.client().Post("/revoke", body, &done); err != nil {
			return err
		}
		if err := ask.print(c.OutOrStdout(), done, func(w io.Writer) { printRevoked(w, &done) }); err != nil {
			return err
		}
		if !done.AllClosed() {
			return errReported
		}
		return nil
	}
	return c
}

func printRevoked(w io.Writer, done *control.Revoked) {
	fmt.Fprintln(w, done.Done)
	printChanged(w, done.Elements)
	if done.More {
		fmt.Fprintln(w, "  and more")
	}
	printNotes(w, done.Notes)
}

// printChanged prints elements set by set, with what has become of them.
func printChanged(w io.Writer, elements []control.Changed) {
	elements = slices.Clone(elements)
	slices.SortStableFunc(elements, func(a, b control.Changed) int { return strings.Compare(a.Set, b.Set) })
	var rows [][]string
	for i := range elements {
		e := &elements[i]
		if i > 0 && e.Set != elements[i-1].Set {
			printSet(w, elements[i-1].Set, rows)
			rows = nil
		}
		outcome := strings.ReplaceAll(e.Outcome, "_", " ")
		text := e.Text
		switch {
		case text != "":
		case e.Outcome == control.OutcomeClosed:
			text = "was there for " + reasons(&e.Element)
		default:
			text = reasons(&e.Element)
		}
		rows = append(rows, []string{key(&e.Element), outcome, text})
	}
	if len(rows) > 0 {
		printSet(w, elements[len(elements)-1].Set, rows)
	}
}

func printNotes(w io.Writer, notes []string) {
	for _, note := range notes {
		fmt.Fprintf(w, "note: %s\n", note)
	}
}
