package nftset

import (
	"context"
	"strings"

	"github.com/coredns/coredns/plugin/metadata"
	"github.com/miekg/dns"

	"github.com/namewall/namewall/internal/answer"
	"github.com/namewall/namewall/internal/gate"
)

// outcome is what became of an answer under the rules; where none of them
// enforces, what would have.
type outcome uint8

const (
	whole    outcome = iota // every address left, or there was none
	trimmed                 // some addresses were taken out
	nodata                  // all were, for what they are
	servfail                // all were, because something is wrong
)

var outcomes = [...]string{"whole", "trimmed", "nodata", "servfail"}

func (o outcome) String() string { return outcomes[o] }

// decide makes the answer that leaves. Feeding rules change nothing.
func (q *work) decide(m *dns.Msg, client answer.Client) (*dns.Msg, outcome) {
	o, ede := q.verdict(client)
	switch {
	case !q.Enforced:
		return m, o
	case o == servfail:
		return answer.ServFail(m, client, ede), o
	}
	return q.Walk.Shape(m, answer.Cut{Keep: q.keep, Max: q.Max, Client: client, EDE: ede}), o
}

// verdict tells what is to become of the answer, and what the client is told
// about it (docs/architecture.md, "What the client gets").
func (q *work) verdict(client answer.Client) (outcome, *dns.EDNS0_EDE) {
	q.keep = q.keep[:0]
	lost := false
	for _, fate := range q.Fates {
		q.keep = append(q.keep, fate.Given())
		lost = lost || !fate.Given()
	}
	if !lost {
		if q.Walk.Emptied(q.keep) {
			// There were addresses, and the question doesn't lead to them.
			return q.empty(client), answer.Filtered(directive + ": addresses that the question does not lead to")
		}
		return whole, nil
	}
	cause := q.worst()
	ede := explain(cause)
	switch {
	case q.Walk.Left(q.keep):
		return trimmed, ede
	case !cause.Fate.Filtered():
		return servfail, ede
	}
	return q.empty(client), ede
}

// empty is the outcome if nothing is left that may be: a validating client
// can't be told NODATA about a name that has signed data.
func (q *work) empty(client answer.Client) outcome {
	if client.DO && q.Walk.Signed {
		return servfail
	}
	return nodata
}

// worst is the cause that decides: one that will pass by itself before one that
// asking again won't help.
func (q *work) worst() gate.Cause {
	for _, c := range q.Causes {
		if !c.Fate.Filtered() {
			return c
		}
	}
	return q.Causes[0]
}

func explain(c gate.Cause) *dns.EDNS0_EDE {
	text := directive + ": " + c.String()
	switch {
	case c.Fate.Filtered():
		return answer.Filtered(text)
	case c.Fate == gate.NotReady:
		return answer.NotReady(text)
	}
	return answer.Failed(text)
}

// describe leaves the rules and the outcome for *log*, if the Corefile has
// *metadata*: {/nftset/rules} and {/nftset/outcome}.
func describe(ctx context.Context, q *work, o outcome) {
	if metadata.ValueFuncs(ctx) == nil {
		return
	}
	rules := make([]string, len(q.Matches))
	for n, m := range q.Matches {
		rules[n] = m.Rule.Name
	}
	names := strings.Join(rules, ",")
	metadata.SetValueFunc(ctx, directive+"/rules", func() string { return names })
	metadata.SetValueFunc(ctx, directive+"/outcome", o.String)
}
