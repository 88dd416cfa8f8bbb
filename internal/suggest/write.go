package suggest

import (
	"fmt"
	"io"
	"strings"
	"time"
)

const (
	// namesShown is how many of a wildcard's names stand in its comment, and
	// unnamedShown how many addresses are listed.
	namesShown   = 5
	unnamedShown = 50
)

// Write writes the suggestion as the part of a server block that it is: a rule with
// this name, and comments. Without lines there is no rule.
func (s *Suggestion) Write(w io.Writer, rule string) error {
	p := &printer{w: w}
	if s.First == nil {
		p.comment("Nothing was dropped, as far as is known.")
		return p.err
	}
	p.comment("Made of %s between %s and %s.", s.text(), clock(*s.First), clock(*s.Last))
	if s.Covered > 0 {
		p.comment("By now rules let through %s of them.", count(s.Covered, "packet"))
	}
	s.rule(p, rule)
	s.inbound(p, rule)
	s.notes(p)
	s.addresses(p)
	return p.err
}

func (s *Suggestion) text() string {
	e := Extent{Packets: s.Packets, Clients: s.Clients}
	return e.String()
}

// rule writes the lines for who connects out.
func (s *Suggestion) rule(p *printer, name string) {
	if len(s.Lines) == 0 {
		p.comment("No name without a rule was behind it.")
		return
	}
	set := strings.ReplaceAll(name, "-", "_")
	p.comment("")
	p.comment("Read each line: whoever has a name says what it opens, and names share addresses.")
	p.comment("'namewall nft' prints the sets' declarations. These lines of the ruleset use them:")
	p.comment("")
	p.comment("    ip daddr . meta l4proto . th dport @%s4 accept", set)
	p.comment("    ip6 daddr . meta l4proto . th dport @%s6 accept", set)
	p.line("")
	p.line("nftset %s {", name)
	p.line("    set inet filter %s4 ipv4_addr . inet_proto . inet_service", set)
	p.line("    set inet filter %s6 ipv6_addr . inet_proto . inet_service", set)
	for i := range s.Lines {
		l := &s.Lines[i]
		p.line("    # %s", l.reason())
		p.line("    name %s %s", l.Pattern, strings.Join(l.Services, " "))
	}
	p.line("}")
}

// reason is what speaks for a line, and what has to be known about it.
func (l *Line) reason() string {
	text := l.String()
	if n := len(l.Names); n > 1 {
		text = fmt.Sprintf("%d names, %s: %s", n, text, strings.Join(l.Names[:min(n, namesShown)], " "))
		if n > namesShown {
			text += fmt.Sprintf(" and %d more", n-namesShown)
		}
	}
	if l.Front != "" {
		text += "; at " + l.Front + ", whose addresses many services share"
	}
	return text
}

// inbound writes what came in: in comments, as a name that somebody inside has asked
// for doesn't say who is meant to come in.
func (s *Suggestion) inbound(p *printer, name string) {
	if len(s.Inbound) == 0 {
		return
	}
	p.line("")
	p.comment("Connections from there. If one is meant to come in, it takes a rule of its own with sets of its own,")
	p.comment("as 'nftset %s-in', and 'ip saddr . meta l4proto . th dport' in the ruleset:", name)
	for i := range s.Inbound {
		l := &s.Inbound[i]
		p.comment("    resolve %s %s   # %s", l.Pattern, strings.Join(l.Services, " "), l.reason())
	}
}

// notes writes what no new rule helps.
func (s *Suggestion) notes(p *printer) {
	if len(s.Notes) == 0 {
		return
	}
	p.line("")
	p.comment("No new rule helps here:")
	for i := range s.Notes {
		n := &s.Notes[i]
		what := strings.TrimSuffix(n.Name, ".")
		if n.Rule != "" {
			what = strings.TrimSpace(what + " (rule " + n.Rule + ")")
		}
		p.comment("    %s %s, %s: %s", what, n.Service, n.String(), n.Advice)
	}
}

// addresses writes what was in no answer.
func (s *Suggestion) addresses(p *printer) {
	if len(s.Unnamed) == 0 {
		return
	}
	p.line("")
	p.comment("Never in DNS: addresses that somebody has written down, or that clients have from a resolver elsewhere")
	p.comment("(DoH). What is meant goes under 'static' in a rule whose sets have ports:")
	for i := range s.Unnamed {
		a := &s.Unnamed[i]
		if i == unnamedShown {
			p.comment("    and %d more: see 'namewall drops --cause never_asked'", len(s.Unnamed)-i)
			break
		}
		text := a.String()
		if a.Direction == "in" {
			text = "from there, " + text
		}
		if a.Guess != "" {
			text += "; " + a.Guess
		}
		p.comment("    static %s %s   # %s", a.Address, strings.Join(a.Services, " "), text)
	}
}

// String is an extent in words.
func (e *Extent) String() string {
	return count(e.Packets, "packet") + " of " + count(e.Clients, "client")
}

func count(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

func clock(t time.Time) string { return t.Local().Format("Jan _2 15:04") }

// printer writes lines until one fails.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

// comment writes a line that says nothing to the Corefile's parser.
func (p *printer) comment(format string, args ...any) {
	p.line("%s", strings.TrimRight("# "+fmt.Sprintf(format, args...), " "))
}
