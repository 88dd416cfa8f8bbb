package nftset

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/internal/answer"
	"github.com/namewall/namewall/internal/control"
	"github.com/namewall/namewall/internal/gate"
	"github.com/namewall/namewall/internal/rule"
)

const (
	// rehearsalMax is how long the plugins below may take for a rehearsal.
	rehearsalMax = 10 * time.Second
	// rehearsalsMax is how many may be under way: each asks the upstream for real.
	rehearsalsMax = 4
)

// test tells what would become of an answer, and touches nothing.
func (a *api) test(w http.ResponseWriter, r *http.Request) {
	t, err := rehearsalOf(r.URL.Query())
	if err != nil {
		control.Refuse(w, err)
		return
	}
	if !a.rehearsals.wait(r.Context()) {
		return
	}
	defer a.rehearsals.leave()
	ctx, cancel := context.WithTimeout(r.Context(), rehearsalMax)
	defer cancel()
	out := control.Test{
		Name: t.name, Type: dns.TypeToString[t.qtype], Client: t.client.String(), Blocks: []control.Tested{},
	}
	if serving := a.process.serving.Load(); serving != nil {
		t.braked = a.process.gate.BrakedRules()
		for _, f := range serving.answering(t.name, t.qtype, t.client) {
			out.Blocks = append(out.Blocks, t.at(ctx, serving.current.Load(), f))
		}
	}
	control.Reply(w, out)
}

// rehearsal is the question of a dry run.
type rehearsal struct {
	name   string
	qtype  uint16
	client netip.Addr
	braked []*rule.Rule
}

// rehearsalOf reads the parameters of a request for a test.
func rehearsalOf(q url.Values) (t rehearsal, err error) {
	t.qtype = dns.TypeA
	for name, values := range q {
		value := values[0]
		switch name {
		case "name":
			t.name, err = nameOf(value)
		case "type":
			known := false
			if t.qtype, known = dns.StringToType[strings.ToUpper(value)]; !known {
				err = fmt.Errorf("'%s' is no type of record: use A, AAAA or HTTPS", value)
			}
		case "client":
			t.client, err = clientOf(value)
		default:
			err = fmt.Errorf("unknown parameter '%s'", name)
		}
		if err != nil {
			return t, err
		}
	}
	if t.name == "" {
		return t, fmt.Errorf("a name is missing")
	}
	if !carriesAddresses(ownQuestion(t.name, t.qtype)) {
		return t, fmt.Errorf("rules have nothing to do with questions for %s", dns.TypeToString[t.qtype])
	}
	if !t.client.IsValid() { // as the gateway's own questions
		t.client = addrOf(newOwnWriter("udp", t.qtype, t.client).RemoteAddr())
	}
	return t, nil
}

// clientOf reads the address of a client.
func clientOf(word string) (netip.Addr, error) {
	addr, err := netip.ParseAddr(word)
	if err != nil {
		return addr, fmt.Errorf("'%s' is no address of a client", word)
	}
	return addr.Unmap().WithZone(""), nil
}

// at takes the question the way of Handler.ServeDNS.
func (t *rehearsal) at(ctx context.Context, current *generation, f *front) (out control.Tested) {
	out = control.Tested{Server: f.String(), View: f.View, Rules: []control.TestedRule{}}
	h := f.handler
	if h == nil {
		out.Outcome = control.OutcomeNoRules
		return out
	}
	block := h.block.Load()
	q := &work{Question: gate.Question{Name: t.name, Client: t.client, Rehearsal: new(gate.Rehearsal)}}
	concerned := block.Concerns(&q.Question)
	defer func() { out.Rules = t.rules(current, h, block, q) }()
	if !concerned {
		out.Outcome = control.OutcomeNoMatch
		return out
	}
	asker, err := newAsker(h)
	var m *dns.Msg
	if err == nil {
		m, err = asker.ask(ctx, t.name, t.qtype, t.client)
	}
	if err != nil {
		out.Outcome, out.Error = control.OutcomeNoAnswer, err.Error()
		return out
	}
	out.Rcode = rcode(m)
	asked := ownQuestion(t.name, t.qtype)
	q.read(block, m, t.qtype, block.WantsValidated(&q.Question) && validated(asked, m))
	if len(q.Walk.Names) > 1 {
		out.Chain = slices.Clone(q.Walk.Names)
	}
	given := m
	if out.Outcome = control.OutcomeUntouched; len(q.Matches) > 0 {
		var o outcome
		given, o = q.admit(ctx, block, m, answer.ClientOf(asked))
		out.Outcome, out.Feed = o.String(), !q.Enforced
		out.Addresses = t.addresses(q)
	}
	out.Gets = gets(given)
	return out
}

