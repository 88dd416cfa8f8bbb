package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/namewall/namewall/internal/nstest"
)

// imports are the directories of testdata/import, each with a program's files and
// what comes of them.
var imports = map[string][]string{
	"dnsmasq":     {"dnsmasq.conf", "--nft", "sets.nft", "--ipset", "ipsets"},
	"smartdns":    {"smartdns.conf"},
	"adguardhome": {"AdGuardHome.yaml", "--ipset", "ipsets"},
}

func TestImport(t *testing.T) {
	for program, args := range imports {
		t.Run(program, func(t *testing.T) {
			t.Chdir(filepath.Join("testdata", "import", program))
			args = append([]string{"import", program}, args...)
			code, stdout, stderr := namewall(args...)
			if diff := cmp.Diff(read(t, "want.rules"), stdout); diff != "" || code != exitOK || stderr != "" {
				t.Errorf("exit code %d\n%s%s", code, diff, stderr)
			}

			out := filepath.Join(t.TempDir(), "new")
			code, stdout, stderr = namewall(append(args, "--out", out)...)
			if code != exitOK || stderr != "" || !strings.Contains(stdout, "import "+out+".rules") {
				t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
			}
			for _, suffix := range []string{".rules", ".nft"} {
				if diff := cmp.Diff(read(t, "want"+suffix), read(t, out+suffix)); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

// What is written goes into a Corefile and a ruleset as it stands, beside the sets
// that the other program fills, and check finds nothing wrong.
func TestImportWorks(t *testing.T) {
	for program := range imports {
		t.Run(program, func(t *testing.T) {
			t.Chdir(filepath.Join("testdata", "import", program))
			ns := nstest.New(t)
			if program == "dnsmasq" {
				ns.Command("", "nft", "-f", "sets.nft")
			}
			ns.Command("", "nft", "-c", "-f", "want.nft")
			ns.Command("", "nft", "-f", "want.nft")
			ns.Command("", "nft", "-f", "want.nft") // and again over itself
			corefile := filepath.Join(t.TempDir(), "Corefile")
			rules, err := filepath.Abs("want.rules")
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(corefile, []byte(". {\n ready {\n  monitor continuously\n }\n import "+rules+"\n}\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			_ = ns.Do(func() error {
				code, stdout, stderr := namewall("check", "-conf", corefile)
				if code != exitOK || strings.Contains(stdout, "  warning  ") || stderr != "" {
					t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
				}
				return nil
			})
		})
	}
}

// One line that can't be carried over, and nothing is written, unless it may be
// left out; then the file says so, and its names are in no rule.
func TestImportProblems(t *testing.T) {
	t.Chdir(t.TempDir())
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("conf", "nftset=/example.com/4#inet#t#s\nnftset=/www.example.com/4#inet#t#s#x\n\nipset=/api.example.com/vpn\n")
	code, stdout, stderr := namewall("import", "dnsmasq", "conf", "--out", "new")
	const want = `namewall: conf:2: '4#inet#t#s#x' is no [4#|6#][FAMILY#]TABLE#SET, and dnsmasq puts nothing there: correct it
namewall: conf:4: whether ipset vpn holds IPv4 or IPv6 isn't written here: save it with 'ipset -t save > FILE' and give --ipset FILE
namewall: 2 lines can't be carried over, and nothing was written: correct the above, or leave it out with --skip
`
	if code != exitWrong || stdout != "" || stderr != want {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	if _, err := os.Stat("new.rules"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something was written: %v", err)
	}

	code, stdout, stderr = namewall("import", "dnsmasq", "conf", "--out", "new", "--skip")
	if code != exitOK || stderr != "" || !strings.Contains(stdout, "2 lines left out") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	for _, part := range []string{
		"\n    name example.com *.example.com\n    # not here, by conf:2\n    except www.example.com *.www.example.com\n}\n",
		"\n# Not carried over:\n# conf:2: nftset=/www.example.com/4#inet#t#s#x\n#   '4#inet#t#s#x' is no",
		"\n# conf:4: ipset=/api.example.com/vpn\n#   whether ipset vpn holds",
	} {
		if text := read(t, "new.rules"); !strings.Contains(text, part) {
			t.Errorf("it lacks %q:\n%s", part, text)
		}
	}
}

func TestImportErrors(t *testing.T) {
	t.Chdir(t.TempDir())
	for name, text := range map[string]string{
		"empty":  "port=53\n",
		"good":   "nftset=/example.com/4#inet#t#s\n",
		"clash":  "nftset=/example.com/4#inet#filter#s\nipset=/example.com/s\n",
		"ipsets": "create s hash:ip family inet\n",
		"yaml":   "dns: [\n",
		"b.nft":  "in the way\n",
		"word":   "nftset=/example.com/4#inet#t#" + strings.Repeat("s", 255) + "\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no program":      {nil, exitUsage, "a program is missing: dnsmasq, smartdns, adguardhome"},
		"unknown program": {[]string{"bind", "good"}, exitUsage, "unknown program 'bind': use dnsmasq"},
		"no file":         {[]string{"dnsmasq"}, exitUsage, "a file of dnsmasq is missing"},
		"missing file":    {[]string{"dnsmasq", "nothing"}, exitWrong, "nothing: no such file"},
		"no sets":         {[]string{"dnsmasq", "empty"}, exitWrong, "nothing to import in empty: no line of nftset= and ipset= fills a set"},
		"table":           {[]string{"dnsmasq", "good", "--table", "filter"}, exitUsage, "'filter' is no family and table"},
		"clash":           {[]string{"dnsmasq", "clash", "--ipset", "ipsets"}, exitWrong, "give another --table"},
		"ipsets":          {[]string{"dnsmasq", "good", "--ipset", "nothing"}, exitWrong, "nothing: no such file"},
		"ruleset":         {[]string{"dnsmasq", "good", "--nft", "nothing"}, exitWrong, "nft can't load nothing"},
		"yaml":            {[]string{"adguardhome", "yaml"}, exitWrong, "yaml: yaml: line 1"},
		"prefix":          {[]string{"dnsmasq", "good", "--prefix", "1-"}, exitWrong, "'1-s' is no nftables name"},
		"long name":       {[]string{"dnsmasq", "word"}, exitWrong, "is no nftables name"},
		"in the way":      {[]string{"dnsmasq", "good", "--out", "b"}, exitWrong, "b.nft is there already: remove it, or choose another --out"},
		"no directory":    {[]string{"dnsmasq", "good", "--out", "c/d"}, exitWrong, "no such file or directory"},
	} {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := namewall(append([]string{"import"}, test.args...)...)
			if code != test.code || stdout != "" || !strings.Contains(stderr, test.want) {
				t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
			}
		})
	}
	if _, err := os.Stat("b.rules"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("half of it was written: %v", err)
	}
	code, stdout, stderr := namewall("import", "dnsmasq", "good", "--prefix", "")
	if code != exitOK || stderr != "" || !strings.Contains(stdout, "    set inet t s ipv4_addr\n") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
}
