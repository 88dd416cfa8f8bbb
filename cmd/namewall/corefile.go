package main

import (
	"os"

	"github.com/coredns/caddy"

	"github.com/namewall/namewall/plugin/nftset"
)

// readCorefile reads what nftset has been told.
func readCorefile(path string) (caddy.Input, *nftset.Corefile, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	input := caddy.CaddyfileInput{Filepath: path, Contents: text, ServerTypeName: "dns"}
	f, err := nftset.Load(input)
	return input, f, err
}

// validate lets all plugins read their directives, as a start of the server
// does, and starts nothing.
func validate(input caddy.Input) error {
	return caddy.ValidateAndExecuteDirectives(input, nil, true)
}
