package main

import (
	"cmp"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/namewall/namewall/internal/control"
)

// topEvery is how often the screen is drawn anew.
const topEvery = 2 * time.Second

func topCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "top [--by answers|refused|held] [--limit N] [--once] [--json]",
		Short: "Show the busiest names, rules and clients of a running namewall",
		Long: `Show which names, rules and clients had the most answers under rules in the last
five to ten minutes, how many of them lost an address, and how long they were
held for the kernel. On a terminal the screen is drawn anew until it is
interrupted; otherwise, or with --once or --json, it is printed once.`,
		Example: `  namewall top
  namewall top --by held --limit 20 --once`,
		Args: noArgs,
	}
	ask := askingFlags(c)
	by := c.Flags().String("by", "answers", "what comes first: answers, refused or held")
	limit := c.Flags().Int("limit", 0, "so many of each; else 10, or what fits on the terminal")
	ask.completes(c, "by", fixed("answers", "refused", "held"))
	once := c.Flags().Bool("once", false, "print it once")
	c.RunE = func(c *cobra.Command, _ []string) error {
		draw := func(rows int, before string) error {
			var t control.Top
			parameters := url.Values{"by": {*by}, "limit": {strconv.Itoa(cmp.Or(*limit, rows))}}
			if err := ask.client().Get("/top", parameters, &t); err != nil {
				return err
			}
			return ask.print(c.OutOrStdout(), t, func(w io.Writer) { fmt.Fprint(w, before); printTop(w, &t) })
		}
		screen, ok := c.OutOrStdout().(*os.File)
		if _, err := rowsOf(screen); *once || ask.json || !ok || err != nil {
			return draw(10, "")
		}
		ctx, stop := signal.NotifyContext(c.Context(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		ticker := time.NewTicker(topEvery)
		defer ticker.Stop()
		for {
			rows, err := rowsOf(screen)
			if err != nil {
				return err
			}
			const around = 9 // lines that are no names, rules or clients
			if err := draw(max(1, (rows-around)/3), "\x1b[H\x1b[J"); err != nil {
				return err
			}
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return nil
			}
		}
	}
	return c
}

// rowsOf is the height of a terminal; it fails if f is none.
func rowsOf(f *os.File) (int, error) {
	if f == nil {
		return 0, os.ErrInvalid
	}
	size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0, err
	}
	return cmp.Or(int(size.Row), 24), nil // a serial line says 0
}

func printTop(w io.Writer, t *control.Top) {
	fmt.Fprintf(w, "%s under rules in the last %s, %s a second; of %d something was refused\n",
		plural(int(t.Answers), "answer"), span(time.Duration(t.Seconds*float64(time.Second))), rate(t.Answers, t.Seconds), t.Refused)
	if t.Held > 0 {
		fmt.Fprintf(w, "%d waited for the kernel, %s on average, the longest %s\n", t.Held, brief(t.HeldSeconds/float64(t.Held)), brief(t.LongestHeld))
	} else {
		fmt.Fprintln(w, "none waited for the kernel")
	}
	for _, table := range []struct {
		title string
		rows  []control.Busy
	}{{"NAME", t.Names}, {"RULE", t.Rules}, {"CLIENT", t.Clients}} {
		if len(table.rows) == 0 {
			continue
		}
		rows := [][]string{{"ANSWERS", "/S", "REFUSED", "HELD", "LONGEST", table.title}}
		for i := range table.rows {
			b := &table.rows[i]
			rows = append(rows, []string{
				strconv.FormatUint(b.Answers, 10), rate(b.Answers, t.Seconds), strconv.FormatUint(b.Refused, 10),
				brief(b.Held), brief(b.Longest), bare(b.Name),
			})
		}
		printTable(w, rows)
	}
}

// rate is how many come a second.
func rate(n uint64, seconds float64) string {
	return strconv.FormatFloat(float64(n)/max(1, seconds), 'f', 1, 64)
}

// brief is a time in seconds, as short as it can be compared.
func brief(seconds float64) string {
	switch {
	case seconds == 0:
		return "-"
	case seconds < 0.001:
		return fmt.Sprintf("%.0fµs", seconds*1e6)
	case seconds < 1:
		return fmt.Sprintf("%.1fms", seconds*1e3)
	}
	return fmt.Sprintf("%.1fs", seconds)
}
