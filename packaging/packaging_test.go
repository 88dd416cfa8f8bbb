// Package packaging has what a gateway is set up with beside the binary: a
// ruleset, an Unbound, units for systemd. Its tests put them to use.
package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/namewall/namewall/integration/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m.Run)) }

// read reads a file of the repository, by its path from here.
func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// ruleset is nftables.conf with the lab's interfaces.
func ruleset(t *testing.T) string {
	t.Helper()
	text := read(t, "nftables.conf")
	for name, device := range map[string]string{"lan": "clients", "wan": "wan"} {
		line := regexp.MustCompile(`(?m)^define ` + name + ` = ".*"$`)
		if len(line.FindAllString(text, -1)) != 1 {
			t.Fatalf("nftables.conf doesn't define %s in one place", name)
		}
		text = line.ReplaceAllString(text, `define `+name+` = "`+device+`"`)
	}
	return text
}

// corefile is corefile.example with the lab's addresses allowed, as they are
// documentation addresses, and with a state directory of the test's own.
func corefile(t *testing.T) string {
	t.Helper()
	const node = "    nftset {\n"
	text := read(t, "../corefile.example")
	if strings.Count(text, node) != 1 {
		t.Fatal("corefile.example has no node block, or several")
	}
	text = strings.Replace(text, node, node+"        "+lab.AllowWide+"\n", 1)
	return strings.ReplaceAll(text, "/var/lib/namewall", filepath.Join(t.TempDir(), "state"))
}

// command is the command line of a unit's setting, its words as systemd makes
// them of quotes and of $$.
func command(t *testing.T, unit, setting string) []string {
	t.Helper()
	text := strings.ReplaceAll(read(t, unit), "\\\n", " ")
	_, rest, ok := strings.Cut(text, "\n"+setting+"=")
	if !ok {
		t.Fatalf("%s has no %s", unit, setting)
	}
	line, _, _ := strings.Cut(rest, "\n")
	var words []string
	for _, word := range regexp.MustCompile(`'[^']*'|\S+`).FindAllString(line, -1) {
		words = append(words, strings.ReplaceAll(strings.Trim(word, "'"), "$$", "$"))
	}
	return words
}

// build runs the Dockerfile's build command and returns the binary.
func build(t *testing.T) string {
	t.Helper()
	line := regexp.MustCompile(`(?m)^RUN (CGO_ENABLED=0 go build .*)$`).FindStringSubmatch(read(t, "../Dockerfile"))
	if line == nil {
		t.Fatal("the Dockerfile has no build command")
	}
	dir := t.TempDir()
	cmd := exec.Command("sh", "-c", strings.ReplaceAll(line[1], "/out/", dir+"/"))
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "VERSION=test")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", line[1], err, out)
	}
	return filepath.Join(dir, "namewall")
}
