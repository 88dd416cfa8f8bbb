//go:build linux

package lab

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"
)

// TrafficLog is what the clients of Traffic have met with.
type TrafficLog struct {
	Questions   int // that were sent
	Unheard     int // of them, when nobody listened
	Answers     int
	Checked     int // answers' addresses that were looked for in the sets
	Connections int

	Refusals []Refusal   // answers without an address
	Lies     []Incident  // answers with an address that the sets did not hold
	Drops    []Incident  // first packets that were lost, to addresses of answers
	Silent   []time.Time // when the questions were sent that had no answer to the end
	Errors   []error     // that ended a client
}

// Incident is something that went wrong about an address, and the time in which
// its cause must lie.
type Incident struct {
	From, To time.Time
	Addr     netip.Addr
	Err      error
}

// Refusal is an answer without an address.
type Refusal struct {
	From, To time.Time // first asked, and answered
	Answer   *dns.Msg
}

// Span is a time in which sets did not hold what had been promised. A span that
// a test measures is a little longer: it begins before the command that took the
// elements away, and ends when the last one has been seen to be there again.
type Span struct {
	From, To time.Time
	Only     []netip.Addr // the addresses that were missing; nil: all
}

// Spans are the times of one test.
type Spans []Span

// Cover tells whether the cause of an incident may be that the set was gone.
func (s Spans) Cover(i Incident) bool {
	for _, span := range s {
		if !i.To.Before(span.From) && !i.From.After(span.To) && (span.Only == nil || slices.Contains(span.Only, i.Addr)) {
			return true
		}
	}
	return false
}

// String is how often and how long the sets were gone.
func (s Spans) String() string {
	var all, longest time.Duration
	for _, span := range s {
		took := span.To.Sub(span.From)
		all += took
		longest = max(longest, took)
	}
	return fmt.Sprintf("gone %d times, at most for %v, %v in all", len(s),
		longest.Round(100*time.Microsecond), all.Round(100*time.Microsecond))
}

// Uncovered are the incidents that no span explains.
func (s Spans) Uncovered(all []Incident) []Incident {
	var left []Incident
	for _, i := range all {
		if !s.Cover(i) {
			left = append(left, i)
		}
	}
	return left
}

// String is the incident in a log line.
func (i Incident) String() string {
	return fmt.Sprintf("%v from %s: %v", i.Addr, i.From.Format("15:04:05.000"), i.Err)
}

// String is the log in a line.
func (l TrafficLog) String() string {
	return fmt.Sprintf("%d questions, %d answers, %d refused; %d connections, %d dropped; %d answers checked, %d untrue; "+
		"%d questions when nobody listened, %d without an answer", l.Questions, l.Answers, len(l.Refusals),
		l.Connections, len(l.Drops), l.Checked, len(l.Lies), l.Unheard, len(l.Silent))
}
