package main

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/namewall/namewall/internal/nstest"
)

func TestNft(t *testing.T) {
	t.Chdir("testdata/nft")
	code, stdout, stderr := namewall("nft")
	if diff := cmp.Diff(read(t, "declarations.nft"), stdout); diff != "" || code != exitOK || stderr != "" {
		t.Errorf("exit code %d\n%s%s", code, diff, stderr)
	}
}

// What is printed can be loaded as it is, again over what it has made before,
// and is what check wants.
func TestNftLoads(t *testing.T) {
	t.Chdir("testdata/nft")
	_, declarations, _ := namewall("nft")
	ns := nstest.New(t)
	ns.Nft(declarations)
	ns.Nft("add element inet filter web4 { 198.51.100.7 timeout 2h }")
	ns.Nft(declarations)
	if out := ns.Command("", "nft", "list", "set", "inet", "filter", "web4"); !strings.Contains(out, "198.51.100.7 timeout 2h") {
		t.Errorf("loading it again has emptied the set:\n%s", out)
	}
	_ = ns.Do(func() error {
		if code, stdout, stderr := namewall("check"); code != exitOK || strings.Contains(stdout, "  error  ") {
			t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
		}
		return nil
	})
}

func TestNftErrors(t *testing.T) {
	t.Chdir(t.TempDir())
	rule := func(name, lines string) string {
		return " nftset " + name + " {\n  name www.example.org\n  " + lines + "\n }\n"
	}
	ports := func(s string) string { return strings.ReplaceAll(s, "www.example.org", "www.example.org tcp/443") }
	for name, test := range map[string]struct {
		rules string
		want  []string
	}{
		"family": {rule("web", "set inet filter web6"),
			[]string{"Corefile:4: whether set 'inet filter web6' is for IPv4 or IPv6 can't be known", "'set inet filter web6 ipv6_addr'"}},
		"family with ports": {ports(rule("web", "set inet filter web")),
			[]string{"'set inet filter web ipv4_addr . inet_proto . inet_service'"}},
		"two types": {rule("a", "set inet filter web ipv4_addr") + rule("b", "set inet filter web ipv6_addr"),
			[]string{"Corefile:8: set 'inet filter web' is 'ipv6_addr' here and 'ipv4_addr' at Corefile:4"}},
		"another rule's ports": {rule("a", "set inet filter web ipv4_addr") + ports(rule("b", "set inet filter web")),
			[]string{"Corefile:8: set 'inet filter web' (ipv4_addr) has no ports"}},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile("Corefile", []byte(". {\n"+test.rules+"}\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			code, stdout, stderr := namewall("nft")
			if code != exitWrong || stdout != "" {
				t.Errorf("exit code %d, %s", code, stdout)
			}
			for _, part := range test.want {
				if !strings.Contains(stderr, part) {
					t.Errorf("%q lacks %q", stderr, part)
				}
			}
		})
	}
}
