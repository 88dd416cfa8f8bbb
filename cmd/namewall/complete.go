package main

import (
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/namewall/namewall/internal/control"
)

const (
	// completionLimit is how long a shell waits for words from the running process.
	completionLimit = time.Second
	// completionNames bounds the elements whose names are offered.
	completionNames = 1000
)

// words are what a running namewall offers to complete a word with; none if it
// can't be asked.
type words func(c *control.Client) []string

// completion has a shell ask for words.
func (a *asking) completion(of words) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		c := a.client()
		c.Patience(completionLimit)
		return of(c), cobra.ShellCompDirectiveNoFileComp
	}
}

// completes has a flag's value completed with words.
func (a *asking) completes(c *cobra.Command, flag string, of words) {
	if err := c.RegisterFlagCompletionFunc(flag, a.completion(of)); err != nil {
		panic(err) // there is no such flag
	}
}

// fixed are words that don't depend on the process.
func fixed(all ...string) words { return func(*control.Client) []string { return all } }

func runningRules(c *control.Client) (all []string) {
	var s control.Status
	if c.Get("/status", nil, &s) == nil {
		for _, r := range s.Rules {
			all = append(all, r.Name)
		}
	}
	return all
}

func runningSets(c *control.Client) (all []string) {
	var s control.Status
	if c.Get("/status", nil, &s) == nil {
		for _, in := range s.Sets {
			all = append(all, in.Set)
		}
	}
	return all
}

// heldNames are names that elements are there for.
func heldNames(c *control.Client) (all []string) {
	var found control.Elements
	if c.Get("/elements", url.Values{"limit": {strconv.Itoa(completionNames)}}, &found) != nil {
		return nil
	}
	for i := range found.Elements {
		for _, r := range found.Elements[i].Reasons {
			if r.Name != "" {
				all = append(all, bare(r.Name))
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// firstOnly completes the first argument alone.
func firstOnly(f cobra.CompletionFunc) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return f(c, args, word)
	}
}
