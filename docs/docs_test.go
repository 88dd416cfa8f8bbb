// Package docs has what does not fit the README. Its tests put the documents'
// examples to use and look after their links.
package docs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/integration/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m.Run)) }

const limit = 20 * time.Second

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// blocks are the code blocks of a Markdown text in this language, in GitHub's
// form or CoreDNS's.
func blocks(markdown, language string) []string {
	form := regexp.MustCompile("(?ms)^(?:```|~~~) ?" + language + "\n(.*?)^(?:```|~~~)$")
	var all []string
	for _, m := range form.FindAllStringSubmatch(markdown, -1) {
		all = append(all, m[1])
	}
	return all
}

// Every Corefile that is shown works as it stands: `namewall nft` declares its
// sets, `namewall check` finds nothing wrong with the two, the server starts,
// and its rules are ready.
func TestCorefiles(t *testing.T) {
	t.Parallel()
	corefiles := map[string][]string{
		"corefile.example":        {read(t, "corefile.example")},
		"README.md":               blocks(read(t, "README.md"), "corefile"),
		"plugin/nftset/README.md": blocks(read(t, "plugin/nftset/README.md"), "corefile"),
	}
	for file, all := range corefiles {
		if len(all) == 0 {
			t.Errorf("%s shows no Corefile", file)
		}
		for i, corefile := range all {
			// The name is in paths that go into the Corefile, where # begins a comment.
			t.Run(fmt.Sprintf("%s %d", file, i+1), func(t *testing.T) {
				t.Parallel()
				works(t, corefile)
			})
		}
	}
}

func works(t *testing.T, corefile string) {
	l := lab.New(t)
	corefile = strings.ReplaceAll(corefile, "/var/lib/namewall", filepath.Join(t.TempDir(), "state"))
	sets, err := l.Command(corefile, "nft")
	if err != nil {
		t.Fatalf("%v\n%s", err, corefile)
	}
	l.Load(sets)
	// The certificate of an example is in the server's directory only.
	if !strings.Contains(corefile, "tls cert.pem") {
		if report, err := l.Command(corefile, "check"); err != nil || strings.Contains(report, "  warning  ") {
			t.Errorf("%v\n%s\n%s", err, report, corefile)
		}
	}
	n := l.Starts(corefile)
	if strings.Contains(corefile, "ready 127.0.0.1:8181") {
		lab.Until(t, limit, "the rules are ready", func() error {
			if ok, who := n.Ready(); !ok {
				return errors.New(who)
			}
			return nil
		})
	}
	for line := range strings.Lines(n.Output()) {
		complains := strings.Contains(line, "[WARNING] plugin/nftset") || strings.Contains(line, "[ERROR] plugin/nftset")
		if complains && !strings.Contains(line, "can't be resolved") { // nobody is at the upstream's address
			t.Errorf("it complains: %s\n%s", line, corefile)
		}
	}
}

// The gateway of the README, put together from its blocks, does what the README
// says.
func TestFiveMinuteGateway(t *testing.T) {
	t.Parallel()
	readme := read(t, "README.md")
	one := func(language string) string {
		t.Helper()
		all := blocks(readme, language)
		if len(all) != 1 {
			t.Fatalf("README.md has %d blocks of %s, want 1", len(all), language)
		}
		return all[0]
	}
	l := lab.New(t)
	l.Load(strings.NewReplacer(`"lan0"`, `"clients"`, `"wan0"`, `"wan"`).Replace(one("nft")))
	if report, err := l.Command(one("corefile"), "check"); err != nil || !strings.HasSuffix(report, "\nnothing is wrong\n") {
		t.Errorf("check: %v\n%s", err, report)
	}
	unbound(t, l, one("unbound"))
	cert := lab.NewCert(t, "www.debian.org", "www.example.com")
	l.HTTP(443, cert.Server())
	// The lab's addresses are for documentation, and so refused.
	l.Namewall(strings.Replace(one("corefile"), "    nftset debian {", "    nftset {\n"+lab.AllowWide+"\n}\nnftset debian {", 1))

	if out, err := l.Curl("--cacert", cert.CertFile, "https://www.debian.org/"); err != nil || !strings.Contains(out, "for www.debian.org") {
		t.Errorf("www.debian.org: %q, %v", out, err)
	}
	if out, err := l.CurlInVain("--cacert", cert.CertFile, "https://www.example.com/"); err == nil {
		t.Errorf("www.example.com: %q", out)
	}
	if keys := l.Keys("debian4"); len(keys) != 1 || keys[0] != "203.0.113.1" {
		t.Errorf("debian4 holds %q", keys)
	}
	// Who asks another resolver is answered by this one.
	m, err := l.Client.Ask("udp", "203.0.113.53:53", new(dns.Msg).SetQuestion("www.example.com.", dns.TypeA))
	if err != nil || len(lab.Addrs(m)) != 1 {
		t.Errorf("another resolver: %v, %v", m, err)
	}
	// From the outside there is no resolver.
	if _, err := l.Wide.Ask("tcp", "192.0.2.1:53", new(dns.Msg).SetQuestion("www.debian.org.", dns.TypeA)); err == nil {
		t.Error("the gateway is an open resolver")
	}
}

