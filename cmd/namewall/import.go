package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/namewall/namewall/internal/feeders"
	"github.com/namewall/namewall/internal/set"
)

// foreignProgram is one whose configuration can be imported.
type foreignProgram struct {
	name, title string
	lines       string // those that are read
	read        func(files ...string) (*feeders.Config, error)

	// For the comments.
	choice string // of several lines for a name and those above it
	life   string // for how long its elements stayed
}

var foreignPrograms = []foreignProgram{
	{
		name: "dnsmasq", title: "dnsmasq", lines: "nftset= and ipset=", read: feeders.Dnsmasq,
		choice: "the longest domain decided",
		life:   "until the set's timeout, or for ever",
	},
	{
		name: "smartdns", title: "SmartDNS", lines: "nftset, ipset and domain-rules", read: feeders.SmartDNS,
		choice: "the longest domain decided,\n#   for each family by itself",
		life:   "as nftset-timeout and ipset-timeout said",
	},
	{
		name: "adguardhome", title: "AdGuard Home", lines: "ipset and ipset_file", read: feeders.AdGuardHome,
		choice: "the longest domain decided",
		life:   "until the set's timeout, or for ever",
	},
}

func importCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "import PROGRAM FILE...",
		Short: "Turn another program's sets into rules",
		Long: `Turn the lines with which dnsmasq, SmartDNS or AdGuard Home fill sets into rules
for the Corefile, and declarations of their sets.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unknown program '%s': use %s", args[0], strings.Join(foreignNames(), ", "))}
			}
			return usageError{fmt.Errorf("a program is missing: %s", strings.Join(foreignNames(), ", "))}
		},
		RunE: func(*cobra.Command, []string) error { return nil },
	}
	for _, p := range foreignPrograms {
		c.AddCommand(p.command())
	}
	return c
}

func foreignNames() []string {
	var names []string
	for _, p := range foreignPrograms {
		names = append(names, p.name)
	}
	return names
}

// importer is one run of the command.
type importer struct {
	foreignProgram

	files      []string
	out        string
	prefix     string
	table      string
	nft, ipset string
	skip       bool
}

func (p foreignProgram) command() *cobra.Command {
	i := importer{foreignProgram: p}
	c := &cobra.Command{
		Use:   p.name + " FILE... [--out PREFIX]",
		Short: "Import from " + p.title,
		Long: fmt.Sprintf(`Turn the lines %s of %s's files, and of those that they include,
into rules for the Corefile. Comments tell which line each name is from, and what
means something else now.

Without --out the rules are printed. With it PREFIX.rules has them, to import into
a server block, and PREFIX.nft the declarations of their sets, to include in
nftables.conf. If a line can't be carried over, all such lines are reported with
the reason and nothing is written; with --skip they become comments.

The sets are new ones, so that both programs can feed side by side: their names
begin with what --prefix says.`, p.lines, p.title),
		Example: "  namewall import " + p.name + " FILE --out /etc/namewall/imported",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{fmt.Errorf("a file of %s is missing", p.title)}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			i.files = args
			return i.run(c)
		},
	}
	f := c.Flags()
	f.StringVar(&i.out, "out", "", "write PREFIX.rules and PREFIX.nft, which must not exist")
	f.StringVar(&i.prefix, "prefix", "nw_", "what the names of the new sets begin with")
	f.StringVar(&i.table, "table", "inet filter", "family and table of the sets that take the place of ipsets")
	f.StringVar(&i.nft, "nft", "", "ruleset that declares the program's own sets, to know what they hold")
	f.StringVar(&i.ipset, "ipset", "", "file with what 'ipset -t save' prints, to know what ipsets hold")
	f.BoolVar(&i.skip, "skip", false, "turn lines that can't be carried over into comments")
	return c
}

// run reads, reports, and writes: either everything or nothing.
func (i *importer) run(c *cobra.Command) error {
	family, table, ok := strings.Cut(i.table, " ")
	if _, err := set.ParseID(family, table, "x"); !ok || err != nil {
		return usageError{fmt.Errorf("--table '%s' is no family and table, such as 'inet filter'", i.table)}
	}
	config, err := i.read(i.files...)
	if err != nil {
		return err
	}
	types, err := i.types()
	if err != nil {
		return err
	}
	config.Settle(types)
	if len(config.Problems) > 0 && !i.skip {
		for _, p := range config.Problems {
			fmt.Fprintf(c.ErrOrStderr(), "namewall: %v\n", p)
		}
		fmt.Fprintf(c.ErrOrStderr(), "namewall: %s can't be carried over, and nothing was written: correct the above, or leave it out with --skip\n",
			plural(len(config.Problems), "line"))
		return errReported
	}
	rules := config.Rules()
	if len(rules) == 0 {
		return fmt.Errorf("there is nothing to import in %s: no line of %s fills a set", list(i.files), i.lines)
	}
	text, err := i.corefile(config, rules)
	if err != nil {
		return err
	}
	sets, err := i.declarations(text)
	if err != nil {
		return err
	}
	if i.out == "" {
		fmt.Fprint(c.OutOrStdout(), text)
		return nil
	}
	if err := writeNew(map[string]string{i.out + ".rules": text, i.out + ".nft": sets}); err != nil {
		return err
	}
	fmt.Fprintf(c.OutOrStdout(), "%[1]s.rules has %[2]s: write 'import %[1]s.rules' into a server block\n%[1]s.nft has the sets: write 'include \"%[1]s.nft\"' into nftables.conf\n",
		i.out, plural(len(rules), "rule"))
	if n := len(config.Problems); n > 0 {
		fmt.Fprintf(c.OutOrStdout(), "%s left out, as the comments at the end of %s.rules say\n", plural(n, "line"), i.out)
	}
	return nil
}

// types is what the flags tell about the program's own sets.
func (i *importer) types() (t feeders.Types, err error) {
	if i.nft != "" {
		sets, err := rulesetSets(i.nft)
		if err != nil {
			return t, err
		}
		t.NFT = make(map[set.ID]string, len(sets))
		for id, s := range sets {
			t.NFT[id] = s.KeyType
		}
	}
	if i.ipset != "" {
		f, err := os.Open(i.ipset)
		if err != nil {
			return t, err
		}
		defer f.Close()
		if t.IPSets, err = feeders.ReadIPSets(f); err != nil {
			return t, fmt.Errorf("%s: %w", i.ipset, err)
		}
	}
	return t, nil
}

// writeNew writes files that don't exist yet. If one can't be written, none is
// left behind.
func writeNew(files map[string]string) (err error) {
	var written []string
	defer func() {
		if err != nil {
			for _, path := range written {
				_ = os.Remove(path)
			}
		}
	}()
	for path, text := range files {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("%s is there already: remove it, or choose another --out", path)
		}
		if err != nil {
			return err
		}
		written = append(written, path)
		_, err = f.WriteString(text)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}
