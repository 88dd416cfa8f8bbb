package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/namewall/namewall/internal/control"
	"github.com/namewall/namewall/internal/rule"
)

func whyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "why ADDRESS|NAME|- [PROTO/PORT]",
		Short: "Say why an address or a name is let through, or why not",
		Long: `Ask a running namewall about an address or a name: in which sets it is, by which
rules and names, until when, and who asked. Or why it isn't there: what was
refused, what has expired, which rule can't do its work.

With - the addresses and names are read from standard input, one a line. The exit
code is 0 if all of them are in a set now, and 1 if not.`,
		Example: `  namewall why 198.51.100.7 tcp/443
  namewall why www.example.com --client 192.0.2.9
  cut -d, -f1 addresses.csv | namewall why -`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return usageError{fmt.Errorf("an address or a name is missing, such as 'namewall why 198.51.100.7 tcp/443'")}
			case len(args) > 2:
				return usageError{fmt.Errorf("unexpected '%s'", args[2])}
			}
			return nil
		},
	}
	ask := askingFlags(c)
	client := c.Flags().String("client", "", "who would connect, for rules with clients and for sets of pairs")
	c.ValidArgsFunction = firstOnly(ask.completion(heldNames))
	c.RunE = func(c *cobra.Command, args []string) error {
		subjects := []string{args[0]}
		if args[0] == "-" {
			var err error
			if subjects, err = lines(c.InOrStdin()); err != nil {
				return err
			}
		}
		missing := false
		for n, subject := range subjects {
			service := ""
			if len(args) == 2 {
				service = args[1]
			}
			var why control.Why
			if err := ask.client().Get("/why", control.Subject(subject, service, *client), &why); err != nil {
				return err
			}
			if n > 0 && !ask.json {
				fmt.Fprintln(c.OutOrStdout())
			}
			if err := ask.print(c.OutOrStdout(), why, func(w io.Writer) { printWhy(w, subject, &why, time.Now()) }); err != nil {
				return err
			}
			missing = missing || !why.Through()
		}
		if missing {
			return errReported
		}
		return nil
	}
	return c
}

// lines are the words that stand at the beginnings of lines.
func lines(r io.Reader) (all []string, err error) {
	for s := bufio.NewScanner(r); ; {
		if !s.Scan() {
			return all, s.Err()
		}
		if words := strings.Fields(s.Text()); len(words) > 0 {
			all = append(all, words[0])
		}
	}
}

func printWhy(w io.Writer, subject string, why *control.Why, now time.Time) {
	state := "is in no set"
	if why.Through() {
		state = "is let through by"
	}
	fmt.Fprintf(w, "%s %s\n", subject, state)
	for i := range why.Elements {
		e := &why.Elements[i]
		fold(w, "  ", "    ", fmt.Sprintf("%s in %s, %s", key(e), e.Set, deadlines(e, now)))
		for _, r := range e.Reasons {
			fold(w, "    ", "      ", reason(&r, now))
		}
		if len(e.Reasons) == 0 {
			fold(w, "    ", "      ", "of unknown origin: it was there before namewall started, or somebody else put it there")
		}
	}
	for _, f := range why.Findings {
		at := ""
		if f.At != nil {
			at = fmt.Sprintf("%s ago: ", span(now.Sub(*f.At)))
		}
		fold(w, "  ", "    ", at+f.Text)
	}
}

// deadlines is for how long an element is promised and held, and what it has let
// through.
func deadlines(e *control.Element, now time.Time) string {
	text := left(e, now) + " left"
	switch {
	case e.Permanent:
		text = "permanent"
	case e.Held == nil:
		text = "missing: the kernel doesn't have it"
	}
	if e.Promised != nil {
		text += ", promised for " + span(e.Promised.Sub(now))
	}
	if e.Packets != nil && e.Bytes != nil {
		text += fmt.Sprintf(", %d packets of %d bytes", *e.Packets, *e.Bytes)
	}
	if e.Ending {
		text += ", being revoked"
	}
	return text
}

// reason is why an element is there, in a line.
func reason(r *control.Reason, now time.Time) string {
	if r.Origin == rule.ByLine.String() {
		return fmt.Sprintf("written in the Corefile, under 'static' (rule %s), since %s", r.Rule, span(now.Sub(r.First)))
	}
	if r.Origin == rule.ByHand.String() && r.UID != nil {
		held := fmt.Sprintf("for %s more", span(r.Until.Sub(now)))
		if !r.Until.After(now) {
			held = fmt.Sprintf("until %s ago", span(now.Sub(r.Until)))
		}
		return fmt.Sprintf("held by hand of uid %d (rule %s) %s ago, %s", *r.UID, r.Rule, span(now.Sub(r.Last)), held)
	}
	text := "more names"
	if len(r.Chain) > 0 {
		text = chain(r.Chain)
	} else if r.Name != "" {
		text = strings.TrimSuffix(r.Name, ".")
	}
	text += fmt.Sprintf(" (rule %s), asked %s ago", r.Rule, span(now.Sub(r.Last)))
	if r.Client != "" {
		text += " by " + r.Client
	}
	text += fmt.Sprintf(", first %s ago", span(now.Sub(r.First)))
	if r.TTL > 0 {
		text += fmt.Sprintf(", TTL %d s", r.TTL)
	}
	return text
}
