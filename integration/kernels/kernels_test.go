//go:build linux && amd64

package kernels

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/namewall/namewall/integration/lab"
)

var flags = flag.String("flags", "", `flags for the tests in the machines, as "-test.run=TestRefresh -test.count=10"`)

func TestMain(m *testing.M) { os.Exit(lab.Main(m.Run)) }

// series are the kernels, with what is known of each for certain.
var series = []struct {
	name     string
	features string // as internal/nft's tests call them
}{
	{"6.1", "none"},
	{"6.12", "update destroy"},
}

// tested are the packages that talk to the kernel, and the files with the tests
// that do: the gate's other ones have a kernel of their own making. All are run in
// their short form, which does the same things less often.
var tested = []struct {
	name, files string
}{
	{"internal/nft", "*_test.go"},
	{"internal/gate", "*kernel_test.go"},
	{"internal/conntrack", "kill_test.go"},
	{"internal/host", "*_test.go"},
}

// TestKernels runs the tests of the packages that talk to the kernel on kernels
// that gateways have.
func TestKernels(t *testing.T) {
	binaries := build(t)
	for _, s := range series {
		t.Run(s.name, func(t *testing.T) {
			m, err := newMachine(fetch(t, s.name), t.TempDir(), binaries, plan(t, s.features))
			if err != nil {
				t.Fatal(err)
			}
			var r report
			err = m.run(r.line)
			for _, o := range r.packages {
				t.Run(o.name, func(t *testing.T) { check(t, o) })
			}
			if len(r.packages) != len(tested) {
				t.Errorf("%d packages were tested, want %d", len(r.packages), len(tested))
			}
			if err != nil || r.broke != "" {
				t.Errorf("the machine: %v %s", err, r.broke)
			}
			if t.Failed() {
				t.Logf("besides the tests it said:\n%s\nand the kernel at last:\n%s", r.stray, m.messages())
			}
			t.Logf("%v of processor time", m.busy)
		})
	}
}

// fetch provides a kernel.
func fetch(t *testing.T, series string) *kernel {
	t.Helper()
	cmd := exec.Command("sh", "fetch.sh", series)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	folder, err := cmd.Output()
	if err != nil {
		t.Fatalf("fetching a kernel: %v\n%s", err, complaints.String())
	}
	k, err := openKernel(strings.TrimSpace(string(folder)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// build makes the machines' programs, static ones, in a folder: init, and the
// tests under their packages' paths.
func build(t *testing.T) (folder string) {
	t.Helper()
	folder = t.TempDir()
	compile := func(args ...string) {
		t.Helper()
		cmd := exec.Command("go", args...)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	compile("build", "-o", filepath.Join(folder, "init"), "./integration/kernels/init")
	for _, p := range tested {
		compile("test", "-c", "-o", filepath.Join(folder, p.name, TestBinary), "./"+p.name)
	}
	return folder
}

// plan is what a machine with these features is to test.
func plan(t *testing.T, features string) (all []Tests) {
	t.Helper()
	for _, p := range tested {
		args := []string{"-test.v=test2json", "-test.short", "-test.run=^(" + strings.Join(testsOf(t, p.name, p.files), "|") + ")$"}
		if p.name == "internal/nft" {
			args = append(args, "-features="+features)
		}
		all = append(all, Tests{Package: p.name, Args: append(args, strings.Fields(*flags)...)})
	}
	return all
}

// testsOf are the names of the tests in these files of a package.
func testsOf(t *testing.T, name, files string) (names []string) {
	t.Helper()
	matches, err := filepath.Glob(filepath.Join(root, name, files))
	if err != nil {
		t.Fatal(err)
	}
	test := regexp.MustCompile(`(?m)^func (Test\w*)\(t `)
	for _, file := range matches {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range test.FindAllStringSubmatch(string(source), -1) {
			names = append(names, m[1])
		}
	}
	if len(names) == 0 {
		t.Fatalf("%s has no tests in %s", name, files)
	}
	return names
}

// check reports what became of each test of a package.
func check(t *testing.T, o *output) {
	results, rest, err := o.results()
	if err != nil {
		t.Fatal(err)
	}
	if o.status != "0" {
		t.Errorf("status %q\n%s", o.status, rest)
	}
	for _, r := range results {
		t.Run(r.test, func(t *testing.T) {
			t.Log(r.output)
			if r.end != "pass" {
				t.Errorf("its end: %q", r.end)
			}
		})
	}
	if *flags != "" {
		return
	}
	for _, p := range tested {
		if p.name != o.name {
			continue
		}
		for _, test := range testsOf(t, p.name, p.files) {
			if !slices.ContainsFunc(results, func(r *result) bool { return r.test == test }) {
				t.Errorf("%s was not run", test)
			}
		}
	}
}
