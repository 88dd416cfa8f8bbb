package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What docs/kernels.md says is backed by tests that exist, and what is guaranteed
// by tests that run on each of the kernels.
func TestKernelTable(t *testing.T) {
	t.Parallel()
	everywhere, anywhere := matrixTests(t), testsIn(t, "*/*_test.go", "*/*/*_test.go")
	section, checked, lines := "", false, 0
	for line := range strings.Lines(read(t, "docs/kernels.md")) {
		if heading, ok := strings.CutPrefix(line, "## "); ok {
			section = strings.TrimSpace(heading)
		}
		cells := strings.Split(strings.TrimSpace(line), "|")
		switch {
		case len(cells) < 3:
			checked = false
			continue
		case strings.TrimSpace(cells[len(cells)-2]) == "tests":
			checked = true // from here to the end of the table
			continue
		case !checked || strings.HasPrefix(cells[1], " ---"):
			continue
		}
		lines++
		names := regexp.MustCompile("`(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(cells[len(cells)-2], -1)
		if len(names) == 0 {
			t.Errorf("no test backs %q", line)
		}
		for _, name := range names {
			known := anywhere
			if section == "What is guaranteed" {
				known = everywhere
			}
			if !slices.Contains(known, name[1]) {
				t.Errorf("%s: there is no %s, or it isn't run on each kernel", cells[1], name[1])
			}
		}
	}
	if lines < 20 {
		t.Errorf("only %d lines are about tests", lines)
	}
}

// matrixTests are the tests that integration/kernels runs.
func matrixTests(t *testing.T) (names []string) {
	t.Helper()
	tested := regexp.MustCompile(`\{"(internal/\w+)", "(\S+_test\.go)"\}`)
	for _, m := range tested.FindAllStringSubmatch(read(t, "integration/kernels/kernels_test.go"), -1) {
		names = append(names, testsIn(t, m[1]+"/"+m[2])...)
	}
	return names
}

// testsIn are the names of the tests in files of the repository.
func testsIn(t *testing.T, patterns ...string) (names []string) {
	t.Helper()
	for _, pattern := range patterns {
		files, err := filepath.Glob(filepath.Join("..", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(t `).FindAllStringSubmatch(string(source), -1) {
				names = append(names, m[1])
			}
		}
	}
	return names
}
