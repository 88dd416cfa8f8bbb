package feeders

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// files writes files into a directory of their own and returns it. DIR in a text
// stands for it.
func files(t *testing.T, texts map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range texts {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "DIR", dir)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// summary is what was read, a line for each of the configuration.
func summary(c *Config, dir string) string {
	var b strings.Builder
	for _, a := range c.Assignments {
		b.WriteString(a.Place.String() + ":")
		for _, d := range a.Domains {
			word := d.Name
			switch {
			case word == "":
				word = "every"
			case !d.Apex:
				word = "*." + word
			case !d.Below:
				word = "=" + word
			}
			b.WriteString(" " + word)
		}
		b.WriteString(" ->")
		for _, t := range a.Targets {
			b.WriteString(" " + map[Family]string{Untold: "", IPv4: "4:", IPv6: "6:"}[t.Family] + strings.ReplaceAll(t.String(), " ", "/"))
		}
		if a.Final {
			b.WriteString(" none")
		}
		b.WriteString("\n")
	}
	for _, p := range c.Problems {
		b.WriteString(p.Error() + "\n")
	}
	return strings.ReplaceAll(b.String(), dir+"/", "")
}

// What real dnsmasq 2.90 makes of these lines has been tried.
func TestDnsmasqLines(t *testing.T) {
	for _, test := range []struct{ line, want, problem string }{
		{"nftset=/example.com/4#inet#fw4#vpn4,6#inet#fw4#vpn6", "example.com -> 4:inet/fw4/vpn4 6:inet/fw4/vpn6", ""},
		{"nftset=/a.example/B.Example./inet#fw4#vpn", "a.example b.example -> inet/fw4/vpn", ""},
		{"nftset=/example.com/t#s", "example.com -> ip/t/s", ""},
		{"nftset=/example.com/6#t#s", "example.com -> 6:ip/t/s", ""},
		{"nftset=/#/4#inet#t#s", "every -> 4:inet/t/s", ""},
		{"nftset=//4#inet#t#s", "every -> 4:inet/t/s", ""},
		{"nftset=/a.example//4#inet#t#s", "a.example every -> 4:inet/t/s", ""},
		{"nftset=4#inet#t#s", "every -> 4:inet/t/s", ""},
		{"nftset=/..example.com/4#inet#t#s", "example.com -> 4:inet/t/s", ""},
		{"nftset=/bücher.example/4#inet#t#s", "xn--bcher-kva.example -> 4:inet/t/s", ""},
		{"nftset=/example.com/ 4#inet#t#s , 4#inet#t#r", "example.com -> 4:inet/t/s 4:inet/t/r", ""},
		{"  nftset = /example.com/4#inet#t#s  # a comment", "example.com -> 4:inet/t/s", ""},
		{`nftset="/example.com/4#inet#t#s" # a comment`, "example.com -> 4:inet/t/s", ""},
		{"nftset=/example.com/4#inet#t#s\r", "example.com -> 4:inet/t/s", ""},
		{"nftset=" + strings.Repeat("/a.example", 200) + "/t#s", strings.Repeat("a.example ", 200) + "-> ip/t/s", ""},
		{"ipset=/example.com/a.example/vpn,vpn-6", "example.com a.example -> ipset/vpn ipset/vpn-6", ""},
		{"ipset=/#/vpn", "every -> ipset/vpn", ""},
		{"# nftset=/example.com/4#inet#t#s", "", ""},
		{"server=/example.com/192.0.2.53", "", ""},

		{"nftset=/example.com/", "->", "no set behind the last '/'"},
		{"nftset=/example.com", "->", "no set behind the last '/'"},
		{"nftset=", "every ->", "'' is no [4#|6#][FAMILY#]TABLE#SET"},
		{"nftset=/*.example.com/4#inet#t#s", "->", "write /example.com/"},
		{"nftset=/a.example/*.example.com/4#inet#t#s", "a.example ->", "write /example.com/"},
		{"nftset=/example.com/4#inet#t#s#x", "example.com ->", "'4#inet#t#s#x' is no"},
		{"nftset=/example.com/4#inet#t#s,", "example.com ->", "'' is no"},
		{"nftset=/example.com/4#inet6#t#s", "example.com ->", "unknown family 'inet6'"},
		{"nftset=/a b.example/4#inet#t#s", "->", "there is a blank in it"},
		{"nftset=/192.0.2.1/4#inet#t#s", "->", "it is an address"},
		{"ipset=/example.com/" + strings.Repeat("x", 32), "example.com ->", "up to 31 characters"},
		{`nftset="/example.com/4#inet#t#s`, "", "add the missing \""},
		{"conf-script=/bin/generate", "", "the script isn't run"},
	} {
		dir := files(t, map[string]string{"conf": test.line + "\n"})
		c, err := Dnsmasq(filepath.Join(dir, "conf"))
		if err != nil {
			t.Errorf("%s: %v", test.line, err)
			continue
		}
		check(t, c, dir, test.line, test.want, test.problem)
	}
}

// check fails unless a line was read as wanted, and has this in its problem.
func check(t *testing.T, c *Config, dir, line, want, problem string) {
	t.Helper()
	problems := c.Problems
	c.Problems = nil
	if got := strings.TrimSpace(strings.ReplaceAll(summary(c, dir), "conf:1: ", "")); got != want {
		t.Errorf("%s: got\n%s", line, got)
	}
	if len(problems) > 0 != (problem != "") || problem != "" && !strings.Contains(problems[0].Error(), "/conf:1: ") ||
		problem != "" && !strings.Contains(problems[0].Error(), problem) {
		t.Errorf("%s: problems %v", line, problems)
	}
}

func TestDnsmasqFiles(t *testing.T) {
	dir := files(t, map[string]string{
		"main": `port=53
conf-file=DIR/more
conf-dir=DIR/d,*.conf
conf-dir=DIR/e,.bak,.dpkg-old
conf-file = DIR/main # itself
nftset=/main.example/4#inet#t#s
`,
		"more":         "nftset=/more.example/4#inet#t#s\n",
		"d/b.conf":     "nftset=/b.example/4#inet#t#s\n",
		"d/a.conf":     "\nnftset=/a.example/4#inet#t#s",
		"d/c":          "nftset=/c.example/4#inet#t#s\n",
		"d/.h.conf":    "nftset=/h.example/4#inet#t#s\n",
		"e/x":          "nftset=/x.example/4#inet#t#s\n",
		"e/x.bak":      "nftset=/bak.example/4#inet#t#s\n",
		"e/x.dpkg-old": "nftset=/old.example/4#inet#t#s\n",
		"e/x~":         "nftset=/tilde.example/4#inet#t#s\n",
		"e/#x#":        "nftset=/hash.example/4#inet#t#s\n",
		"e/dir/x":      "nftset=/dir.example/4#inet#t#s\n",
	})
	c, err := Dnsmasq(filepath.Join(dir, "main"), filepath.Join(dir, "more"))
	if err != nil {
		t.Fatal(err)
	}
	const want = `more:1: more.example -> 4:inet/t/s
d/a.conf:2: a.example -> 4:inet/t/s
d/b.conf:1: b.example -> 4:inet/t/s
e/x:1: x.example -> 4:inet/t/s
main:6: main.example -> 4:inet/t/s
`
	if got := summary(c, dir); got != want {
		t.Errorf("got\n%s", got)
	}
	for name, text := range map[string]string{
		"conf:1: open /nowhere: no such": "conf-dir=/nowhere\n",
		"conf:2: open /nowhere: no such": "\nconf-file=/nowhere\n",
	} {
		dir := files(t, map[string]string{"conf": text})
		if _, err := Dnsmasq(filepath.Join(dir, "conf")); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Where a line can't be carried over, its names must not fall to the line above.
func TestRefusedNamesGoNowhere(t *testing.T) {
	dir := files(t, map[string]string{"conf": "nftset=/example.com/4#inet#t#s\nnftset=/www.example.com/4#inet#t#s#x\nipset=/api.example.com/vpn\n"})
	c, err := Dnsmasq(filepath.Join(dir, "conf"))
	if err != nil {
		t.Fatal(err)
	}
	c.Settle(Types{})
	const want = "s: [inet t s]\n  name [\"example.com\" \"*.example.com\"]\n  except \"www.example.com\"\n  except \"*.www.example.com\"\n"
	if got := show(c.Rules()); got != want || len(c.Problems) != 2 {
		t.Errorf("%v\n%s", c.Problems, got)
	}
}
