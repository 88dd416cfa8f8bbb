package nftset

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coredns/caddy"
	"github.com/miekg/dns"

	"github.com/namewall/namewall/internal/control"
	"github.com/namewall/namewall/internal/gate"
	"github.com/namewall/namewall/internal/resolve"
	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

const (
	// elementsUsual and elementsMax bound what one request lists. A million
	// elements are some hundreds of megabytes of JSON, which is nobody's wish.
	elementsUsual = 1_000
	elementsMax   = 100_000
	// walksMax bounds who looks through all bindings at once: a million keep a core
	// busy for a tenth of a second, and answers need the others.
	walksMax = 1
	// listsMax bounds the lists of more than elementsUsual that are being read, each
	// of up to elementsMax: some tens of megabytes.
	listsMax = 2
)

// entries are the gate's, one request after the other. It reports false if the
// client has gone.
func (a *api) entries(ctx context.Context, f gate.Filter, most int) (found []gate.Entry, more, ok bool) {
	if !a.walks.wait(ctx) {
		return nil, false, false
	}
	defer a.walks.leave()
	found, more = a.process.gate.Entries(f, most)
	return found, more, true
}

// api answers what commands ask.
type api struct {
	process    *process
	started    time.Time
	watchers   places // of events
	rehearsals places
	walks      places // looking through all bindings
	lists      places // of more elements than usual, until they have been read
	changes    places // of elements, by hand
}

// places bound how many do something at once.
type places chan struct{}

// enter takes a place, if there is one.
func (p places) enter() bool {
	select {
	case p <- struct{}{}:
		return true
	default:
		return false
	}
}

