package nftset

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/coredns/coredns/plugin/pkg/durations"
)

// Bounds of the durations.
const (
	day = 24 * time.Hour

	// TTLs are whole seconds. No answer is worth holding an address open for
	// longer than a month: whoever needs that wants a static element.
	lifetimeMin = time.Second
	lifetimeMax = 30 * day

	// A kernel that needs less than a millisecond needs no wait at all, and no
	// client waits for half a minute.
	waitMin = time.Millisecond
	waitMax = 30 * time.Second
)

// duration reads a duration within bounds: what CoreDNS takes (Go's syntax, or
// a bare number of seconds), and days.
func (p *parser) duration(word string, least, most time.Duration) (time.Duration, error) {
	d, ok := parseDuration(word)
	if !ok {
		return 0, p.c.Errf("'%s' is no duration: use a number with s, m, h or d, such as 90s, 30m or 7d", word)
	}
	if d < least || d > most {
		return 0, p.c.Errf("duration '%s' is out of range: use one from %s to %s", word, formatDuration(least), formatDuration(most))
	}
	return d, nil
}

func parseDuration(word string) (time.Duration, bool) {
	if number, ok := strings.CutSuffix(word, "d"); ok {
		days, err := strconv.ParseUint(number, 10, 16) // as many don't overflow
		return time.Duration(days) * day, err == nil
	}
	d, err := durations.NewDurationFromArg(word)
	return d, err == nil
}

// formatDuration writes a duration so that parseDuration reads it, and people
// do: 7d, 24h, 90s.
func formatDuration(d time.Duration) string {
	for _, u := range []struct {
		unit time.Duration
		word string
	}{{day, "d"}, {time.Hour, "h"}, {time.Minute, "m"}, {time.Second, "s"}} {
		if d >= u.unit && d%u.unit == 0 {
			return strconv.FormatInt(int64(d/u.unit), 10) + u.word
		}
	}
	return d.String()
}

// noForeign refuses what other programs take for a name, a URL or a regular
// expression, and says what to write in place of it.
func (p *parser) noForeign(word string) error {
	if len(word) > 1 && strings.HasPrefix(word, "/") && strings.HasSuffix(word, "/") {
		return p.c.Errf("'%s' is written like a regular expression, and there are none: write names, such as www.example.com, *.example.com or fe-*.example.com", word)
	}
	host, _, _ := strings.Cut(word, "/")
	if _, err := netip.ParsePrefix(word); err == nil {
		return p.c.Errf("'%s' is a prefix, and no name: what is known by its address stands in the ruleset itself, or under 'static'", word)
	}
	reference := word
	switch {
	case strings.Contains(word, "://"):
	case host != word && strings.Contains(host, "."): // without a scheme
		reference = "//" + word
	default:
		return nil
	}
	u, err := url.Parse(reference)
	if err != nil || u.Hostname() == "" {
		return p.c.Errf("'%s' is a URL: write its name alone, such as www.example.com", word)
	}
	return p.c.Errf("'%s' is a URL: write its name alone, %s", word, u.Hostname())
}

// prefix reads a prefix, or an address that stands for itself.
func (p *parser) prefix(word string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(word); err == nil {
		if addr.Zone() != "" {
			return netip.Prefix{}, p.c.Errf("'%s' has a zone: a prefix is valid on all interfaces, write %s", word, addr.WithZone(""))
		}
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(word)
	if err != nil {
		return prefix, p.c.Errf("'%s' is neither a prefix nor an address: write it like 192.0.2.0/24, 2001:db8::/32 or 192.0.2.1", word)
	}
	if masked := prefix.Masked(); masked != prefix {
		return prefix, p.c.Errf("'%s' has bits set after its length: write %s for the network, or %s for the address", word, masked, prefix.Addr())
	}
	return prefix, nil
}

// policy reads an `allow` or `pass` line into list. An address is either
// admitted or left alone: no prefix may stand in both options of a block.
func (p *parser) policy(option string, list *[]netip.Prefix, args []string) error {
	for _, word := range args {
		prefix, err := p.prefix(word)
		if err != nil {
			return err
		}
		if other, ok := p.policies[prefix]; ok && other != option {
			return p.c.Errf("%s already stands in '%s': an address is either admitted or left alone", prefix, other)
		}
		p.policies[prefix] = option
		*list = append(*list, prefix)
	}
	return nil
}
