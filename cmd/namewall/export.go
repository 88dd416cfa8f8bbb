package main

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/plugin/nftset"
)

// exporter is one run of the command.
type exporter struct {
	conf    string
	all     bool
	format  string
	forFile string
	resolve bool
	server  string

	form  *exportFormat
	file  *nftset.Corefile
	rules []*rule.Rule
	now   time.Time
	warn  func(format string, args ...any)
}

// exportFormat writes what was found.
type exportFormat struct {
	name string
	// bare tells that the Corefile is enough: nothing is looked up.
	bare  bool
	write func(*exporter, *holdings) (string, error)
}

func exportFormats() []exportFormat {
	return []exportFormat{
		{name: "list", write: (*exporter).list},
		{name: "hosts", write: (*exporter).hosts},
		{name: "csv", write: (*exporter).csv},
		{name: "json", write: (*exporter).json},
		{name: "nft", write: (*exporter).nft},
		{name: "java-policy", bare: true, write: (*exporter).javaPolicy},
	}
}

func formatNames() string {
	var names []string
	for _, f := range exportFormats() {
		names = append(names, f.name)
	}
	return strings.Join(names, ", ")
}

func exportCommand() *cobra.Command {
	e := exporter{now: time.Now()}
	c := &cobra.Command{
		Use:   "export RULE|--all --format FORMAT [-conf Corefile]",
		Short: "Print what the sets of rules hold, for other machines and programs",
		Long: `Print what the sets of a rule, or of all, hold now, with the names that the
addresses were asked for under, as far as the state file tells. With --resolve the
rules' exact names are looked up instead, once, and nothing of a running namewall
is needed. If anything is missing, an error tells what, and nothing is printed.

Formats:
  list         addresses, one a line
  hosts        ADDRESS NAME, for /etc/hosts
  csv, json    elements, with their sets, names and lives
  nft          declarations and elements, to load with 'nft -f' elsewhere
  java-policy  a grant of SocketPermissions for the exact names and their ports

With --for FILE, nft prints the elements alone, and only of those sets that FILE
declares, so that one 'nft -f' of FILE and of this reloads the ruleset with them.`,
		Example: `  namewall export web --format csv
  namewall export --all --format nft --for /etc/nftables.conf`,
		Args: func(_ *cobra.Command, args []string) error { return e.checkArgs(args) },
	}
	conf := corefileFlag(c)
	f := c.Flags()
	f.BoolVar(&e.all, "all", false, "all rules")
	f.StringVar(&e.format, "format", "", formatNames())
	f.StringVar(&e.forFile, "for", "", "file of nft(8): only the elements of the sets that it declares")
	f.BoolVar(&e.resolve, "resolve", false, "look the exact names up instead of reading the kernel's sets")
	f.StringVar(&e.server, "server", "", "resolver to ask, ADDRESS[:PORT], instead of the system's (implies --resolve)")
	c.RunE = func(c *cobra.Command, args []string) error {
		e.warn = func(format string, args ...any) {
			fmt.Fprintf(c.ErrOrStderr(), "namewall: "+format+"\n", args...)
		}
		e.conf = *conf
		ctx, stop := signal.NotifyContext(c.Context(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		text, err := e.run(ctx, args)
		if err == nil {
			fmt.Fprint(c.OutOrStdout(), text)
		}
		return err
	}
	return c
}

func (e *exporter) checkArgs(args []string) error {
	e.resolve = e.resolve || e.server != ""
	formats := exportFormats()
	if i := slices.IndexFunc(formats, func(f exportFormat) bool { return f.name == e.format }); i >= 0 {
		e.form = &formats[i]
	}
	switch {
	case e.all && len(args) > 0:
		return usageError{fmt.Errorf("unexpected '%s': --all is every rule", args[0])}
	case !e.all && len(args) == 0:
		return usageError{errors.New("a rule is missing: name one, or write --all")}
	case len(args) > 1:
		return usageError{fmt.Errorf("unexpected '%s': name one rule, or write --all", args[1])}
	case e.format == "":
		return usageError{fmt.Errorf("--format is missing: use %s", formatNames())}
	case e.form == nil:
		return usageError{fmt.Errorf("unknown format '%s': use %s", e.format, formatNames())}
	case e.forFile != "" && e.format != "nft":
		return usageError{errors.New("--for is for --format nft")}
	case e.resolve && e.form.bare:
		return usageError{fmt.Errorf("%s needs no look-up: take --resolve away", e.format)}
	}
	return nil
}

func (e *exporter) run(ctx context.Context, args []string) (string, error) {
	_, f, err := readCorefile(e.conf)
	if err != nil {
		return "", err
	}
	e.file, e.rules = f, f.Rules
	if !e.all {
		if e.rules = only(f.Rules, args[0]); len(e.rules) == 0 {
			return "", fmt.Errorf("%s has no rule %s: it has %s", e.conf, args[0], ruleNames(f.Rules))
		}
	}
	if len(e.rules) == 0 {
		return "", fmt.Errorf("%s has no rule", e.conf)
	}
	found := new(holdings)
	switch {
	case e.form.bare:
	case e.resolve:
		found, err = e.resolved(ctx)
	default:
		found, err = e.held()
	}
	if err != nil {
		return "", err
	}
	return e.form.write(e, found)
}

func only(rules []*rule.Rule, name string) []*rule.Rule {
	return slices.DeleteFunc(slices.Clone(rules), func(r *rule.Rule) bool { return r.Name != name })
}

func ruleNames(rules []*rule.Rule) string {
	var names []string
	for _, r := range rules {
		names = append(names, r.Name)
	}
	if len(names) == 0 {
		return "none"
	}
	return list(names)
}

// title is what the text is about, for a comment.
func (e *exporter) title() string {
	of := "all rules"
	if !e.all {
		of = "rule " + e.rules[0].Name
	}
	what := "What the sets of " + of + " held"
	switch {
	case e.form.bare:
		what = "The exact names of " + of
	case e.resolve:
		what = "What the exact names of " + of + " resolved to"
	}
	return fmt.Sprintf("%s on %s, by namewall export.", what, e.now.UTC().Format("2006-01-02 15:04:05 UTC"))
}