// The line of the rollout that logs what no set holds fits into a chain.
func TestRolloutLog(t *testing.T) {
	t.Parallel()
	lines := regexp.MustCompile(`(?m)^ +(iifname .* log group .*)$`).FindAllStringSubmatch(read(t, "README.md"), -1)
	if len(lines) != 1 {
		t.Fatalf("README.md has %d such lines", len(lines))
	}
	lab.New(t).Load("define lan = \"clients\"\ndefine wan = \"wan\"\n" +
		"table inet filter {\nchain forward {\ntype filter hook forward priority filter; policy accept;\n" + lines[0][1] + "\n}\n}\n")
}

// unbound starts Unbound in the gateway with these lines, and with records in
// place of the root.
func unbound(t *testing.T, l *lab.Lab, lines string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "unbound.conf")
	text := lines + `
    chroot: ""
    username: ""
    directory: ""
    pidfile: ""
    use-syslog: no
    logfile: ""
    local-zone: "." static
    local-data: "www.debian.org. 60 IN A 203.0.113.1"
    local-data: "www.example.com. 60 IN A 203.0.113.2"
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := l.Gateway.Start(t, nil, "unbound", "unbound", "-d", "-c", file)
	lab.Until(t, limit, "unbound answers", func() error {
		if err := p.Running(); err != nil {
			t.Fatalf("%v\n%s", err, p.Output())
		}
		_, err := l.Gateway.Ask("udp", "127.0.0.1:5335", new(dns.Msg).SetQuestion("www.example.com.", dns.TypeA))
		return err
	})
}

// The sed line puts the plugin into CoreDNS's own plugin.cfg where it belongs.
func TestCompilation(t *testing.T) {
	t.Parallel()
	source, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/coredns/coredns").Output()
	if err != nil {
		t.Fatal(err)
	}
	original, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(source)), "plugin.cfg"))
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^sed -i .*$`)
	for _, file := range []string{"README.md", "plugin/nftset/README.md"} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "plugin.cfg"), original, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("sh", "-c", line.FindString(read(t, file)))
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", file, err, out)
		}
		got, err := os.ReadFile(filepath.Join(dir, "plugin.cfg"))
		if err != nil {
			t.Fatal(err)
		}
		want := strings.Replace(string(original), "\nlocal:local\n", "\nnftset:github.com/namewall/namewall/plugin/nftset\nlocal:local\n", 1)
		if string(got) != want || want == string(original) {
			t.Errorf("%s: the line leaves\n%s", file, got)
		}
	}
}

// Links within the repository lead somewhere, to the heading too.
func TestLinks(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	documents := documents(t)
	for _, document := range documents {
		for _, m := range link.FindAllStringSubmatch(read(t, document), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			path, fragment, _ := strings.Cut(m[1], "#")
			target := document
			if path != "" {
				target = filepath.Join(filepath.Dir(document), path)
			}
			if _, err := os.Stat(filepath.Join("..", target)); err != nil {
				t.Errorf("%s: %v", document, err)
				continue
			}
			if fragment != "" && !hasHeading(read(t, target), fragment) {
				t.Errorf("%s: %s has no heading #%s", document, target, fragment)
			}
		}
	}
	if len(documents) < 6 {
		t.Errorf("only %q found", documents)
	}
}

// documents are all Markdown files of the repository.
func documents(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"*.md", "*/*.md", "*/*/*.md"} {
		files, err := filepath.Glob(filepath.Join("..", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			all = append(all, strings.TrimPrefix(file, "../"))
		}
	}
	return all
}

// hasHeading tells whether a text has a heading with this fragment, made as
// GitHub does.
func hasHeading(text, fragment string) bool {
	drop := regexp.MustCompile("[^a-z0-9 _-]")
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		if strings.ReplaceAll(drop.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-") == fragment {
			return true
		}
	}
	return false
}
