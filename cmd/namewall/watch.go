package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/namewall/namewall/internal/control"
	"github.com/namewall/namewall/internal/rule"
)

// watchRate is how many events of a kind are shown in a second: more than anybody
// can read. To print ten thousand costs the gateway a part of a processor.
const watchRate = 100

func watchCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "watch [--rule NAME] [--kind KIND] [--json]",
		Short: "Show what a running namewall does, as it does it",
		Long: `Show what a running namewall admits, extends, refuses, revokes and puts back, and
which answers it holds for long, and what the firewall drops, if the Corefile has
'drops', a line each, until it is interrupted. It may be
left running on a busy gateway: of each kind 100 a second are shown, unless it is
told to choose or prints JSON. What is left out is counted, and nothing waits for it.`,
		Example: `  namewall watch
  namewall watch --kind refused --rule web --json`,
		Args: noArgs,
	}
	ask := askingFlags(c)
	rule := c.Flags().String("rule", "", "only of this rule")
	kinds := []string{
		control.EventAdmitted, control.EventExtended, control.EventRefused, control.EventRevoked,
		control.EventHealed, control.EventHeld, control.EventDropped, control.EventByHand,
	}
	kind := c.Flags().String("kind", "", "only of this kind: "+list(kinds))
	ask.completes(c, "rule", runningRules)
	ask.completes(c, "kind", fixed(kinds...))
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *kind != "" && !slices.Contains(kinds, *kind) {
			return usageError{fmt.Errorf("there are no events of kind '%s': use %s", *kind, list(kinds))}
		}
		ctx, stop := signal.NotifyContext(c.Context(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		path := "/events"
		if *rule == "" && *kind == "" && !ask.json {
			path += "?rate=" + strconv.Itoa(watchRate)
		}
		err := ask.client().Stream(ctx, path, func(line []byte) error {
			var e control.Event
			if err := json.Unmarshal(line, &e); err != nil {
				return fmt.Errorf("the event can't be read: %w", err)
			}
			if *rule != "" && e.Rule != *rule || *kind != "" && e.Kind != *kind {
				return nil
			}
			return show(c.OutOrStdout(), &e, line, ask.json)
		})
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			return errors.New("namewall has ended")
		}
		return err
	}
	return c
}

// show prints an event as text, or as the line that it came in.
func show(w io.Writer, e *control.Event, line []byte, asJSON bool) error {
	if asJSON {
		_, err := fmt.Fprintf(w, "%s\n", line)
		return err
	}
	_, err := fmt.Fprintf(w, "%s  %-8s  %s\n", e.At.Local().Format(time.TimeOnly), e.Kind, eventText(e))
	return err
}

// eventText is what an event says, in a line.
func eventText(e *control.Event) string {
	name := strings.TrimSuffix(e.Name, ".")
	if e.Origin == rule.ByLine.String() {
		name = "static"
	}
	if e.Origin == rule.ByHand.String() {
		name = "by hand"
	}
	switch e.Kind {
	case control.EventAdmitted, control.EventExtended:
		text := fmt.Sprintf("%s (rule %s): %s in %s", name, e.Rule, addressed(e), e.Set)
		if e.Until != nil {
			text += " for " + span(e.Until.Sub(e.At))
		}
		return text + asked(e) + whoseHand(e)
	case control.EventRevoked:
		return fmt.Sprintf("%s (rule %s): %s in %s", name, e.Rule, addressed(e), e.Set) + byHand(e)
	case control.EventRefused:
		text := fmt.Sprintf("%s: %s: %s", name, e.Address, e.Text)
		if e.Feed {
			text += ", and given all the same"
		}
		return text + asked(e)
	case control.EventHealed:
		text := fmt.Sprintf("%s: %s put back", e.Set, plural(e.Count, "element"))
		if e.Took > 0 {
			text += " after " + brief(e.Took)
		}
		if e.Process != "" {
			text += fmt.Sprintf(", last changed by %s (pid %d)", plain(e.Process), e.PID)
		}
		return text
	case control.EventHeld:
		return fmt.Sprintf("%s: the answer for %s waited for %.2f s", name, e.Client, e.Held)
	case control.EventDropped:
		ends := []string{e.Client, e.Address}
		if e.Direction == control.DirectionIn {
			slices.Reverse(ends)
		}
		return fmt.Sprintf("%s → %s %s: %s", ends[0], ends[1], e.Service, e.Text)
	case control.EventByHand:
		return e.Text + whoseHand(e)
	case control.EventLost:
		return plural(e.Count, "event") + " came too fast to be shown"
	}
	return ""
}

func addressed(e *control.Event) string {
	if e.Service != "" {
		return e.Address + " . " + e.Service
	}
	return e.Address
}

// byHand tells that it was done by an administrator.
func byHand(e *control.Event) string {
	if e.UID == nil {
		return ""
	}
	return ", by hand" + whoseHand(e)
}

func whoseHand(e *control.Event) string {
	if e.UID == nil {
		return ""
	}
	return fmt.Sprintf(" (uid %d)", *e.UID)
}

func asked(e *control.Event) string {
	if e.Client == "" {
		return ""
	}
	return ", asked by " + e.Client
}
