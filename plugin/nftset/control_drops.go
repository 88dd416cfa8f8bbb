package nftset

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/namewall/namewall/internal/control"
	"github.com/namewall/namewall/internal/drops"
	"github.com/namewall/namewall/internal/gate"
	"github.com/namewall/namewall/internal/set"
)

func (a *api) drops(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	f, most, err := dropsOf(r.URL.Query(), now)
	if err != nil {
		control.Refuse(w, err)
		return
	}
	out := a.process.drops.status()
	found, more := a.process.drops.table.List(f, most)
	out.More = more
	for i := range found {
		out.Drops = append(out.Drops, a.drop(&found[i]))
	}
	control.Reply(w, out)
}

// dropsOf reads the parameters of a request for drops.
func dropsOf(q url.Values, now time.Time) (f drops.Filter, most int, err error) {
	most = elementsUsual
	f.Since = now.Add(-drops.Kept)
	for name, values := range q {
		value := values[0]
		switch name {
		case "since":
			f.Since, err = sinceOf(value, now)
		case "client":
			f.Client, err = prefixOf(value)
		case "name":
			f.Name, err = nameOf(value)
		case "address":
			if f.Address, err = netip.ParseAddr(value); err == nil {
				f.Address = f.Address.Unmap()
			}
		case "cause":
			f.Cause = value
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

// sinceOf reads a duration before now, or a time.
func sinceOf(value string, now time.Time) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, value); err == nil {
		return at, nil
	}
	ago, ok := parseDuration(value)
	if !ok || ago < 0 {
		return time.Time{}, fmt.Errorf("'%s' is no time: write it like 24h, 7d or 2006-01-02T15:04:05Z", value)
	}
	return now.Add(-ago), nil
}

// prefixOf reads a prefix, or an address as one.
func prefixOf(value string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(value); err == nil {
		addr = addr.Unmap().WithZone("")
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(value)
	if err != nil {
		return p, fmt.Errorf("'%s' is neither an address nor a prefix", value)
	}
	return p.Masked(), nil
}

// drop is a drop as the control socket tells it.
func (a *api) drop(d *drops.Drop) control.Drop {
	out := control.Drop{
		Direction: direction(d.Inbound), Client: clientText(d.Client), Addresses: words(d.Addresses), Service: drops.ServiceText(d.Service),
		Name: d.Name, Rule: d.Rule, Cause: d.Cause, Text: dropText(d, "before"), Covered: a.covered(d),
		Count: d.Count, First: d.First, Last: d.Last, From: d.From.String(),
	}
	if !d.Asked.IsZero() {
		out.Asked = &d.Asked
	}
	if !d.Ended.IsZero() {
		out.Ended = &d.Ended
	}
	if d.AskedBy.IsValid() {
		out.AskedBy = d.AskedBy.String()
	}
	return out
}

func direction(inbound bool) string {
	if inbound {
		return control.DirectionIn
	}
	return control.DirectionOut
}

// clientText is a client as people write it: an address is no prefix.
func clientText(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// covered is a rule that by now opens what was dropped, "" if none does.
func (a *api) covered(d *drops.Drop) string {
	client := d.From
	if d.Inbound {
		client = netip.Addr{}
	}
	_, rule := a.process.opens(d.Name, client, d.Service)
	return rule
}

// opens tells which rule a name falls under by now, for a client or, if that is
// invalid, for anybody, and which opens a service of it.
func (p *process) opens(name string, client netip.Addr, s set.Service) (falls, opens string) {
	serving := p.serving.Load()
	if serving == nil || name == "" {
		return "", ""
	}
	for _, block := range serving.current.Load().blocks {
		for _, m := range block.Falls(name, client) {
			if falls = m.Rule.Name; len(m.Services) == 0 || slices.Contains(m.Services, s) {
				return falls, falls
			}
		}
	}
	return falls, ""
}

// dropText says what is known of a drop, in a line. Durations are up to the last
// packet, which word tells: "ago" while it is the latest news, else "before".
func dropText(d *drops.Drop, word string) string {
	if d.Cause == control.CauseNeverAsked {
		return fmt.Sprintf("never in DNS since %s: an address that somebody has written down, or DNS elsewhere (DoH)",
			d.Since.Local().Format("Jan _2 15:04"))
	}
	text := strings.TrimSuffix(d.Name, ".")
	switch {
	case text == "" && d.Rule == "":
		text = "an element of somebody else's"
	case text == "":
		text = "rule " + d.Rule
	case d.Rule != "":
		text += " (rule " + d.Rule + ")"
	}
	if !d.Asked.IsZero() {
		text += fmt.Sprintf(", asked %s %s", control.Span(d.Last.Sub(d.Asked)), word)
		if d.AskedBy.IsValid() {
			text += " by " + d.AskedBy.String()
		}
	}
	text += ", " + dropCause(d)
	if !d.Ended.IsZero() {
		text += fmt.Sprintf(" %s %s", control.Span(d.Last.Sub(d.Ended)), word)
	}
	return text
}

// dropCause is the cause of a drop in words.
func dropCause(d *drops.Drop) string {
	if d.Cause == gate.Special.String() && len(d.Addresses) > 0 && d.Addresses[0].IsPrivate() {
		return "refused as private"
	}
	if text, ok := dropCauses[d.Cause]; ok {
		return text
	}
	return "refused (" + d.Cause + ")"
}

var dropCauses = map[string]string{
	control.CauseNoRule:       "matches no rule",
	control.CauseExpired:      "expired",
	control.CauseRevoked:      "revoked",
	control.CauseByHand:       "revoked by hand",
	control.CauseSetLost:      "lost with its set",
	control.CauseInSet:        "is in the set: the ruleset drops it all the same",
	control.CauseOtherService: "the rule opens other ports",
	gate.Passed.String():      "passed on without being opened (a 'pass' line)",
	gate.Special.String():     "refused as a special-purpose address",
	gate.Own.String():         "refused as the gateway's own network's",
	gate.NoFamily.String():    "refused: no set of this address family",
	gate.Limit.String():       "refused: over the limit",
	gate.Unvalidated.String(): "refused: not validated by DNSSEC",
	gate.NotReady.String():    "refused: a set was not ready",
	gate.Full.String():        "refused: the set was full",
	gate.Budget.String():      "refused: namewall's budget was used up",
	gate.Failed.String():      "refused by the kernel",
	gate.Late.String():        "refused: not written in time",
	gate.Busy.String():        "refused: too many answers were waiting",
}