// wait takes a place when there is one, unless the client goes.
func (p places) wait(ctx context.Context) bool {
	select {
	case p <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (p places) leave() { <-p }

// newAPI is the handler of the control socket.
func newAPI(p *process) http.Handler {
	a := &api{
		process: p, started: time.Now(), watchers: make(places, watchersMax), rehearsals: make(places, rehearsalsMax),
		walks: make(places, walksMax), lists: make(places, listsMax),
		changes: make(places, changesMax),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+control.Version+"/status", a.status)
	mux.HandleFunc("GET "+control.Version+"/elements", a.elements)
	mux.HandleFunc("GET "+control.Version+"/why", a.why)
	mux.HandleFunc("GET "+control.Version+"/drops", a.drops)
	mux.HandleFunc("GET "+control.Version+"/test", a.test)
	mux.HandleFunc("GET "+control.Version+"/top", a.top)
	mux.HandleFunc("GET "+control.Version+"/events", a.events)
	mux.HandleFunc("POST "+control.Version+"/mode", a.mode)
	mux.HandleFunc("POST "+control.Version+"/hold", a.hold)
	mux.HandleFunc("POST "+control.Version+"/revoke", a.revoke)
	mux.HandleFunc("/", control.NotFound)
	return mux
}

func (a *api) status(w http.ResponseWriter, _ *http.Request) {
	g := a.process.gate
	s := g.Stats()
	out := control.Status{
		Version: strings.TrimSpace(caddy.AppName + " " + caddy.AppVersion), Started: a.started, Ready: a.process.own.Err() == nil && a.process.resolved(),
		Held: s.Held, Queued: s.Queued, Commits: g.Commits(),
		Problems: a.process.problems(), Rules: []control.Rule{}, Sets: []control.Set{},
	}
	problems := make(map[string][]string)
	for _, p := range g.Problems() {
		out.Ready = false
		problems[p.Rule.Name] = append(problems[p.Rule.Name], fmt.Sprintf("set %s: %v", p.Set, p.Err))
	}
	braked := g.BrakedRules()
	byHand := g.HeldByHand()
	resolved := a.process.resolver.Stats()
	for _, r := range g.Rules() {
		shown := control.Rule{Name: r.Name, Mode: r.Mode.String(), Problems: problems[r.Name]}
		shown.Static = writtenOut(r)
		shown.ByHand = byHand[r.Name]
		shown.Braked = slices.Contains(braked, r)
		for _, in := range r.Sets {
			shown.Sets = append(shown.Sets, in.ID.String())
		}
		for state, n := range resolved[r.Name] {
			if n > 0 {
				if shown.Resolve == nil {
					shown.Resolve = make(map[string]int)
				}
				shown.Resolve[resolve.State(state).String()] = n
			}
		}
		out.Rules = append(out.Rules, shown)
	}
	for _, in := range s.Sets {
		shown := control.Set{Set: in.ID.String(), Ready: in.Ready, Elements: in.Used, Size: in.Size}
		if in.Known {
			shown.Type = in.Layout.String()
		}
		if h := in.LastHeal; h != nil {
			shown.Healed = &control.Heal{At: h.At, Elements: h.Elements, Took: h.Took.Seconds()}
			shown.Healed.Process, shown.Healed.PID = h.By()
		}
		out.Sets = append(out.Sets, shown)
	}
	for _, b := range append(s.Budgets(), a.process.drops.usage()...) {
		out.Budgets = append(out.Budgets, control.Budget{Name: b.Name, Used: b.Used, Limit: b.Limit})
	}
	control.Reply(w, out)
}

func (a *api) elements(w http.ResponseWriter, r *http.Request) {
	f, most, err := filterOf(r.URL.Query())
	if err != nil {
		control.Refuse(w, err)
		return
	}
	if most > elementsUsual {
		if !a.lists.enter() {
			control.TooMany(w, fmt.Errorf("%d long lists are being read already: ask again later, or for at most %d elements", listsMax, elementsUsual))
			return
		}
		defer a.lists.leave()
	}
	found, more, ok := a.entries(r.Context(), f, most)
	if !ok {
		return
	}
	slices.SortFunc(found, func(x, y gate.Entry) int {
		return cmp.Or(x.Set.Compare(y.Set), x.Client.Compare(y.Client), x.Addr.Compare(y.Addr),
			cmp.Compare(x.Service.Port, y.Service.Port), cmp.Compare(x.Service.Proto, y.Service.Proto))
	})
	out := control.Elements{Elements: []control.Element{}, More: more}
	now := time.Now()
	for i := range found {
		out.Elements = append(out.Elements, element(&found[i], now))
	}
	control.Reply(w, out)
}

// writtenOut is how many addresses and prefixes a rule writes out.
func writtenOut(r *rule.Rule) int {
	n := 0
	for _, s := range r.Statics {
		n += len(s.Prefixes)
	}
	return n
}

// filterOf reads the parameters of a request for elements.
func filterOf(q url.Values) (f gate.Filter, most int, err error) {
	most = elementsUsual
	for name, values := range q {
		value := values[0]
		switch name {
		case "set":
			words := strings.Fields(value)
			if len(words) != 3 {
				return f, 0, fmt.Errorf("'%s' is no set: write FAMILY TABLE SET, such as 'inet filter web4'", value)
			}
			f.Set, err = set.ParseID(words[0], words[1], words[2])
		case "address":
			f.Addr, err = netip.ParseAddr(value)
		case "rule":
			f.Rule = value
		case "name":
			f.Name, err = nameOf(value)
		case "limit":
			most, err = limitOf(value)
		default:
			err = fmt.Errorf("unknown parameter '%s'", name)
		}
		if err != nil {
			return f, 0, err
		}
	}
	return f, most, nil
}

// limitOf reads how much is wished at most.
func limitOf(value string) (int, error) {
	most, err := strconv.Atoi(value)
	if err != nil || most < 1 || most > elementsMax {
		return 0, fmt.Errorf("'%s' is no limit: use a number from 1 to %d", value, elementsMax)
	}
	return most, nil
}

// nameOf is a name as the gate has names: in lower case, as A-labels, and with its
// final dot. It may have characters that no pattern has: who asks can ask for any.
func nameOf(word string) (string, error) {
	p, err := rule.ParsePattern(word)
	if err == nil {
		if _, exact := p.Exact(); !exact {
			return "", fmt.Errorf("'%s' is a pattern: ask about one name", word)
		}
		return dns.Fqdn(p.String()), nil
	}
	if _, bad := netip.ParsePrefix(word); bad == nil {
		return "", fmt.Errorf("'%s' is a prefix: ask about one address", word)
	}
	var wire [256]byte // the longest name has 255 (RFC 1035 section 2.3.4)
	if _, bad := dns.PackDomainName(dns.Fqdn(word), wire[:], 0, nil, false); word == "" || bad != nil {
		return "", err
	}
	name, _, bad := dns.UnpackDomainName(wire[:], 0)
	if bad != nil {
		return "", err
	}
	return strings.ToLower(name), nil
}

// serviceOf is the service of a key as the API has it, "" if the layout has none.
func serviceOf(l set.Layout, s set.Service) string {
	switch {
	case !l.Port:
		return ""
	case !l.Proto:
		return strconv.Itoa(int(s.Port))
	}
	return s.String()
}

// element is an entry with the times of the wall clock.
func element(e *gate.Entry, now time.Time) control.Element {
	after := func(d time.Duration) *time.Time {
		if d == 0 {
			return nil
		}
		t := now.Add(d).Round(time.Millisecond)
		return &t
	}
	out := control.Element{
		Set: e.Set.String(), Address: e.Span().String(), Own: e.Own, Ending: e.Ending,
		Promised: after(e.Promised), Held: after(e.Held), Permanent: e.Permanent,
	}
	if e.Client.IsValid() {
		out.Client = e.Client.String()
	}
	out.Service = serviceOf(e.Layout, e.Service)
	if e.Traffic != nil {
		out.Packets, out.Bytes = &e.Traffic.Packets, &e.Traffic.Bytes
	}
	for _, why := range e.Reasons {
		shown := control.Reason{
			Rule: why.Rule, Origin: why.Origin.String(), Name: why.Name, Chain: why.Names(),
			First: now.Add(-why.First), Last: now.Add(-why.Last), Until: now.Add(why.Left), TTL: int(why.TTL / time.Second),
		}
		if why.Origin == rule.ByHand {
			shown.UID = &why.UID
		}
		if why.Client.IsValid() {
			shown.Client = why.Client.String()
		}
		out.Reasons = append(out.Reasons, shown)
	}
	return out
}
