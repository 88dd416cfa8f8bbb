package nftset

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/internal/control"
	"github.com/namewall/namewall/internal/drops"
	"github.com/namewall/namewall/internal/gate"
	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

// liveMax is how many elements are read from the kernel for an explanation: more
// than a name has, and each is a few hundred bytes of netlink.
const liveMax = 256

// pastShown is how many endings and refusals an explanation tells of.
const pastShown = 5

// subject is what is asked about.
type subject struct {
	addr    netip.Addr  // or
	name    string      // in lower case, with its final dot
	service set.Service // zero: any
	client  netip.Addr  // invalid: anybody
}

func (a *api) why(w http.ResponseWriter, r *http.Request) {
	s, err := subjectOf(r.URL.Query())
	if err != nil {
		control.Refuse(w, err)
		return
	}
	e := explanation{api: a, subject: s, now: time.Now(), out: control.Why{
		Elements: []control.Element{}, Findings: []control.Finding{},
	}}
	e.present(r.Context())
	if s.name != "" {
		e.matching()
	} else {
		e.admissible()
	}
	e.readiness()
	e.past()
	e.dropped()
	control.Reply(w, e.out)
}

// subjectOf reads the parameters of a request for an explanation.
func subjectOf(q url.Values) (s subject, err error) {
	for name, values := range q {
		value := values[0]
		switch name {
		case "address":
			if s.addr, err = netip.ParseAddr(value); err == nil {
				s.addr = s.addr.Unmap()
			}
		case "name":
			s.name, err = nameOf(value)
		case "service":
			s.service, err = set.ParseService(value)
		case "client":
			s.client, err = clientOf(value)
		default:
			err = fmt.Errorf("unknown parameter '%s'", name)
		}
		if err != nil {
			return s, err
		}
	}
	if s.addr.IsValid() == (s.name != "") {
		return s, errors.New("ask about one address or one name")
	}
	return s, nil
}

// explanation is an answer in the making.
type explanation struct {
	*api
	subject
	now   time.Time
	out   control.Why
	rules []string // that the name falls under, or of the elements
}

func (e *explanation) find(cause, ruleName string, at time.Time, format string, args ...any) {
	f := control.Finding{Cause: cause, Rule: ruleName, Text: fmt.Sprintf(format, args...)}
	if !at.IsZero() {
		f.At = &at
	}
	e.out.Findings = append(e.out.Findings, f)
}

// involve notes that a rule has to do with it.
func (e *explanation) involve(name string) {
	if !slices.Contains(e.rules, name) {
		e.rules = append(e.rules, name)
	}
}

// present are the elements that let the subject through.
func (e *explanation) present(ctx context.Context) {
	found, _, _ := e.entries(ctx, gate.Filter{Addr: e.addr, Name: e.name}, elementsUsual)
	found = slices.DeleteFunc(found, func(entry gate.Entry) bool { return !e.concerns(&entry) })
	if err := e.process.gate.Live(found[:min(liveMax, len(found))]); err != nil {
		e.find(control.CauseNotReady, "", time.Time{}, "what the kernel holds could not be read, this is what it held: %v", err)
	}
	for i := range found {
		e.out.Elements = append(e.out.Elements, element(&found[i], e.now))
		for _, why := range found[i].Reasons {
			e.involve(why.Rule)
		}
	}
}

// concerns tells whether an element is for the service and client asked about.
func (e *explanation) concerns(entry *gate.Entry) bool {
	if e.client.IsValid() && entry.Layout.Pair && entry.Client != e.client {
		return false
	}
	return e.service.Port == 0 || !entry.Layout.Port ||
		entry.Service.Port == e.service.Port && (!entry.Layout.Proto || entry.Service.Proto == e.service.Proto)
}

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

// admissible tells of rules that would refuse the address.
func (e *explanation) admissible() {
	serving := e.process.serving.Load()
	if serving == nil || len(e.out.Elements) > 0 {
		return
	}
	for _, r := range e.process.gate.Rules() {
		switch verdict := serving.current.Load().active.Judge(r, e.addr); verdict {
		case rule.Admit:
		case rule.Pass:
			e.find(control.CauseRefusable, r.Name, time.Time{}, "rule %s lets it pass without admitting it (a 'pass' line)", r.Name)
		default:
			e.find(control.CauseRefusable, r.Name, time.Time{}, "rule %s would refuse it: it is %s, and no 'allow' line has it", r.Name, refusedAs(verdict))
		}
	}
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

// past tells what was refused and what has ended, and if nothing else is known,
// that nobody was given it.
func (e *explanation) past() {
	known := len(e.out.Elements) > 0
	for _, r := range e.process.recent.find(e.addr, e.name, pastShown) {
		known = true
		given := ""
		if r.feed {
			given = ", and given all the same (mode feed)"
		}
		e.find(r.fate.String(), r.rule, r.at, "%s, refused to %s who asked for %s: %s%s",
			r.addr, whoAsked(r.client), strings.TrimSuffix(r.name, "."), r.text, given)
	}
	for _, p := range e.process.gate.Past(gate.Filter{Addr: e.addr, Name: e.name}, pastShown) {
		if !e.concerns(&p.Entry) {
			continue
		}
		known = true
		why := p.Reasons[0]
		wanted := fmt.Sprintf("for %s (rule %s), last asked by %s", strings.TrimSuffix(why.Name, "."), why.Rule, whoAsked(why.Client))
		if why.Origin == rule.ByLine {
			wanted = fmt.Sprintf("because rule %s had it under 'static'", why.Rule)
		}
		e.find(endings[p.How], why.Rule, e.now.Add(-p.Ago), "%s in %s %s; it was there %s", keyOf(&p.Entry), p.Set, ended[p.How], wanted)
	}
	if e.told() {
		known = true
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

// whoAsked is a client in words: none asks for what is under `resolve`.
func whoAsked(client netip.Addr) string {
	if !client.IsValid() {
		return "namewall itself"
	}
	return client.String()
}

var (
	endings = [...]string{gate.Expired: control.CauseExpired, gate.Revoked: control.CauseRevoked, gate.RevokedByHand: control.CauseByHand, gate.SetLost: control.CauseSetLost}
	ended   = [...]string{gate.Expired: "has expired", gate.Revoked: "was revoked", gate.RevokedByHand: "was revoked by hand", gate.SetLost: "was lost with its set"}
)

// keyOf is an entry's key as nft has it.
func keyOf(e *gate.Entry) string {
	text := e.Span().String()
	if e.Layout.Pair {
		text = e.Client.String() + " . " + text
	}
	if e.Layout.Proto {
		text += " . " + set.ProtocolName(e.Service.Proto)
	}
	if e.Layout.Port {
		text += " . " + strconv.Itoa(int(e.Service.Port))
	}
	return text
}
