package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/coredns/caddy"
	"github.com/coredns/caddy/caddyfile"

	"github.com/namewall/namewall/plugin/nftset"
)

// The Corefile that is read if none is named, and what CoreDNS calls standard
// input.
const (
	defaultCorefile = "Corefile"
	stdin           = "stdin"
)

// openCorefile reads a Corefile, and refuses one without a server block: CoreDNS
// would take it, and answer nobody's questions.
func openCorefile(path string) (caddy.CaddyfileInput, error) {
	input := caddy.CaddyfileInput{Filepath: path, ServerTypeName: "dns"}
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && path == defaultCorefile:
		dir, err := os.Getwd()
		if err != nil {
			dir = "the working directory"
		}
		return input, fmt.Errorf("no Corefile in %s: give its path with -conf", dir)
	case err != nil:
		return input, err
	}
	input.Contents = text
	return input, checkBlocks(input)
}

// checkBlocks fails if a Corefile has no server block. One that can't be parsed
// is left to whoever reads it next, and says where it is wrong.
func checkBlocks(input caddy.Input) error {
	blocks, err := caddyfile.Parse(input.Path(), bytes.NewReader(input.Body()), nil)
	if err == nil && len(blocks) == 0 {
		return fmt.Errorf("%s has no server block, and nothing would be served: begin one with '. {'", input.Path())
	}
	return nil
}

// corefileLoader is CoreDNS's flag -conf and what becomes of it, at the start
// and at every reload.
type corefileLoader struct{ path string }

// String and Set make it the value of a flag.
func (l *corefileLoader) String() string         { return l.path }
func (l *corefileLoader) Set(value string) error { l.path = value; return nil }

// Load reads the Corefile. On an error the server doesn't start, and one that
// runs goes on with what it has.
func (l *corefileLoader) Load(serverType string) (caddy.Input, error) {
	switch l.path {
	case "":
		return openCorefile(defaultCorefile)
	case stdin:
		input, err := caddy.CaddyfileFromPipe(os.Stdin, serverType)
		switch {
		case err != nil:
			return nil, err
		case input == nil:
			return nil, errors.New("standard input has no Corefile")
		}
		return input, checkBlocks(input)
	}
	return openCorefile(filepath.Clean(l.path))
}

// install takes the place of CoreDNS's own loaders, which let an empty Corefile
// pass, and stand in with one of their own for one that is missing. The flag
// has to be taken from them: a reload asks only the loader that served at the
// start.
func (l *corefileLoader) install() {
	flag.Lookup("conf").Value = l
	caddy.SetDefaultCaddyfileLoader("namewall", l)
}

// readCorefile reads what nftset has been told.
func readCorefile(path string) (caddy.Input, *nftset.Corefile, error) {
	input, err := openCorefile(path)
	if err != nil {
		return nil, nil, err
	}
	f, err := nftset.Load(input)
	return input, f, err
}

// validate lets all plugins read their directives, as a start of the server
// does, and starts nothing.
func validate(input caddy.Input) error {
	return caddy.ValidateAndExecuteDirectives(input, nil, true)
}
