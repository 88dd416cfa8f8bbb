// Package services has vendors' rules to import. Its tests take them as they
// stand, in a gateway with the real nft and the real server.
package services

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/namewall/namewall/integration/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m.Run)) }

const limit = 20 * time.Second

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// names are the services that there are.
func names(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*.corefile")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, file := range files {
		all = append(all, strings.TrimSuffix(file, ".corefile"))
	}
	return all
}

// jump is the line that a fragment wants in the forward chain, if it wants one.
var jump = regexp.MustCompile(`(?m)^#     (iifname .* jump .*)$`)

// ruleset is a gateway's ruleset with these services, in the way that each says.
func ruleset(t *testing.T, services ...string) string {
	t.Helper()
	dir, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	var includes, jumps strings.Builder
	for _, service := range services {
		fmt.Fprintf(&includes, "include \"%s/%s.nft\"\n", dir, service)
		if m := jump.FindStringSubmatch(read(t, service+".nft")); m != nil {
			jumps.WriteString("\t\t" + m[1] + "\n")
		}
	}
	return "define lan = \"clients\"\ndefine wan = \"wan\"\ntable inet filter\nflush table inet filter\n" +
		includes.String() + lab.Ruleset("", jumps.String())
}

// corefile is a gateway's Corefile that imports these files. The lab's addresses
// are for documentation, and so refused.
func corefile(t *testing.T, upstream string, files ...string) string {
	t.Helper()
	var imports strings.Builder
	for _, file := range files {
		path, err := filepath.Abs(file)
		if err != nil {
			t.Fatal(err)
		}
		imports.WriteString("\timport " + path + "\n")
	}
	return ". {" + lab.Node + "\tnftset {\n\t\t" + lab.AllowWide + "\n\t}\n" + imports.String() +
		"\tcache\n\tforward . " + upstream + "\n}\n"
}

// fill is a copy of a template with words in place of its angle brackets.
func fill(t *testing.T, file string, words ...string) string {
	t.Helper()
	text := read(t, file)
	path := filepath.Join(t.TempDir(), file)
	if err := os.WriteFile(path, []byte(strings.NewReplacer(words...).Replace(text)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// start starts the gateway and waits until its rules are ready.
func start(t *testing.T, l *lab.Lab, corefile string) *lab.Namewall {
	t.Helper()
	n := l.Namewall(corefile)
	lab.Until(t, limit, "the rules are ready", func() error {
		if ok, who := n.Ready(); !ok {
			return errors.New(who)
		}
		return nil
	})
	return n
}

func reaches(t *testing.T, l *lab.Lab, addr string, port int) {
	t.Helper()
	if err := l.Connect(0, netip.MustParseAddr(addr), port); err != nil {
		t.Errorf("%s port %d: %v", addr, port, err)
	}
}

func barred(t *testing.T, l *lab.Lab, addr string, port int) {
	t.Helper()
	if err := l.Knock(0, netip.MustParseAddr(addr), port); err == nil {
		t.Errorf("%s port %d is reached", addr, port)
	}
}

// templates are the services that have to be filled in, with words that do.
var templates = map[string][]string{
	"outsystems-inbound": {"<front-end-1>", "fe1", "<front-end-2>", "fe2"},
}

// Each service is right as it stands: its ruleset loads, and loads again, `check`
// finds nothing wrong between the two, and `namewall nft` declares the same sets.
// A template is refused, with the line that is to be filled.
func TestServices(t *testing.T) {
	t.Parallel()
	all := names(t)
	if len(all) < 4 {
		t.Fatalf("only %q", all)
	}
	for _, service := range all {
		t.Run(service, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t)
			l.Load(ruleset(t, service))
			l.Load(ruleset(t, service))
			file := service + ".corefile"
			if words, template := templates[service]; template {
				_, err := l.Command(corefile(t, lab.Real, file), "check")
				if err == nil || !regexp.MustCompile(service+`\.corefile:\d+ - Error during parsing: '<`).MatchString(err.Error()) {
					t.Errorf("it can be used as it stands: %v", err)
				}
				file = fill(t, file, words...)
			}
			report, err := l.Command(corefile(t, lab.Real, file), "check")
			if err != nil || strings.Contains(report, "  error  ") || strings.Contains(report, "  warning  ") && service != "no-doh" {
				t.Errorf("%v\n%s", err, report)
			}
			declared, err := l.Command(corefile(t, lab.Real, file), "nft")
			if err != nil {
				t.Fatal(err)
			}
			l.Load(declared) // another type would be refused
			if sets := l.NFT("list sets"); strings.Count(sets, "\tset ") != strings.Count(declared, "\tset ") {
				t.Errorf("the ruleset has\n%s\nwanted are\n%s", sets, declared)
			}
		})
	}
}

// All of them together make one gateway.
func TestTogether(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	all := names(t)
	l.Load(ruleset(t, all...))
	l.Unbound("cc.fusionreactor.io. 60 IN A 198.51.100.1", "api.fusionreactor.io. 60 IN A 198.51.100.3", "fe1.outsystemsenterprise.com. 60 IN A 203.0.113.1", "fe2.outsystemsenterprise.com. 60 IN A 203.0.113.2")
	var files []string
	for _, service := range all {
		file := service + ".corefile"
		if words, template := templates[service]; template {
			file = fill(t, file, words...)
		}
		files = append(files, file)
	}
	n := start(t, l, corefile(t, lab.Real, files...))
	if out := n.Output(); strings.Contains(out, "[WARNING] plugin/nftset") || strings.Contains(out, "[ERROR]") {
		t.Errorf("it complains:\n%s", out)
	}
}
