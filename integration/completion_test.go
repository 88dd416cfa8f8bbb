//go:build linux

package integration

import (
	"testing"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/integration/lab"
)

// A shell is offered the rules, sets and names of the running process, and nothing
// when there is none.
func TestCompletion(t *testing.T) {
	t.Parallel()
	l, s := newOpenLab(t)
	s.Records("a.open.test. 60 IN A 198.51.100.1", "b.open.test. 60 IN A 198.51.100.2")
	n := l.Namewall(". {" + lab.Node + openRule + "\nforward . " + lab.Scripted + "\n}")
	answers(t, l, "a.open.test.", dns.TypeA, "198.51.100.1")
	answers(t, l, "b.open.test.", dns.TypeA, "198.51.100.2")
	const noFiles = ":4\n" // cobra.ShellCompDirectiveNoFileComp
	for _, test := range []struct {
		line []string
		want string
	}{
		{[]string{"list", "--rule", ""}, "open\n" + noFiles},
		{[]string{"list", "--set", ""}, "inet filter open4\ninet filter open6\n" + noFiles},
		{[]string{"why", ""}, "a.open.test\nb.open.test\n" + noFiles},
		{[]string{"test", ""}, "a.open.test\nb.open.test\n" + noFiles},
		{[]string{"mode", "feed", ""}, "open\n" + noFiles},
		{[]string{"top", "--by", ""}, "answers\nrefused\nheld\n" + noFiles},
	} {
		if out := tells(t, n, 0, append([]string{"__complete"}, test.line...)...); out != test.want {
			t.Errorf("%q offers %q, want %q", test.line, out, test.want)
		}
	}
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	if out := tells(t, n, 0, "__complete", "list", "--rule", ""); out != noFiles {
		t.Errorf("without a process %q is offered", out)
	}
	tells(t, n, 2, "watch", "--kind", "everything")
}
