package nftset

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestBypasses(t *testing.T) {
	const rule = "nftset web {\n set inet filter web4\n %s\n}\n"
	block := func(head, lines string) string { return head + " {\n errors\n" + lines + "}\n" }
	for name, test := range map[string]struct {
		names  string                   // lines of the rule
		blocks func(rule string) string // the Corefile
		want   []string                 // "block: patterns"
	}{
		"one block": {"name *.example.org", func(r string) string { return block(".", r) }, nil},
		"narrower block": {"name *.example.org www.example.net",
			func(r string) string { return block(".", r) + block("api.example.org", "") },
			[]string{"dns://api.example.org.:53: *.example.org"}},
		"apex of a wildcard": {"name *.example.org",
			func(r string) string { return block(".", r) + block("example.org", "") },
			[]string{"dns://example.org.:53: *.example.org"}},
		"both have it": {"name *.example.org",
			func(r string) string { return block(".", r) + block("example.org", r) }, nil},
		"narrowest decides": {"name www.api.example.org",
			func(r string) string { return block(".", r) + block("example.org", "") + block("api.example.org", r) }, nil},
		"narrowest lacks": {"name www.api.example.org",
			func(r string) string {
				return block(".", "") + block("example.org", r) + block("www.api.example.org", "")
			},
			[]string{"dns://www.api.example.org.:53: www.api.example.org"}},
		"zone beside": {"name *.example.org",
			func(r string) string { return block(".", r) + block("example.net", "") + block("xexample.org", "") }, nil},
		"glob, zone of a label": {"name fe-*.example.org",
			func(r string) string {
				return block(".", r) + block("fe-1.example.org", "") + block("be-1.example.org", "")
			},
			[]string{"dns://fe-1.example.org.:53: fe-*.example.org"}},
		"glob, zone of the parent": {"name fe-*.example.org",
			func(r string) string { return block(".", r) + block("example.org", "") + block("org", "") },
			[]string{"dns://example.org.:53: fe-*.example.org"}},
		"every name": {"name *",
			func(r string) string { return block(".", r) + block("example.org", "") },
			[]string{"dns://example.org.:53: *"}},
		"other transport": {"name www.example.org",
			func(r string) string { return block(".", r) + block("tls://.", "") },
			[]string{"tls://.:853: www.example.org"}},
		"other address": {"name www.example.org",
			func(r string) string {
				return block(".", "bind 127.0.0.1\n"+r) + block(".", "bind 127.0.0.2\n")
			},
			[]string{"dns://.:53: www.example.org"}},
		"other port": {"name www.example.org",
			func(r string) string { return block(".:53 .:5353", r) + block("example.org:5353", "") },
			[]string{"dns://example.org.:5353: www.example.org"}},
		"view": {"name www.example.org",
			func(r string) string { return block(".", "view a {\n expr true\n}\n") + block(".", r) },
			[]string{"dns://.:53: www.example.org"}},
		"excepted": {"name *.example.org\n except *.api.example.org api.example.org",
			func(r string) string { return block(".", r) + block("api.example.org", "") }, nil},
		"itself an exception": {"name www.example.org www.example.net\n except www.example.org",
			func(r string) string { return block(".", r) + block("example.org", "") }, nil},
		"excepted by a wider one": {"name *\n except *.org",
			func(r string) string { return block(".", r) + block("example.org", "") }, nil},
		"apex not excepted": {"name *.example.org\n except *.api.example.org",
			func(r string) string { return block(".", r) + block("api.example.org", "") },
			[]string{"dns://api.example.org.:53: *.example.org"}},
		"glob excepts too little": {"name *.example.org\n except api*.example.org",
			func(r string) string { return block(".", r) + block("api.example.org", "") },
			[]string{"dns://api.example.org.:53: *.example.org"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := mustLoad(t, test.blocks(fmt.Sprintf(rule, test.names)))
			var got []string
			for _, b := range f.Bypasses() {
				text := b.Server.String() + ":"
				for _, p := range b.Patterns {
					text += " " + p.String()
				}
				got = append(got, text)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestBypassText(t *testing.T) {
	f := mustLoad(t, ". {\n nftset web {\n set inet filter web4\n name a.example b.example c.example d.example e.example\n}\n}\nexample {\n errors\n}")
	const want = "server block dns://example.:53 (Corefile:7) answers a.example, b.example, c.example, and 2 more without rule web: import the rule there too"
	if got := f.Bypasses()[0].String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestUnasked(t *testing.T) {
	f := mustLoad(t, "example.org {\n nftset web {\n set inet filter web4\n name www.example.org www.example.net *.com fe-*.org\n}\n}\ncom {\n errors\n}")
	if got := words(f.Unasked(f.Rules[0])); !cmp.Equal(got, []string{"www.example.net", "*.com", "fe-*.org"}) {
		t.Errorf("got %q", got)
	}
}
