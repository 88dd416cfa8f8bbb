//go:build linux

package integration

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/namewall/namewall/integration/lab"
)

// What every other test relies on: the chain drops and counts what no rule
// accepts, and lets through what one does, in both families.
func TestLabDropsAndCounts(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	l.Load(lab.Ruleset(`
	set open4 { type ipv4_addr; flags timeout; elements = { 198.51.100.1 timeout 1h }; }
	set open6 { type ipv6_addr . inet_service; flags timeout; elements = { 2001:db8:100::1 . 80 timeout 1h }; }`, `
		ip daddr @open4 accept
		ip6 daddr . tcp dport @open6 accept`))
	l.HTTP(80, nil)

	for _, url := range []string{"http://198.51.100.1/", "http://[2001:db8:100::1]/"} {
		if body, err := l.Curl(url); err != nil || !strings.Contains(body, ":80 for ") {
			t.Errorf("%s: %q, %v", url, body, err)
		}
	}
	if got := l.Drops(); got != (lab.Drops{}) {
		t.Errorf("dropped %+v of what a rule accepts", got)
	}
	for i, url := range []string{"http://198.51.100.2/", "http://[2001:db8:100::2]/"} {
		if body, err := l.CurlInVain(url); err == nil {
			t.Errorf("%s: got through the firewall: %q", url, body)
		}
		if got := l.Drops(); got.SYNs <= i || got.Packets <= i {
			t.Errorf("%s: dropped %+v, want more than %d", url, got, i)
		}
	}

	elements := l.Elements("open4")
	if len(elements) != 1 || elements[0].Key != "198.51.100.1" || elements[0].Timeout.Hours() != 1 || elements[0].Expires <= 0 {
		t.Errorf("open4 holds %+v", elements)
	}
	if keys := l.Keys("open6"); len(keys) != 1 || keys[0] != "2001:db8:100::1 . 80" {
		t.Errorf("open6 holds %q", keys)
	}
}

// A client whose first SYN is lost and whose second one gets through counts as
// one that failed.
func TestLabNoticesARepeatedSYN(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	l.Load(lab.Ruleset("", `
		tcp dport 80 limit rate 1/hour burst 1 packets counter name dropped_syn drop
		tcp dport 80 accept`))
	l.AcceptTCP(80)
	if err := l.Connect(0, netip.MustParseAddr("198.51.100.1"), 80); err == nil {
		t.Error("a lost SYN was not noticed")
	}
	if got := l.Drops(); got.SYNs != 1 {
		t.Errorf("dropped %+v", got)
	}
	if err := l.Connect(0, netip.MustParseAddr("198.51.100.1"), 80); err != nil {
		t.Error(err)
	}
}

// The two upstreams and the C library's way to them.
func TestLabResolves(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	l.Unbound("real.test. 60 IN A 198.51.100.7")
	s := l.Script()
	s.Records("scripted.test. 60 IN CNAME there.test.", "there.test. 60 IN A 198.51.100.8")

	for server, name := range map[string]string{lab.Real: "real.test", lab.Scripted: "scripted.test"} {
		out, err := l.Gateway.Run(nil, "dig", "+short", "@"+server, name, "A")
		if err != nil || !strings.Contains(out, "198.51.100.") {
			t.Errorf("dig %s: %q, %v", name, out, err)
		}
		out, err = l.Gateway.Run(l.Resolving(server), "getent", "ahostsv4", name)
		if err != nil || !strings.HasPrefix(out, "198.51.100.") {
			t.Errorf("getent %s: %q, %v", name, out, err)
		}
	}
}

// Clients notice answers that are not true and first packets that are lost, and a
// span excuses what it can have caused and nothing else.
func TestLabTrafficNotices(t *testing.T) {
	t.Parallel()
	l, s := newOpenLab(t)
	s.Bulk()
	l.Namewall(bulkCorefile(lab.NewCert(t), "")) // no rule opens anything
	traffic := chaosTraffic
	traffic.Limit = lab.KnockLimit
	before := time.Now()
	run := traffic.Start(l)
	run.More(1)
	log := run.Stop()
	if len(log.Drops) != log.Connections || len(log.Lies) != log.Checked || log.Checked == 0 {
		t.Errorf("%v", log)
	}
	whole := lab.Span{From: before, To: time.Now()}
	other := lab.Span{From: before, To: time.Now(), Only: []netip.Addr{netip.MustParseAddr("198.51.100.1")}}
	for _, test := range []struct {
		span    lab.Span
		excuses bool
	}{
		{whole, true},
		{lab.Span{From: before.Add(-time.Hour), To: before}, false},
		{lab.Span{From: time.Now(), To: time.Now().Add(time.Hour)}, false},
		{other, false},
	} {
		for _, incidents := range [][]lab.Incident{log.Drops, log.Lies} {
			left := len(lab.Spans{test.span}.Uncovered(incidents))
			if test.excuses && left > 0 || !test.excuses && left != len(incidents) {
				t.Errorf("%d incidents of %d are not excused by %+v", left, len(incidents), test.span)
			}
		}
	}
}
