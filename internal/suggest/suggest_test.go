package suggest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/namewall/namewall/internal/control"
)

var noon = time.Date(2026, time.November, 26, 12, 0, 0, 0, time.Local)

// dropped is a drop of so many packets.
func dropped(client, name, service, cause string, count uint64) control.Drop {
	return control.Drop{
		Direction: control.DirectionOut, Client: client, Name: name, Service: service, Cause: cause, Count: count,
		Addresses: []string{"198.51.100.7"}, From: client, First: noon, Last: noon.Add(time.Hour),
	}
}

func written(t *testing.T, s *Suggestion) string {
	t.Helper()
	var b strings.Builder
	if err := s.Write(&b, "suggested"); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Names become lines, and some a wildcard: if they stand next to one another, the same
// is wanted of them, and one owner has all that there can be.
func TestLines(t *testing.T) {
	for what, test := range map[string]struct {
		names, want string // "name service" each; the lines' patterns with services
	}{
		"one":                {"api.x.com tcp/443", "api.x.com tcp/443"},
		"two":                {"a.x.com tcp/443, b.x.com tcp/443", "a.x.com tcp/443, b.x.com tcp/443"},
		"three":              {"a.x.com tcp/443, b.x.com tcp/443, c.x.com tcp/443", "*.x.com tcp/443"},
		"other ports":        {"a.x.com tcp/443, b.x.com tcp/443, c.x.com tcp/444", "a.x.com tcp/443, b.x.com tcp/443, c.x.com tcp/444"},
		"the same two ports": {"a.x.com tcp/443, a.x.com udp/443, b.x.com udp/443, b.x.com tcp/443, c.x.com tcp/443, c.x.com udp/443", "*.x.com tcp/443 udp/443"},
		"other depths":       {"a.x.com tcp/443, b.x.com tcp/443, c.d.x.com tcp/443", "a.x.com tcp/443, b.x.com tcp/443, c.d.x.com tcp/443"},
		"numbered":           {"fe1.x.com tcp/443, fe2.x.com tcp/443, fe17.x.com tcp/443", "fe*.x.com tcp/443"},
		"after a hyphen":     {"fe-a.x.com tcp/443, fe-b.x.com tcp/443, fe-c.x.com tcp/443", "fe-*.x.com tcp/443"},
		"a common beginning": {"mail.x.com tcp/443, main.x.com tcp/443, map.x.com tcp/443", "*.x.com tcp/443"},
		"numbers alone":      {"1.x.com tcp/443, 12.x.com tcp/443, 13.x.com tcp/443", "*.x.com tcp/443"},
		"everybody's":        {"a.co.uk tcp/443, b.co.uk tcp/443, c.co.uk tcp/443", "a.co.uk tcp/443, b.co.uk tcp/443, c.co.uk tcp/443"},
		"a top-level domain": {"a.com tcp/443, b.com tcp/443, c.com tcp/443", "a.com tcp/443, b.com tcp/443, c.com tcp/443"},
		"an unknown one":     {"a.lan tcp/443, b.lan tcp/443, c.lan tcp/443", "a.lan tcp/443, b.lan tcp/443, c.lan tcp/443"},
		"a host's customers": {"a.github.io tcp/443, b.github.io tcp/443, c.github.io tcp/443", "a.github.io tcp/443, b.github.io tcp/443, c.github.io tcp/443"},
		"numbered customers": {"a-1.github.io tcp/443, a-2.github.io tcp/443, a-3.github.io tcp/443", "a-1.github.io tcp/443, a-2.github.io tcp/443, a-3.github.io tcp/443"},
		"buckets":            {"a.s3.amazonaws.com tcp/443, b.s3.amazonaws.com tcp/443, c.s3.amazonaws.com tcp/443", "a.s3.amazonaws.com tcp/443, b.s3.amazonaws.com tcp/443, c.s3.amazonaws.com tcp/443"},
		"a front":            {"a.edgekey.net tcp/443, b.edgekey.net tcp/443, c.edgekey.net tcp/443", "a.edgekey.net tcp/443, b.edgekey.net tcp/443, c.edgekey.net tcp/443"},
		"another front":      {"a.fastly.net tcp/443, b.fastly.net tcp/443, c.fastly.net tcp/443", "a.fastly.net tcp/443, b.fastly.net tcp/443, c.fastly.net tcp/443"},
		"below a front":      {"a.x.elb.amazonaws.com tcp/443, b.x.elb.amazonaws.com tcp/443, c.x.elb.amazonaws.com tcp/443", "a.x.elb.amazonaws.com tcp/443, b.x.elb.amazonaws.com tcp/443, c.x.elb.amazonaws.com tcp/443"},
	} {
		var all []control.Drop
		for pair := range strings.SplitSeq(test.names, ", ") {
			name, service, _ := strings.Cut(pair, " ")
			all = append(all, dropped("192.0.2.1", name+".", service, "no_rule", 1))
		}
		var got []string
		for _, l := range Of(all).Lines {
			got = append(got, l.Pattern+" "+strings.Join(l.Services, " "))
		}
		if strings.Join(got, ", ") != test.want && !sameIgnoringOrder(got, test.want) {
			t.Errorf("%s: got %q, want %q", what, got, test.want)
		}
	}
}

func sameIgnoringOrder(got []string, want string) bool {
	rest := strings.Split(want, ", ")
	if len(rest) != len(got) {
		return false
	}
	for _, g := range got {
		if !strings.Contains(want, g) {
			return false
		}
	}
	return true
}

// What is written says what each line would open, and what no line helps.
func TestWrite(t *testing.T) {
	front := dropped("192.0.2.1", "d111.cloudfront.net.", "tcp/443", "no_rule", 2)
	private := dropped("192.0.2.1", "inside.x.com.", "tcp/443", "special", 4)
	private.Rule, private.Addresses = "web", []string{"10.1.2.3"}
	ports := dropped("192.0.2.1", "a.ports.com.", "tcp/8443", "other_service", 3)
	ports.Rule = "ports"
	covered := dropped("192.0.2.1", "b.x.com.", "tcp/443", "no_rule", 5)
	covered.Covered = "web"
	in := dropped("192.0.2.1", "fe.vendor.com.", "tcp/443", "no_rule", 6)
	in.Direction = control.DirectionIn
	unnamed := func(address, service string) control.Drop {
		d := dropped("192.0.2.1", "", service, "never_asked", 1)
		d.Addresses = []string{address}
		return d
	}
	all := []control.Drop{
		dropped("192.0.2.1", "api.x.com.", "tcp/443", "no_rule", 12), dropped("192.0.2.2", "api.x.com.", "udp/443", "no_rule", 3),
		front, private, ports, covered, in,
		dropped("192.0.2.1", "x.com.", "icmp/8", "no_rule", 1),
		dropped("192.0.2.1", "*.com.", "tcp/443", "no_rule", 1), dropped("192.0.2.1", `a\.b\010}.com.`, "tcp/443", "no_rule", 1),
		unnamed("203.0.113.9", "tcp/443"), unnamed("203.0.113.9", "tcp/80"), unnamed("8.8.8.8", "tcp/443"), unnamed("203.0.113.10", "tcp/853"),
	}
	for n := range 7 {
		all = append(all, dropped("2001:db8::/64", fmt.Sprintf("node%d.cdn.y.com.", n), "tcp/443", "no_rule", 10))
	}
	const want = `# Made of 112 packets of 3 clients between Nov 26 12:00 and Nov 26 13:00.
# By now rules let through 5 packets of them.
#
# Read each line: whoever has a name says what it opens, and names share addresses.
# 'namewall nft' prints the sets' declarations. These lines of the ruleset use them:
#
#     ip daddr . meta l4proto . th dport @suggested4 accept
#     ip6 daddr . meta l4proto . th dport @suggested6 accept

nftset suggested {
    set inet filter suggested4 ipv4_addr . inet_proto . inet_service
    set inet filter suggested6 ipv6_addr . inet_proto . inet_service
    # 7 names, 70 packets of 1 client: node0.cdn.y.com node1.cdn.y.com node2.cdn.y.com node3.cdn.y.com node4.cdn.y.com and 2 more
    name node*.cdn.y.com tcp/443
    # 15 packets of 2 clients
    name api.x.com tcp/443 udp/443
    # 2 packets of 1 client; at Amazon CloudFront, whose addresses many services share
    name d111.cloudfront.net tcp/443
}

# Connections from there. If one is meant to come in, it takes a rule of its own with sets of its own,
# as 'nftset suggested-in', and 'ip saddr . meta l4proto . th dport' in the ruleset:
#     resolve fe.vendor.com tcp/443   # 6 packets of 1 client

# No new rule helps here:
#     inside.x.com (rule web) tcp/443, 4 packets of 1 client: rule web refuses such addresses: if it is meant, 'allow' 10.1.2.3, or 'pass' it if it doesn't cross the firewall
#     a.ports.com (rule ports) tcp/8443, 3 packets of 1 client: add tcp/8443 to its line in rule ports
#     x.com icmp/8, 1 packet of 1 client: no rule can have this service: it takes a line in the ruleset, with the name's addresses in a set without ports
#     *.com tcp/443, 1 packet of 1 client: no rule can have this name
#     a\.b\010}.com tcp/443, 1 packet of 1 client: no rule can have this name

# Never in DNS: addresses that somebody has written down, or that clients have from a resolver elsewhere
# (DoH). What is meant goes under 'static' in a rule whose sets have ports:
#     static 203.0.113.9 tcp/443 tcp/80   # 2 packets of 1 client
#     static 8.8.8.8 tcp/443   # 1 packet of 1 client; DNS over HTTPS at Google
#     static 203.0.113.10 tcp/853   # 1 packet of 1 client; a resolver elsewhere, over TLS
`
	if got := written(t, Of(all)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got, want := written(t, Of(nil)), "# Nothing was dropped, as far as is known.\n"; got != want {
		t.Errorf("of nothing: %s", got)
	}
	if got := written(t, Of([]control.Drop{unnamed("203.0.113.9", "tcp/443")})); strings.Contains(got, "nftset ") || !strings.Contains(got, "No name without a rule") {
		t.Errorf("without names:\n%s", got)
	}
	var many []control.Drop
	for n := range unnamedShown + 9 {
		many = append(many, unnamed(fmt.Sprintf("203.0.113.%d", n), "tcp/443"))
	}
	if got := written(t, Of(many)); !strings.Contains(got, "#     and 9 more: ") || strings.Count(got, "static 203") != unnamedShown {
		t.Errorf("of too many addresses:\n%s", got)
	}
}
