package nftset

import (
	"cmp"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/namewall/namewall/internal/busiest"
	"github.com/namewall/namewall/internal/control"
)

// topUsual is how many of each kind are told of.
const topUsual = 10

// top tells which names, rules and clients had the most answers of late.
func (a *api) top(w http.ResponseWriter, r *http.Request) {
	most, order, err := topOf(r.URL.Query())
	if err != nil {
		control.Refuse(w, err)
		return
	}
	control.Reply(w, a.process.busy.top(a.process.gate.Clock(), most, order))
}

// topOf reads the parameters of a request.
func topOf(q url.Values) (most int, order func(a, b *control.Busy) int, err error) {
	most, order = topUsual, topOrders["answers"]
	for name, values := range q {
		value := values[0]
		switch name {
		case "limit":
			if most, err = strconv.Atoi(value); err != nil || most < 1 || most > busyCounters {
				err = fmt.Errorf("'%s' is no limit: use a number from 1 to %d", value, busyCounters)
			}
		case "by":
			if order = topOrders[value]; order == nil {
				err = fmt.Errorf("'%s' is nothing to sort by: use answers, refused or held", value)
			}
		default:
			err = fmt.Errorf("unknown parameter '%s'", name)
		}
		if err != nil {
			return 0, nil, err
		}
	}
	return most, order, nil
}

// topOrders have the busiest first.
var topOrders = map[string]func(a, b *control.Busy) int{
	"answers": func(a, b *control.Busy) int { return cmp.Compare(b.Answers, a.Answers) },
	"refused": func(a, b *control.Busy) int { return cmp.Compare(b.Refused, a.Refused) },
	"held":    func(a, b *control.Busy) int { return cmp.Compare(b.Held, a.Held) },
}

// top lists the busiest, in order.
func (b *busy) top(now time.Duration, most int, order func(a, b *control.Busy) int) control.Top {
	out := control.Top{NotCounted: b.missed.Load()}
	b.mu.Lock()
	defer b.mu.Unlock()
	began := b.window(now).began
	for i := range b.windows {
		w := &b.windows[i]
		began = min(began, w.began)
		out.Answers += w.total.Times
		out.Refused += w.total.Marked
		out.Held += w.waited
		out.HeldSeconds += w.total.Held.Seconds()
		out.LongestHeld = max(out.LongestHeld, w.total.Longest.Seconds())
	}
	out.Since, out.Seconds = time.Now().Add(began-now), (now - began).Seconds()
	one, two := &b.windows[0], &b.windows[1]
	asIs := func(name string) string { return name }
	out.Names = ranked(both(one.names, two.names), asIs, most, order)
	out.Rules = ranked(both(one.rules, two.rules), asIs, most, order)
	out.Clients = ranked(both(one.clients, two.clients), netip.Addr.String, most, order)
	return out
}

func ranked[K comparable](counts map[K]busiest.Count, name func(K) string, most int, order func(a, b *control.Busy) int) []control.Busy {
	all := []control.Busy{}
	for key, c := range counts {
		all = append(all, control.Busy{
			Name: name(key), Answers: c.Times, Over: c.Over, Refused: c.Marked,
			Held: c.Held.Seconds(), Longest: c.Longest.Seconds(),
		})
	}
	slices.SortFunc(all, func(a, b control.Busy) int { return cmp.Or(order(&a, &b), cmp.Compare(a.Name, b.Name)) })
	return all[:min(most, len(all))]
}