// rules tells what the block's rules have to do with the question.
func (t *rehearsal) rules(current *generation, h *Handler, block *gate.Block, q *work) []control.TestedRule {
	all := []control.TestedRule{}
	note := func(m *gate.Match) {
		r := control.TestedRule{Rule: m.Rule.Name, Feed: t.feeds(m.Rule), Services: words(m.Services)}
		if m.Name != t.name {
			r.As = m.Name
		}
		all = append(all, r)
	}
	for i := range q.Matches {
		note(&q.Matches[i])
	}
	has := func(r *rule.Rule) bool {
		return slices.ContainsFunc(all, func(known control.TestedRule) bool { return known.Rule == r.Name })
	}
	for _, m := range block.Falls(t.name, netip.Addr{}) {
		if !has(m.Rule) {
			note(&m)
			all[len(all)-1].Others = true
		}
	}
	for _, r := range h.rules {
		if block.Excepts(current.rules[r.Index], t.name) {
			all = append(all, control.TestedRule{Rule: r.Name, Feed: t.feeds(r), Excepts: true})
		}
	}
	return all
}

// feeds tells whether a rule is a mere feeder, by the Corefile or by hand.
func (t *rehearsal) feeds(r *rule.Rule) bool {
	return r.Mode == rule.Feed || slices.ContainsFunc(t.braked, func(b *rule.Rule) bool { return b.Name == r.Name })
}

// addresses tells what each rule makes of each address.
func (t *rehearsal) addresses(q *work) []control.TestedAddress {
	all := []control.TestedAddress{}
	for i, a := range q.Walk.Addrs {
		one := control.TestedAddress{
			Address: a.Addr.String(), TTL: int(a.TTL / time.Second), Fate: q.Fates[i].String(), Steps: []control.Step{},
		}
		for _, s := range q.Rehearsal.Steps {
			if s.Addr == a.Addr {
				one.Steps = append(one.Steps, step(&s))
			}
		}
		all = append(all, one)
	}
	return all
}

func step(s *gate.Step) control.Step {
	out := control.Step{
		Rule: s.Rule.Name, Fate: s.Fate.String(), NoSay: !s.Counts, Permanent: s.Permanent,
		Written: int(s.Written / time.Second), Held: int(s.Held / time.Second),
	}
	if !s.Fate.Given() {
		out.Text = s.String()
	}
	if s.Set.Name == "" {
		return out
	}
	out.Set, out.Service = s.Set.String(), serviceOf(s.Layout, s.Service)
	if s.Layout.Pair && s.Client.IsValid() {
		out.Client = s.Client.String()
	}
	return out
}

// gets is a message as a client gets it.
func gets(m *dns.Msg) *control.Gets {
	out := &control.Gets{Rcode: rcode(m), Records: []string{}}
	for _, rr := range m.Answer {
		out.Records = append(out.Records, strings.ReplaceAll(rr.String(), "\t", " "))
	}
	if opt := m.IsEdns0(); opt != nil {
		for _, o := range opt.Option {
			if ede, ok := o.(*dns.EDNS0_EDE); ok {
				out.EDE = &control.EDE{Code: int(ede.InfoCode), Name: dns.ExtendedErrorCodeToString[ede.InfoCode], Text: ede.ExtraText}
			}
		}
	}
	return out
}

func rcode(m *dns.Msg) string {
	return cmp.Or(dns.RcodeToString[m.Rcode], fmt.Sprintf("RCODE%d", m.Rcode))
}
