// Namewall is a DNS server for gateways that puts the addresses of configured
// names into nftables sets before its clients hear of them.
//
// It is CoreDNS with the nftset plugin, and commands for those who operate it:
//
//	namewall serve      run the server
//	namewall status     say whether a running one is ready, and what it holds
//	namewall why        say why an address or a name is let through, or why not
//	namewall test       try what would become of an answer
//	namewall list       list what it holds in its sets, and why
//	namewall watch      show what it does, as it does it
//	namewall top        show its busiest names, rules and clients
//	namewall mode       hold its rules to feeding, or let them enforce again
//	namewall hold       have a rule hold addresses for a time
//	namewall revoke     close what it has opened for a name or an address
//	namewall check      compare a Corefile with the kernel's sets
//	namewall nft        print the sets that a Corefile needs
//	namewall import     turn another program's sets into rules
//	namewall export     print what sets hold, for other machines and programs
//	namewall version    say what this binary is made of
//
// It exits with 0 if all is well, 1 if not, and 2 if it was called wrongly.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/namewall/namewall/plugin/nftset"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// Exit codes.
const (
	exitOK    = 0
	exitWrong = 1
	exitUsage = 2
)

// errReported ends a command that has already said what is wrong.
var errReported = errors.New("reported")

// usageError is a wrong command line.
type usageError struct{ error }

// run carries out a command line and returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	err := setOrder()
	if err == nil {
		root := rootCommand()
		root.SetOut(stdout)
		root.SetErr(stderr)
		root.SetArgs(doubleDashes(args))
		err = root.Execute()
	}
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "namewall: %v\n", err)
		return exitUsage
	case !errors.Is(err, errReported):
		fmt.Fprintf(stderr, "namewall: %v\n", err)
		if bad, ok := errors.AsType[*nftset.ListError](err); ok {
			for _, line := range bad.Lines()[1:] {
				fmt.Fprintf(stderr, "namewall: %s\n", line)
			}
		}
	}
	return exitWrong
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "namewall",
		Short:         "A resolver whose answers the firewall already knows",
		SilenceErrors: true, // run prints them
		SilenceUsage:  true,
		Version:       versionText(),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unknown command '%s': 'namewall help' lists them", args[0])}
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error {
			c.SetOut(c.ErrOrStderr())
			if err := c.Help(); err != nil {
				return err
			}
			return usageError{errors.New("a command is missing")}
		},
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		if c == root { // CoreDNS has no commands, and its users none in mind
			err = fmt.Errorf("%w: to run the server write 'namewall serve -conf Corefile'", err)
		}
		return usageError{err}
	})
	root.SetVersionTemplate("{{.Version}}")
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(
		serveCommand(),
		statusCommand(),
		whyCommand(),
		testCommand(),
		dropsCommand(),
		suggestCommand(),
		listCommand(),
		watchCommand(),
		topCommand(),
		modeCommand(),
		holdCommand(),
		revokeCommand(),
		checkCommand(),
		nftCommand(),
		importCommand(),
		exportCommand(),
		versionCommand(),
		setsCommand(),
		manCommand(),
	)
	return root
}

// noArgs refuses words that are no flags: most likely a Corefile.
func noArgs(c *cobra.Command, args []string) error {
	switch {
	case len(args) > 0 && c.Flags().Lookup("conf") != nil:
		return usageError{fmt.Errorf("unexpected '%s': write -conf %s", args[0], args[0])}
	case len(args) > 0:
		return usageError{fmt.Errorf("unexpected '%s'", args[0])}
	}
	return nil
}

// doubleDashes lets flags be written as CoreDNS has them, -conf, and as people
// know them from elsewhere, --conf. No command has short flags to combine.
func doubleDashes(args []string) []string {
	out := make([]string, len(args))
	for i, arg := range args {
		if len(arg) > 2 && arg[0] == '-' && arg[1] != '-' {
			arg = "-" + arg
		}
		out[i] = arg
	}
	return out
}

// corefileFlag adds the flag that all commands have.
func corefileFlag(c *cobra.Command) *string {
	return c.Flags().String("conf", defaultCorefile, "Corefile to read")
}

// list writes words as a sentence has them.
func list(words []string) string { return strings.Join(words, ", ") }
