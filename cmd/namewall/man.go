package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manSection is the manual's section for what administrators run.
const manSection = "8"

// manCommand is for who packages namewall.
func manCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "man DIRECTORY",
		Short:   "Write a manual page for each command into a directory",
		Long:    "Write a manual page for each command into a directory, which is made if it is missing.",
		Example: "  namewall man /usr/local/share/man/man8",
		Hidden:  true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{fmt.Errorf("write 'namewall man DIRECTORY'")}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			root := c.Root()
			root.DisableAutoGenTag = true // pages of one commit are the same
			return doc.GenManTree(root, &doc.GenManHeader{
				Section: manSection, Source: "namewall " + readBuild().version, Manual: "namewall", Date: madeAt(),
			}, args[0])
		},
	}
}

// madeAt is when the binary's source was committed, nil if that isn't known. The
// variable SOURCE_DATE_EPOCH counts then, or else the clock.
func madeAt() *time.Time {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil
	}
	for _, s := range info.Settings {
		if s.Key != "vcs.time" {
			continue
		}
		if at, err := time.Parse(time.RFC3339, s.Value); err == nil {
			return &at
		}
	}
	return nil
}
