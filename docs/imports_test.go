package docs

import (
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Packages import only what stands further down in the table of architecture.md,
// and every package of the program is in it.
func TestImports(t *testing.T) {
	t.Parallel()
	var order []string
	for _, m := range regexp.MustCompile("(?m)^\\| `((?:cmd|plugin|internal)/[a-z/]+)` \\|").FindAllStringSubmatch(read(t, "docs/architecture.md"), -1) {
		order = append(order, m[1])
	}
	const module = "github.com/namewall/namewall/"
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`,
		module+"cmd/...", module+"plugin/...", module+"internal/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		from := strings.TrimPrefix(words[0], module)
		if from == "internal/nstest" { // for tests
			continue
		}
		at := slices.Index(order, from)
		if at < 0 {
			t.Errorf("%s is not in the table", from)
		}
		for _, word := range words[1:] {
			if to, ok := strings.CutPrefix(word, module); ok && slices.Index(order, to) <= at {
				t.Errorf("%s imports %s", from, to)
			}
		}
	}
}
