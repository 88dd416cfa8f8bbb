package nftset

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/internal/control"
	"github.com/namewall/namewall/internal/gate"
	"github.com/namewall/namewall/internal/rule"
)

// matching tells which rules the name falls under, server block by server block.
func (e *explanation) matching() {
	serving := e.process.serving.Load()
	if serving == nil {
		return
	}
	falls := false
	current := serving.current.Load()
	fronts := serving.answering(e.name, dns.TypeA, e.client)
	for n, h := range serving.handlers {
		block := current.blocks[n]
		if !slices.ContainsFunc(fronts, func(f *front) bool { return f.handler == h }) {
			e.elsewhere(block, fronts)
			continue
		}
		for _, m := range block.Falls(e.name, e.client) {
			falls = true
			e.involve(m.Rule.Name)
			text := fmt.Sprintf("rule %s matches it in the server block %s", m.Rule.Name, strings.Join(h.keys, " "))
			if m.Name != e.name {
				text += ", as what " + strings.TrimSuffix(m.Name, ".") + " leads to"
			}
			if len(m.Services) > 0 {
				text += ", and opens " + strings.Join(words(m.Services), " ")
			}
			e.find(control.CauseMatches, m.Rule.Name, time.Time{}, "%s", text)
		}
		for _, r := range h.rules {
			if block.Excepts(current.rules[r.Index], e.name) {
				e.find(control.CauseExcepted, r.Name, time.Time{}, "rule %s excepts it", r.Name)
			}
		}
	}
	if !falls {
		whom := ""
		if e.client.IsValid() {
			whom = " when " + e.client.String() + " asks"
		}
		e.find(control.CauseNoRule, "", time.Time{}, "no rule matches it%s", whom)
	}
}

// elsewhere tells of rules of a block that match the name, where other blocks
// answer it without them.
func (e *explanation) elsewhere(block *gate.Block, fronts []*front) {
	for _, m := range block.Falls(e.name, e.client) {
		for _, f := range fronts {
			if f.handler != nil && slices.ContainsFunc(f.handler.rules, func(r *rule.Rule) bool { return r.Name == m.Rule.Name }) {
				continue
			}
			text := fmt.Sprintf("rule %s matches it, and the server block %s answers it without that rule: import the rule there", m.Rule.Name, f)
			if !slices.ContainsFunc(e.out.Findings, func(known control.Finding) bool { return known.Text == text }) {
				e.find(control.CauseElsewhere, m.Rule.Name, time.Time{}, "%s", text)
			}
		}
	}
}

// admissible tells of rules that would refuse the address, in one line for each
// reason.
func (e *explanation) admissible() {
	serving := e.process.serving.Load()
	if serving == nil || len(e.out.Elements) > 0 {
		return
	}
	judged := make(map[rule.Verdict][]string)
	for _, r := range e.process.gate.Rules() {
		verdict := serving.current.Load().active.Judge(r, e.addr)
		judged[verdict] = append(judged[verdict], r.Name)
	}
	delete(judged, rule.Admit)
	for _, verdict := range slices.Sorted(maps.Keys(judged)) {
		names := judged[verdict]
		only, who := "", "rule "+names[0]
		if len(names) == 1 {
			only = names[0]
		} else {
			who = fmt.Sprintf("%d rules (%s)", len(names), few(names))
		}
		if verdict == rule.Pass {
			e.find(control.CauseRefusable, only, time.Time{}, "%s would let it pass without admitting it ('pass' lines)", who)
		} else {
			e.find(control.CauseRefusable, only, time.Time{}, "%s would refuse it: it is %s, and no 'allow' line has it", who, refusedAs(verdict))
		}
	}
}

// fewMax is how many of many names are written out.
const fewMax = 3

func few(names []string) string {
	text := strings.Join(names[:min(fewMax, len(names))], ", ")
	if len(names) > fewMax {
		text += ", …"
	}
	return text
}

func refusedAs(v rule.Verdict) string {
	if v == rule.RefuseOwn {
		return "the gateway's own address, or of a network connected to it"
	}
	return "a special-purpose address, which no remote service has"
}

// readiness tells of rules that have to do with the subject and can't do their
// work.
func (e *explanation) readiness() {
	for _, p := range e.process.gate.Problems() {
		if slices.Contains(e.rules, p.Rule.Name) {
			e.find(control.CauseNotReady, p.Rule.Name, time.Time{}, "%v", p)
		}
	}
}
