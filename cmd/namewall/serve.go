package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/coremain"
	"github.com/spf13/cobra"
)

func serveCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "serve [-conf Corefile] [flags of CoreDNS]",
		Short: "Run the server",
		Long: `Run the server: CoreDNS with the nftset plugin. Its flags are CoreDNS's;
'namewall help serve' lists them, and -conf names the Corefile.`,
		Example:            `  namewall serve -conf /etc/namewall/Corefile`,
		DisableFlagParsing: true, // they are CoreDNS's
		Run:                func(_ *cobra.Command, args []string) { serve(args) },
	}
	c.SetHelpFunc(func(c *cobra.Command, _ []string) {
		flag.CommandLine.SetOutput(c.OutOrStdout())
		serveUsage()
	})
	return c
}

// serve is CoreDNS: it returns only by the end of the process.
//
// CoreDNS reads its flags from os.Args, which here have a command in front of
// them. They are put back when it has started, as SIGUSR2 makes caddy start the
// binary anew with them.
func serve(args []string) {
	original := os.Args
	os.Args = append([]string{original[0]}, args...)
	caddy.RegisterEventHook("namewall", func(event caddy.EventName, _ any) error {
		if event == caddy.InstanceStartupEvent {
			os.Args = original
		}
		return nil
	})
	flag.Usage = serveUsage
	new(corefileLoader).install()

	b := readBuild()
	caddy.AppName, caddy.AppVersion = "namewall", b.version
	coremain.GitCommit = b.commit
	kept := floor()
	coremain.Run()
	runtime.KeepAlive(kept)
}

func serveUsage() {
	fmt.Fprintf(flag.CommandLine.Output(), "Run the server: CoreDNS with the nftset plugin.\n\nUsage:\n  namewall serve [-conf Corefile] [flags]\n\nFlags:\n")
	flag.PrintDefaults()
}
