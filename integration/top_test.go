//go:build linux

package integration

import (
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/integration/lab"
	"github.com/namewall/namewall/internal/control"
)

// `namewall top` has the busiest first, with what was held and refused, and says
// nothing of names without a rule.
func TestTop(t *testing.T) {
	t.Parallel()
	l, s := newOpenLab(t)
	s.Records("a.open.test. 60 IN A 198.51.100.1", "b.open.test. 60 IN A 198.51.100.2", "inside.open.test. 60 IN A 10.1.2.3", "a.other.test. 60 IN A 198.51.100.4")
	n := l.Namewall(". {" + lab.Node + openRule + "\nforward . " + lab.Scripted + "\n}")
	if out := tells(t, n, 0, "top"); out != "0 answers under rules in the last 0s, 0.0 a second; of 0 something was refused\nnone waited for the kernel\n" {
		t.Errorf("before the first:\n%s", out)
	}
	for range 3 {
		ask(l, "a.open.test.", dns.TypeA)
	}
	for range 2 {
		ask(l, "inside.open.test.", dns.TypeA)
	}
	ask(l, "b.open.test.", dns.TypeA)
	ask(l, "a.other.test.", dns.TypeA)

	var top control.Top
	decoded(t, tells(t, n, 0, "top", "--json"), &top)
	if top.Answers != 6 || top.Refused != 2 || top.Held != 2 || len(top.Names) != 3 || len(top.Rules) != 1 || len(top.Clients) != 1 {
		t.Fatalf("%+v", top)
	}
	if a := top.Names[0]; a.Name != "a.open.test." || a.Answers != 3 || a.Refused != 0 || a.Held <= 0 || a.Longest != a.Held {
		t.Errorf("%+v", a)
	}
	if r, c := top.Rules[0], top.Clients[0]; r.Name != "open" || r.Answers != 6 || c.Name != lab.Client4(0).String() || c.Refused != 2 {
		t.Errorf("%+v %+v", r, c)
	}
	out := tells(t, n, 0, "top", "--by", "refused", "--limit", "1", "--once")
	if err := contains(out, "6 answers under rules in the last ", "; of 2 something was refused\n2 waited for the kernel, ", "  2        -     -        inside.open.test\n"); err != nil {
		t.Error(err)
	}
	if strings.Contains(out, "a.open.test") || strings.Contains(out, "a.other.test") {
		t.Errorf("more than was asked for:\n%s", out)
	}
	tells(t, n, 1, "top", "--by", "name")
	tells(t, n, 1, "top", "--limit", "100000")
	tells(t, n, 2, "top", "names")
}
