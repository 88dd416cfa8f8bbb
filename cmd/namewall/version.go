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
	return &cobra.Command{
		Use:   "version",
		Short: "Say what this binary is made of",
		Args:  noArgs,
		Run:   func(c *cobra.Command, _ []string) { fmt.Fprint(c.OutOrStdout(), versionText()) },
	}
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
