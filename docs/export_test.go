package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/integration/lab"
)

// The recipe for reloading a ruleset, with the files where a test can have them:
// the elements and their lives are there although nobody fills the sets again.
func TestReloadRecipe(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	dir := t.TempDir()
	text := read(t, "docs/export.md")
	here := strings.NewReplacer("/etc/nftables.conf", filepath.Join(dir, "nftables.conf"), "/run/", dir+"/", "/etc/namewall", dir)
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sets := `
	set open4 { type ipv4_addr; flags timeout; }`
	write("nftables.conf", "flush ruleset\n"+lab.Ruleset(sets, "ip daddr @open4 accept"))
	corefile := `
. {` + lab.Node + `
	nftset {
		` + lab.AllowWide + `
	}
	nftset open {
		set  inet filter open4
		name *.open.test
	}
	forward . ` + lab.Scripted + `
}`
	write("Corefile", corefile)
	l.Load(lab.Ruleset(sets, "ip daddr @open4 accept"))
	l.Script().Records("a.open.test. 60 IN A 198.51.100.1")
	n := l.Namewall(corefile)
	l.Ask(lab.Client4(0), "udp", "a.open.test.", dns.TypeA)
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	before := l.Elements("open4")

	write("reload.nft", here.Replace(blocks(text, "nft")[0]))
	var recipe string
	for _, block := range blocks(text, "sh") {
		if strings.Contains(block, "--for ") {
			recipe = here.Replace(block)
		}
	}
	export, load, _ := strings.Cut(strings.TrimSpace(recipe), "\n")
	command, to, _ := strings.Cut(export, " > ")
	elements, err := l.Tool(strings.Fields(command)[1:]...)
	if err != nil {
		t.Fatal(err)
	}
	write(filepath.Base(to), elements)
	if _, err := l.Gateway.Run(nil, "sh", "-ec", load); err != nil {
		t.Fatal(err)
	}
	after := l.Elements("open4")
	if len(before) != 1 || len(after) != 1 || after[0].Key != before[0].Key || after[0].Timeout < before[0].Timeout || after[0].Expires > before[0].Expires+1e9 {
		t.Errorf("before %+v, after %+v", before, after)
	}
}

// The policy that is shown is what the example Corefile's rule comes to.
func TestJavaPolicy(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	out, err := l.Command(read(t, "corefile.example"), "export", "fusionreactor", "--format", "java-policy")
	if err != nil {
		t.Fatal(err)
	}
	_, grant, _ := strings.Cut(out, "\n")
	if want := blocks(read(t, "docs/export.md"), "java"); len(want) != 1 || grant != want[0] {
		t.Errorf("got\n%s", grant)
	}
}

// The shell commands of the page are commands.
func TestExportCommands(t *testing.T) {
	t.Parallel()
	for _, block := range blocks(read(t, "docs/export.md"), "sh") {
		if out, err := exec.Command("sh", "-nc", block).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s%s", err, out, block)
		}
	}
}
