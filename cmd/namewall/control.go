package main

import (
	"encoding/json"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/namewall/namewall/internal/control"
)

// asking are the flags of commands that ask a running namewall.
type asking struct {
	socket string
	json   bool
}

func askingFlags(c *cobra.Command) *asking {
	a := new(asking)
	c.Flags().StringVar(&a.socket, "socket", control.DefaultPath(), "control socket of the namewall to ask")
	c.Flags().BoolVar(&a.json, "json", false, "print the answer as JSON, as the socket has it")
	return a
}

func (a *asking) client() *control.Client { return control.NewClient(a.socket) }

// print writes an answer: as JSON if that is wished, else as text has it.
func (a *asking) print(w io.Writer, answer any, text func(io.Writer)) error {
	if !a.json {
		text(w)
		return nil
	}
	return printJSON(w, answer)
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// span is a duration as people say it.
func span(d time.Duration) string { return control.Span(d) }
