package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/coredns/coredns/coremain"
	"github.com/spf13/cobra"
)

// version is set by the linker: -ldflags "-X main.version=1.2.3".
var version string

// build is what a binary knows about its own making.
type build struct {
	version string // "devel" if nobody said
	commit  string // empty if it wasn't built from a repository
}

func readBuild() build {
	b := build{version: version}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = new(debug.BuildInfo)
	}
	if b.version == "" {
		b.version = "devel"
	}
	modified := false
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.commit = s.Value[:min(len(s.Value), 12)]
		case "vcs.modified":
			modified = s.Value == "true"
		}
	}
	if b.commit != "" && modified {
		b.commit += "+changes"
	}
	return b
}

func versionCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "version [--json]",
		Short:   "Say what this binary is made of",
		Example: `  namewall version`,
		Args:    noArgs,
	}
	asJSON := c.Flags().Bool("json", false, "print it as JSON")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *asJSON {
			b := readBuild()
			return printJSON(c.OutOrStdout(), map[string]string{
				"namewall": b.version, "commit": b.commit, "coredns": coremain.CoreVersion,
				"go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH,
			})
		}
		_, err := fmt.Fprint(c.OutOrStdout(), versionText())
		return err
	}
	return c
}

// versionText is what the command and the flag of that name print.
func versionText() string {
	b := readBuild()
	commit := b.commit
	if commit == "" {
		commit = "unknown"
	}
	return fmt.Sprintf("namewall  %s\ncommit    %s\nCoreDNS   %s\nGo        %s %s/%s\n",
		b.version, commit, coremain.CoreVersion, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
