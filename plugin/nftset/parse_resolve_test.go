package nftset

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/namewall/namewall/internal/rule"
)

// resolvingWith is a rule with `resolve` that is right, with these lines added.
func resolvingWith(lines ...string) string {
	return "nftset in {\n set inet filter in4\n resolve fe.example.org\n" + strings.Join(lines, "\n") + "\n}\n"
}

func TestResolveOptions(t *testing.T) {
	r := mustParse(t, `nftset in {
    set inet filter in4 ipv4_addr . inet_proto . inet_service
    resolve FE1.example.org. fe2.example.org tcp/443
    resolve fe1.example.org tcp/2804
    name www.example.org tcp/443
    stale 3d
    on_change /bin/sh -c "cat > \"/a b\"" {} x\ #
}`).Rules[0]
	if !r.Resolves() || r.Stale != 3*day {
		t.Errorf("got %+v", r)
	}
	if got := r.ToResolve(); !slices.Equal(got, []string{"fe1.example.org.", "fe2.example.org."}) {
		t.Errorf("names %q", got)
	}
	if !slices.Equal(r.OnChange, []string{"/bin/sh", "-c", `cat > "/a b"`, "{}", `x\`}) {
		t.Errorf("command %q", r.OnChange)
	}
	var services [][]string
	for _, m := range r.Resolving("fe1.example.org.") {
		services = append(services, words(m.Services))
	}
	if diff := cmp.Diff([][]string{{"tcp/443"}, {"tcp/2804"}}, services); diff != "" {
		t.Error(diff)
	}
	if len(r.Resolving("www.example.org.")) != 0 || len(r.Resolving("x.fe1.example.org.")) != 0 {
		t.Error("a name is resolved that isn't to be")
	}
	again := mustParse(t, format(r, rule.Lines{})).Rules[0]
	if !slices.Equal(again.OnChange, r.OnChange) || again.Stale != r.Stale || !slices.Equal(again.ToResolve(), r.ToResolve()) {
		t.Errorf("the canonical form is read as %+v", again)
	}
	if r := mustParse(t, resolvingWith()).Rules[0]; r.Stale != 7*day || r.OnChange != nil {
		t.Errorf("defaults %v, %q", r.Stale, r.OnChange)
	}
	if mustParse(t, with()).Rules[0].Resolves() {
		t.Error("a rule without resolve resolves")
	}
}

func TestResolveErrors(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte("www.example.org\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"wildcard":           {resolvingWith("resolve *.example.org"), []string{":4 ", "'*.example.org' is a wildcard", "exact names"}},
		"every name":         {resolvingWith("resolve *"), []string{":4 ", "'*' is a wildcard"}},
		"wildcard beside":    {resolvingWith("name *.example.org"), []string{":4 ", "'*.example.org' is a wildcard in a rule with 'resolve'", "two rules"}},
		"glob beside":        {resolvingWith("name fe-*.example.org"), []string{":4 ", "'fe-*.example.org' is a wildcard in a rule with 'resolve'"}},
		"file beside":        {resolvingWith("names " + plain), []string{":4 ", "'names' in a rule with 'resolve'", "two rules"}},
		"no name":            {resolvingWith("resolve tcp/443"), []string{":4 ", "'resolve' needs a pattern before 'tcp/443'", "'resolve www.example.com tcp/443'"}},
		"address":            {resolvingWith("resolve 192.0.2.1"), []string{":4 ", "is an address"}},
		"ports differ":       {resolvingWith("resolve b.example.org tcp/443"), []string{":4 ", "lines with ports and lines without", "Testfile:3"}},
		"pair":               {resolvingWith("set inet filter x ipv4_addr . ipv4_addr"), []string{":4 ", "has the client in its key, and no client asks for fe.example.org", "use the type 'ipv4_addr'"}},
		"excepted":           {resolvingWith("except *.example.org"), []string{":3 ", "'fe.example.org' is to be resolved, and 'except' takes it out"}},
		"stale alone":        {with("stale 3d"), []string{":1 ", "rule web has 'stale'", "under 'resolve'"}},
		"command alone":      {with("on_change /bin/true"), []string{":1 ", "rule web has 'on_change'"}},
		"stale twice":        {resolvingWith("stale 3d", "stale 4d"), []string{":5 ", "only once"}},
		"stale long":         {resolvingWith("stale 31d"), []string{":4 ", "out of range", "1s to 30d"}},
		"two commands":       {resolvingWith("on_change /bin/true", "on_change /bin/false"), []string{":5 ", "only once"}},
		"relative command":   {resolvingWith("on_change logger -t x"), []string{":4 ", "command 'logger' has no absolute path", "/usr/local/bin/logger"}},
		"no command":         {resolvingWith("on_change /nonexistent/x"), []string{":4 ", "there is no command '/nonexistent/x'"}},
		"not executable":     {resolvingWith("on_change " + plain), []string{":4 ", "chmod +x"}},
		"command, directory": {resolvingWith("on_change /bin"), []string{":4 ", "is no file"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseText(t, test.text)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q lacks %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error has several lines: %q", err)
			}
		})
	}
}
