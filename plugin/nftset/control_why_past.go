package nftset

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/namewall/namewall/internal/control"
	"github.com/namewall/namewall/internal/drops"
	"github.com/namewall/namewall/internal/gate"
	"github.com/namewall/namewall/internal/rule"
)

// past tells what was refused and what has ended, and if nothing else is known,
// that nobody was given it.
func (e *explanation) past() {
	known := len(e.out.Elements) > 0 || slices.ContainsFunc(e.out.Findings, func(f control.Finding) bool {
		return f.Cause == control.CauseOtherService || f.Cause == control.CauseOtherClient
	})
	for _, r := range e.process.recent.find(e.addr, e.name, pastShown) {
		known = true
		given := ""
		if r.feed {
			given = ", and given all the same (mode feed)"
		}
		e.find(r.fate.String(), r.rule, r.at, "%s, refused to %s who asked for %s: %s%s",
			r.addr, whoAsked(r.client), strings.TrimSuffix(r.name, "."), r.text, given)
	}
	if f := e.filter(); !known {
		f.Where = nil
		known = len(e.process.gate.Past(f, 1)) > 0
	}
	for _, p := range e.process.gate.Past(e.filter(), pastShown) {
		why := p.Reasons[0]
		wanted := fmt.Sprintf("for %s (rule %s), last asked by %s", strings.TrimSuffix(why.Name, "."), why.Rule, whoAsked(why.Client))
		if why.Origin == rule.ByLine {
			wanted = fmt.Sprintf("because rule %s had it under 'static'", why.Rule)
		}
		if why.Origin == rule.ByHand {
			wanted = fmt.Sprintf("by hand of uid %d (rule %s)", why.UID, why.Rule)
		}
		e.find(endings[p.How], why.Rule, e.now.Add(-p.Ago), "%s in %s %s; it was there %s", keyOf(&p.Entry), p.Set, ended[p.How], wanted)
	}
	if e.told() {
		known = true
	}
	if !known && e.crowded(e.name) {
		known = true
		e.find(control.CauseCrowded, "", time.Time{}, "%s", crowdedText)
	}
	if !known {
		of := ""
		if e.addr.IsValid() && e.process.drops.inbox.Load() == nil {
			of = "; what was given for names without a rule is remembered only with 'drops'"
		}
		e.find(control.CauseNeverAsked, "", time.Time{},
			"no answer has given it to anybody since %s, as far as is remembered%s", e.started.Format(time.RFC3339), of)
	}
}

// toldShown is how many names an explanation tells of that an address was given
// for.
const toldShown = 10

// told tells for which names an address was given last, whether a rule is about
// them or not. That is noted only while there is `drops`: whoever has not asked for
// it pays nothing for each answer.
func (e *explanation) told() (known bool) {
	in := e.process.drops.inbox.Load()
	if in == nil || !e.addr.IsValid() {
		return false
	}
	for _, t := range in.Names(e.addr, toldShown) {
		known = true
		rule := "no rule matches it"
		switch {
		case t.Rule == "":
		case t.Fate.Given():
			rule = "rule " + t.Rule
		default:
			rule = "rule " + t.Rule + ": " + t.Fate.String()
		}
		e.find(control.CauseTold, t.Rule, t.At, "told to %s, who asked for %s: %s", whoAsked(t.Client), strings.TrimSuffix(t.Name, "."), rule)
	}
	return known
}

// dropsShown is how many drops an explanation tells of.
const dropsShown = 5

// dropped tells what the firewall has dropped of it.
func (e *explanation) dropped() {
	f := drops.Filter{Since: e.now.Add(-drops.Kept), Name: e.name, Address: e.addr}
	if e.client.IsValid() {
		f.Client = netip.PrefixFrom(e.client, e.client.BitLen())
	}
	found, _ := e.process.drops.table.List(f, dropsShown)
	for i := range found {
		d := &found[i]
		if e.service.Port != 0 && d.Service != e.service {
			continue
		}
		ends := []string{d.From.String(), d.Addresses[0].String()}
		if d.Inbound {
			slices.Reverse(ends)
		}
		times := "once"
		if d.Count > 1 {
			times = fmt.Sprintf("%d times", d.Count)
		}
		e.find(control.CauseDropped, d.Rule, d.Last, "the firewall dropped %s → %s %s, %s so far: %s",
			ends[0], ends[1], drops.ServiceText(d.Service), times, dropText(d, "before"))
	}
}

var (
	endings = [...]string{gate.Expired: control.CauseExpired, gate.Revoked: control.CauseRevoked, gate.RevokedByHand: control.CauseByHand, gate.SetLost: control.CauseSetLost}
	ended   = [...]string{gate.Expired: "has expired", gate.Revoked: "was revoked", gate.RevokedByHand: "was revoked by hand", gate.SetLost: "was lost with its set"}
)
