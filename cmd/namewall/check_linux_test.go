package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/namewall/namewall/internal/nstest"
)

// reports are the directories of testdata/check, with the exit code. Each has a
// Corefile, a ruleset, and the report on them.
var reports = map[string]int{
	"vendors": exitOK,
	"sets":    exitWrong,
	"blocks":  exitWrong,
	"feed":    exitOK,
	"names":   exitWrong,
	"sizes":   exitWrong,
	"empty":   exitOK,
	"plugins": exitWrong,
	"resolve": exitWrong,
	"advice":  exitWrong,
	"static":  exitWrong,
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// fromHere has paths in the working directory begin with a dot.
func fromHere(t *testing.T, text string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(text, dir+"/", "./")
}

// A ruleset file is loaded by the real nft, in a namespace that check makes.
func TestCheckFile(t *testing.T) {
	for name, want := range reports {
		t.Run(name, func(t *testing.T) {
			t.Chdir(filepath.Join("testdata", "check", name))
			code, stdout, stderr := namewall("check", "--nft", "ruleset.nft")
			if diff := cmp.Diff(read(t, "report"), fromHere(t, stdout)); diff != "" || code != want || stderr != "" {
				t.Errorf("exit code %d\n%s%s", code, diff, stderr)
			}
		})
	}
}

// The kernel's own sets give the same report.
func TestCheckKernel(t *testing.T) {
	for name, want := range reports {
		t.Run(name, func(t *testing.T) {
			t.Chdir(filepath.Join("testdata", "check", name))
			ns := nstest.New(t)
			ns.Nft(read(t, "ruleset.nft"))
			var code int
			var stdout, stderr string
			_ = ns.Do(func() error {
				code, stdout, stderr = namewall("check")
				return nil
			})
			if diff := cmp.Diff(read(t, "report"), fromHere(t, stdout)); diff != "" || code != want || stderr != "" {
				t.Errorf("exit code %d\n%s%s", code, diff, stderr)
			}
		})
	}
}

// The namespace of --nft is not the one that check runs in.
func TestCheckFileChangesNothing(t *testing.T) {
	t.Chdir(filepath.Join("testdata", "check", "vendors"))
	ns := nstest.New(t)
	_ = ns.Do(func() error {
		namewall("check", "--nft", "ruleset.nft")
		namewall("sets", "ruleset.nft")
		return nil
	})
	if rules := ns.Command("", "nft", "list", "ruleset"); rules != "" {
		t.Errorf("check has loaded\n%s", rules)
	}
}

func TestCheckErrors(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	vendors := filepath.Join(dir, "vendors.names")
	for file, text := range map[string]string{
		"Corefile":      ". {\n errors\n}\n",
		"listed":        ". {\n errors\n nftset web {\n  set inet filter web4\n  names vendors.names\n }\n}\n",
		"vendors.names": "a.example.org\nb..example.org\n\nhttps://c.example.org/\n",
		"wrong":         ". {\n errors\n nftset web {\n  set inet filter web4\n  name www..example.org\n }\n}\n",
		"ruleset.nft":   "table inet filter {\n set web4 { type ipv4_adr; }\n}\n",
	} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"Corefile":        {[]string{"-conf", "wrong"}, "namewall: wrong:5 - Error during parsing: 'www..example.org' is no pattern"},
		"first bad line":  {[]string{"-conf", "listed"}, "namewall: listed:5 - Error during parsing: names: " + vendors + ":2: 'b..example.org' is no pattern"},
		"other bad line":  {[]string{"-conf", "listed"}, "\nnamewall: " + vendors + ":4: 'https://c.example.org/' is no pattern"},
		"ruleset":         {[]string{"--nft", "ruleset.nft"}, "nft can't load ruleset.nft: ruleset.nft:2:"},
		"missing ruleset": {[]string{"--nft", "nothing.nft"}, "nft can't load nothing.nft"},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := namewall(append([]string{"check"}, test.args...)...)
			if code != exitWrong || stdout != "" || !strings.Contains(stderr, test.want) {
				t.Errorf("exit code %d, %s%s", code, stdout, stderr)
			}
		})
	}
}

// What names lead to is warned about, and changes nothing of the exit code.
func TestCheckResolve(t *testing.T) {
	t.Chdir(filepath.Join("testdata", "check", "lookups"))
	server := serveRecords(t, strings.Split(strings.TrimSpace(read(t, "records")), "\n")...)
	code, stdout, stderr := namewall("check", "--nft", "ruleset.nft", "--server", server)
	if diff := cmp.Diff(read(t, "report"), stdout); diff != "" || code != exitOK || stderr != "" {
		t.Errorf("exit code %d\n%s%s", code, diff, stderr)
	}
	code, stdout, stderr = namewall("check", "--nft", "ruleset.nft")
	if code != exitOK || strings.Contains(stdout, "  warning  ") || stderr != "" {
		t.Errorf("without looking up: exit code %d\n%s%s", code, stdout, stderr)
	}
	code, _, stderr = namewall("check", "--nft", "ruleset.nft", "--server", "resolver.example")
	if code != exitUsage || !strings.Contains(stderr, "--server: 'resolver.example' is no address of a resolver") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
}

// A resolver that doesn't answer is a warning for each name, and no more.
func TestCheckResolveInVain(t *testing.T) {
	t.Chdir(filepath.Join("testdata", "check", "vendors"))
	const nobody = "127.0.0.1:1"
	code, stdout, stderr := namewall("check", "--nft", "ruleset.nft", "--server", nobody)
	if code != exitOK || strings.Count(stdout, "  warning  cc.fusionreactor.io A: no answer: ") != 1 || stderr != "" {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
}

// A ruleset may need the gateway's interfaces to load.
func TestCheckFileWithInterfaces(t *testing.T) {
	t.Chdir(t.TempDir())
	for file, text := range map[string]string{
		"Corefile":    ". {\n nftset web {\n  set inet filter web4\n  name www.example.org\n }\n}\n",
		"ruleset.nft": "table inet filter {\n set web4 { type ipv4_addr; flags timeout; }\n chain input { type filter hook input priority 0; iif wan7 accept; }\n}\ntable netdev early {\n chain ingress { type filter hook ingress device wan7 priority 0; }\n}\n",
	} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ns := nstest.New(t)
	ns.Command("", "ip", "link", "add", "wan7", "type", "veth")
	_ = ns.Do(func() error {
		code, stdout, stderr := namewall("check", "--nft", "ruleset.nft")
		if code != exitOK || !strings.Contains(stdout, "set inet filter web4: ipv4_addr") {
			t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
		}
		return nil
	})
}
