package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/namewall/namewall/internal/control"
)

func statusCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "status [--quiet] [--json]",
		Short: "Say whether a running namewall is ready, and what it holds",
		Long: `Say whether a running namewall is ready: every set of every rule can be fed. The
exit code is 0 if it is, and 1 if it isn't or doesn't answer, for keepalived and
monitoring.`,
		Example: `  namewall status
  namewall status --quiet || logger 'namewall is not ready'`,
		Args: noArgs,
	}
	ask := askingFlags(c)
	quiet := c.Flags().Bool("quiet", false, "print nothing if all is well")
	c.RunE = func(c *cobra.Command, _ []string) error {
		var s control.Status
		if err := ask.client().Get("/status", nil, &s); err != nil {
			return err
		}
		if !*quiet || !s.Ready {
			if err := ask.print(c.OutOrStdout(), s, func(w io.Writer) { printStatus(w, &s, time.Now()) }); err != nil {
				return err
			}
		}
		if !s.Ready {
			return errReported
		}
		return nil
	}
	return c
}

func printStatus(w io.Writer, s *control.Status, now time.Time) {
	ready := "ready"
	if !s.Ready {
		ready = "NOT READY"
	}
	fmt.Fprintf(w, "%s, up %s: %s\n", s.Version, span(now.Sub(s.Started)), ready)
	for _, p := range s.Problems {
		fmt.Fprintf(w, "problem: %s\n", p)
	}
	if len(s.Rules) > 0 {
		rows := [][]string{{"RULE", "MODE", "STATE"}}
		for _, r := range s.Rules {
			mode := r.Mode
			if r.Braked {
				mode = "feed, by hand"
			}
			rows = append(rows, []string{r.Name, mode, orReady(r.Problems) + staticState(r.Static) + handState(r.ByHand) + resolveState(r.Resolve)})
			for _, p := range r.Problems[min(1, len(r.Problems)):] {
				rows = append(rows, []string{"", "", p})
			}
		}
		printTable(w, rows)
	}
	if len(s.Sets) > 0 {
		rows := [][]string{{"SET", "TYPE", "ELEMENTS", "STATE"}}
		for i := range s.Sets {
			in := &s.Sets[i]
			elements := strconv.Itoa(in.Elements)
			if in.Size > 0 {
				elements += fmt.Sprintf("/%d", in.Size)
			}
			rows = append(rows, []string{in.Set, in.Type, elements, setState(in, now)})
		}
		printTable(w, rows)
	}
	rows := [][]string{{"BUDGET", "USED", "LIMIT"}}
	for _, b := range s.Budgets {
		if b.Used > 0 {
			rows = append(rows, []string{b.Name, strconv.Itoa(b.Used), strconv.Itoa(b.Limit)})
		}
	}
	if len(rows) > 1 {
		printTable(w, rows)
	}
}

// orReady is the first problem, or that there is none.
func orReady(problems []string) string {
	if len(problems) == 0 {
		return "ready"
	}
	return problems[0]
}

// staticState tells how much is written out.
func staticState(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(", %d static", n)
}

// handState tells how much is held by hand.
func handState(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(", %d held by hand", n)
}

// resolveState tells how it stands with the names under `resolve`.
func resolveState(names map[string]int) string {
	var text strings.Builder
	for _, state := range slices.Sorted(maps.Keys(names)) {
		fmt.Fprintf(&text, ", %s %s", plural(names[state], "name"), state)
	}
	return text.String()
}

func setState(s *control.Set, now time.Time) string {
	state := "ready"
	if !s.Ready {
		state = "NOT READY"
	}
	if h := s.Healed; h != nil {
		state += fmt.Sprintf(", %d put back %s ago, after %s", h.Elements, span(now.Sub(h.At)), brief(max(h.Took, 1e-6)))
		if h.Process != "" {
			state += fmt.Sprintf(" (%s, pid %d)", plain(h.Process), h.PID)
		}
	}
	return state
}

func printTable(w io.Writer, rows [][]string) {
	fmt.Fprintln(w)
	table(w, "", rows)
}
