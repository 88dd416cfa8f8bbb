package main

import (
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/namewall/namewall/internal/control"
)

func testCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "test NAME [--type TYPE] [--client ADDRESS]",
		Short: "Try what would become of an answer, without doing it",
		Long: `Have a running namewall ask for a name and say what it would make of the answer:
which server block answers, which rules match, in which sets each address would
be for how long, or why not, and what the client would get. The plugins below
are asked for real; no set is touched, and nothing is counted or remembered.

The exit code is 0 if rules match and the client would get every address, and 1 if
not.`,
		Example: `  namewall test www.example.com
  namewall test www.example.com --type AAAA --client 192.0.2.9`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return usageError{fmt.Errorf("a name is missing, such as 'namewall test www.example.com'")}
			case len(args) > 1:
				return usageError{fmt.Errorf("unexpected '%s'", args[1])}
			}
			return nil
		},
	}
	ask := askingFlags(c)
	qtype := c.Flags().String("type", "A", "type of the question: A, AAAA, HTTPS, …")
	client := c.Flags().String("client", "", "who would ask; else it is namewall itself")
	c.ValidArgsFunction = firstOnly(ask.completion(heldNames))
	ask.completes(c, "type", fixed("A", "AAAA", "HTTPS", "SVCB", "ANY"))
	c.RunE = func(c *cobra.Command, args []string) error {
		parameters := url.Values{"name": {args[0]}, "type": {*qtype}}
		if *client != "" {
			parameters.Set("client", *client)
		}
		var t control.Test
		if err := ask.client().Get("/test", parameters, &t); err != nil {
			return err
		}
		if err := ask.print(c.OutOrStdout(), t, func(w io.Writer) { printTest(w, &t) }); err != nil {
			return err
		}
		if !t.Whole() {
			return errReported
		}
		return nil
	}
	return c
}

func printTest(w io.Writer, t *control.Test) {
	fmt.Fprintf(w, "%s %s, asked by %s\n", bare(t.Name), t.Type, t.Client)
	if len(t.Blocks) == 0 {
		fmt.Fprintln(w, "no server block answers it")
	}
	for i := range t.Blocks {
		printTested(w, &t.Blocks[i])
	}
}

// printTested prints what one server block makes of the question.
func printTested(w io.Writer, b *control.Tested) {
	view := ""
	if b.View != "" {
		view = ", view " + b.View
	}
	fmt.Fprintf(w, "server block %s%s\n", b.Server, view)
	for _, r := range b.Rules {
		fold(w, "  ", "    ", testedRule(&r))
	}
	switch b.Outcome {
	case control.OutcomeNoRules:
		fold(w, "  ", "    ", "has no rules: the firewall is told nothing; if it should be, import the rules here too")
		return
	case control.OutcomeNoMatch:
		fmt.Fprintln(w, "  no rule matches: it is answered as if there were none")
		return
	case control.OutcomeNoAnswer:
		fold(w, "  ", "    ", "there is no answer from below: "+b.Error)
		return
	}
	answer := "the answer is " + b.Rcode
	if len(b.Chain) > 0 {
		answer += ", " + chain(b.Chain)
	}
	fold(w, "  ", "    ", answer)
	for _, a := range b.Addresses {
		fmt.Fprintf(w, "  %s, TTL %d s: %s\n", a.Address, a.TTL, strings.ReplaceAll(a.Fate, "_", " "))
		for _, s := range a.Steps {
			fold(w, "    ", "      ", step(&s))
		}
	}
	fold(w, "  ", "    ", "the client gets "+gets(b))
}

func testedRule(r *control.TestedRule) string {
	text := "rule " + r.Rule
	switch {
	case r.Excepts:
		return text + " excepts it"
	case r.Others:
		text += " matches it for other clients"
	default:
		text += " matches it"
	}
	if r.As != "" {
		text += " as " + bare(r.As)
	}
	if len(r.Services) > 0 {
		text += ", for " + strings.Join(r.Services, " ")
	}
	if r.Feed {
		text += ", and only feeds"
	}
	return text
}

// step is what a rule makes of an address, in a line.
func step(s *control.Step) string {
	text := "rule " + s.Rule + ": "
	switch {
	case s.Text != "":
		text = s.Text // names the rule
	case s.Set == "":
		text += "passes, without being in a set"
	default:
		text += "in " + s.Set
		if s.Client != "" {
			text += " for " + s.Client
		}
		if s.Service != "" {
			text += ", " + s.Service
		}
		text += ", " + life(s)
	}
	if s.NoSay {
		text += " (it only feeds, and has no say)"
	}
	return text
}

// life is what would become of an element.
func life(s *control.Step) string {
	held := span(time.Duration(s.Held) * time.Second)
	written := span(time.Duration(s.Written) * time.Second)
	switch {
	case s.Permanent:
		return "where it is for ever"
	case s.Written == 0:
		return "where it is for " + held + " already"
	case s.Held > 0:
		return "extended from " + held + " to " + written
	}
	return "added for " + written
}

// gets is what the client gets, in words.
func gets(b *control.Tested) string {
	what := map[string]string{
		control.OutcomeWhole: "all of it", control.OutcomeUntouched: "it as it is: no rule matches a name of it",
		control.OutcomeTrimmed: "the rest of it", control.OutcomeNodata: "no address", control.OutcomeServfail: b.Gets.Rcode,
	}[b.Outcome]
	switch {
	case b.Feed && b.Outcome != control.OutcomeWhole:
		what = "all of it, as no rule enforces; else it would get " + what
	case b.Outcome == control.OutcomeWhole && len(b.Addresses) == 0:
		what = "it as it is, without an address"
	}
	if e := b.Gets.EDE; e != nil {
		what += fmt.Sprintf(", with Extended DNS Error %d (%s)", e.Code, e.Name)
		if e.Text != "" {
			what += ": " + plain(e.Text) // somebody else's
		}
	}
	return what
}

// bare is a name without its final dot.
func bare(name string) string {
	if name == "." {
		return name
	}
	return strings.TrimSuffix(name, ".")
}

// chain is the way from a name to an address's owner.
func chain(names []string) string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = bare(name)
	}
	return strings.Join(all, " > ")
}
