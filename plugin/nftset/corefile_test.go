package nftset

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/google/go-cmp/cmp"
)

// load reads a Corefile whose text may import what is in dir.
func load(t *testing.T, dir, text string) (*Corefile, error) {
	t.Helper()
	if !slices.Contains(dnsserver.Directives, directive) {
		if err := dnsserver.SetDirectives(place("local")); err != nil {
			t.Fatal(err)
		}
	}
	return Load(caddy.CaddyfileInput{Filepath: filepath.Join(dir, "Corefile"), Contents: []byte(text), ServerTypeName: serverType})
}

func mustLoad(t *testing.T, text string) *Corefile {
	t.Helper()
	f, err := load(t, "", text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestLoad(t *testing.T) {
	t.Setenv("VENDOR", "example.org")
	f := mustLoad(t, `(web) {
    nftset web {
        set inet filter web4
        name www.{$VENDOR}
    }
}
.:5353, tls://. {
    import web
    forward . 127.0.0.1:5335
}
Example.NET https://10.0.0.0/15 {
    bind 127.0.0.1 lo {
        except ::1
    }
    view inside {
        expr client_ip() == '127.0.0.1'
    }
    import web
}
`)
	var got []string
	for _, s := range f.Servers {
		got = append(got, s.Place.String()+" "+s.String()+" "+strings.Join(s.Bind, ",")+" "+s.View)
	}
	want := []string{
		"Corefile:7 dns://.:5353 tls://.:853  ",
		"Corefile:11 dns://example.net.:53 https://0.10.in-addr.arpa.:443 https://1.10.in-addr.arpa.:443 127.0.0.1,lo inside",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(f.Rules) != 1 || f.Servers[0].Rules[0] != f.Rules[0] || f.Servers[1].Rules[0] != f.Rules[0] {
		t.Errorf("rules %v", f.Rules)
	}
	if p := f.Rules[0].Names[0].Patterns[0]; p.String() != "www.example.org" {
		t.Errorf("pattern %s", p)
	}
	if !f.Servers[0].Has("forward") || f.Servers[1].Has("forward") {
		t.Error("directives are mixed up")
	}
	if s := f.Servers[0]; !s.Says("forward", ".", "127.0.0.1:5335") || s.Says("forward", ".", "127.0.0.1") {
		t.Error("words of a directive are mixed up")
	}
}

func TestHeads(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		want []int
	}{
		"two":      {"# first\n\n. {\n errors\n nftset {\n }\n}\na,\nb {\n}\n", []int{3, 8}},
		"snippet":  {"(s) {\n errors\n}\n. {\n import s\n}", []int{4}},
		"bare":     {".\nerrors\n", []int{1}},
		"imported": {"import x\n. {\n}", nil},
	} {
		var got []int
		for _, p := range heads("Corefile", []byte(test.text)) {
			got = append(got, p.Line)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
	}
}

// Errors in imported text name the file and line where the text stands.
func TestLoadErrors(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "web.conf"), []byte("# one\nnftset web {\n set inet filter web4\n wait long\n}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ text, want string }{
		"imported file":    {". {\n import web.conf\n}", "web.conf:4 - Error during parsing: 'long' is no duration"},
		"snippet":          {"(s) {\n nftset web {\n  wait long\n }\n}\n. {\n import s\n}", "Corefile:3 - Error during parsing: 'long' is no duration"},
		"other block":      {". {\n}\nexample.org {\n nftset {\n  wait 1s\n }\n}", "Corefile:5 - Error during parsing: unknown option 'wait'"},
		"unclosed":         {". {\n nftset web {\n", "Unexpected EOF"},
		"rules differ":     {". {\n " + with() + "}\nexample.org {\n" + with("limit 5") + "}", "Corefile:9 - Error during parsing: rule web differs from the rule of this name at " + filepath.Join(dir, "Corefile") + ":2"},
		"node in both":     {". {\n nftset {\n }\n}\nexample.org {\n nftset {\n }\n}", "Corefile:6 - Error during parsing: the settings of the node already stand at"},
		"unknown plugin":   {". {\n nftsets web {\n }\n}", "Unknown directive 'nftsets'"},
		"key":              {"example..org {\n errors\n}", "Corefile:1 - Error during parsing: server block 'example..org'"},
		"missing import":   {". {\n import nothing.conf\n}", "File to import not found"},
		"brace on no line": {". {\n nftset web\n {\n }\n}", "Corefile:"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := load(t, dir, test.text); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}
