package feeders

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestSmartDNSLines(t *testing.T) {
	for _, test := range []struct{ line, want, problem string }{
		{"nftset /example.com/#4:inet#t#s4,#6:inet#t#s6", "example.com -> 4:inet/t/s4\nexample.com -> 6:inet/t/s6", ""},
		{"nftset /example.com/#4:inet#t#a,#4:inet#t#b", "example.com -> 4:inet/t/a 4:inet/t/b", ""},
		{"nftset #4:ip#t#s", "every -> 4:ip/t/s", ""},
		{"nftset /./#4:ip#t#s", "every -> 4:ip/t/s", ""},
		{"nftset /*.example.com/#4:ip#t#s", "*.example.com -> 4:ip/t/s", ""},
		{"nftset /-.example.com/#4:ip#t#s", "=example.com -> 4:ip/t/s", ""},
		{"nftset /*-.example.com/#4:ip#t#s", "example.com -> 4:ip/t/s", ""},
		{"nftset /.example.com/#4:ip#t#s", "example.com -> 4:ip/t/s", ""},
		{"nftset /bücher.example/#4:ip#t#s", "xn--bcher-kva.example -> 4:ip/t/s", ""},
		{"nftset /example.com/-", "example.com -> none\nexample.com -> none", ""},
		{"nftset /example.com/#6:-", "example.com -> none", ""},
		{"ipset /example.com/vpn,#6:vpn6", "example.com -> ipset/vpn\nexample.com -> 6:ipset/vpn6", ""},
		{"ipset /example.com/-,#4:-", "example.com -> none\nexample.com -> none", ""},
		{"ipset vpn", "every -> ipset/vpn", ""},
		{"domain-rules /example.com/ -c none -nftset #4:ip#t#s -ipset vpn", "example.com -> 4:ip/t/s\nexample.com -> ipset/vpn", ""},
		{"domain-rules /example.com/ -t=#4:ip#t#s", "example.com -> 4:ip/t/s", ""},
		{"domain-rules /example.com/ -nameserver a", "", ""},
		{`nftset "/example.com/#4:ip#t#s"`, "example.com -> 4:ip/t/s", ""},
		{"nftset /example.com/#4:ip#t#s # comment", "example.com -> 4:ip/t/s", ""},
		{"# nftset /example.com/#4:ip#t#s", "", ""},
		{"server 192.0.2.53 -group a", "", ""},
		{"nftset-timeout yes", "", ""},

		{"nftset /example.com/inet#t#s", "example.com ->\nexample.com ->", "neither #4:FAMILY#TABLE#SET nor"},
		{"nftset /example.com/#4:t#s", "example.com ->", "neither #4:FAMILY#TABLE#SET nor"},
		{"nftset /example.com/#4:inet6#t#s", "example.com ->", "unknown family 'inet6'"},
		{"nftset /*example.com/#4:ip#t#s", "->", "write the names"},
		{"nftset /-example.com/#4:ip#t#s", "->", "write the names"},
		{"nftset //#4:ip#t#s", "->", "no domain between the slashes"},
		{"nftset /a.example/b.example/#4:ip#t#s", "a.example ->\na.example ->", "neither"},
		{"nftset /domain-set:x/#4:ip#t#s", "->", "no domain-set x above"},
		{"domain-set -name x -type geosite -file x", "", "a geosite file can't be read"},
		{"domain-set -name x", "", "needs -name and -file"},
		{"conf-file nowhere*", "", "no file"},
		{"domain-rules /example.com/ -delete", "", "take them out"},
		{"domain-rules /example.com/ -nftset #4:ip#t#s -g kids", "", "group kids alone"},
		{"bind [::]:53 -nftset #4:ip#t#s", "", "'clients'"},
		{"client-rules 192.0.2.0/24 -no-rule-ipset", "", "'clients'"},
		{"nftset-no-speed #4:ip#t#s", "", "speed test"},
	} {
		dir := files(t, map[string]string{"conf": test.line + "\n"})
		c, err := SmartDNS(filepath.Join(dir, "conf"))
		if err != nil {
			t.Errorf("%s: %v", test.line, err)
			continue
		}
		check(t, c, dir, test.line, test.want, test.problem)
	}
}

func TestSmartDNSFiles(t *testing.T) {
	dir := files(t, map[string]string{
		"main": `domain-set -name list -type list -file lists/a
domain-set -name list -file lists/b
nftset /first.example/#4:inet#t#s,\
# a comment
  #4:inet#t#r
nftset /domain-set:list/#4:inet#t#s
conf-file d/*.conf
conf-file d/x.conf
conf-file kids -group kids
group-begin guests
ipset /guests.example/vpn
group-end
nftset /end.example/#4:inet#t#s,\
   #6:inet#t#s6
`,
		"lists/a":  "\ufeff# a comment\na.example\n\n*.b.example and a remark\n",
		"lists/b":  ".c.example\n",
		"d/x.conf": "nftset /x.example/#4:inet#t#s\n",
		"d/y.conf": "nftset /y.example/#4:inet#t#s\n",
		"kids":     "nftset /kids.example/#4:inet#t#s\n",
	})
	c, err := SmartDNS(filepath.Join(dir, "main"))
	if err != nil {
		t.Fatal(err)
	}
	got := summary(c, dir)
	for _, want := range []string{
		"main:3: first.example -> 4:inet/t/s 4:inet/t/r\nmain:6: a.example *.b.example c.example -> 4:inet/t/s\n",
		"d/x.conf:1: x.example -> 4:inet/t/s\nd/y.conf:1: y.example -> 4:inet/t/s\nmain:13: end.example -> 4:inet/t/s\n",
		"kids:1: it is for the group kids alone",
		"main:11: it is for the group guests alone",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %q:\n%s", want, got)
		}
	}
}

// A `-` ends what the names above it feed, for one family or for both, and the
// line that comes to nothing by it says so.
func TestSmartDNSExceptions(t *testing.T) {
	dir := files(t, map[string]string{"conf": `nftset /example.com/#4:inet#t#s4,#6:inet#t#s6
nftset /six.example.com/#4:-
nftset /none.example.com/-
nftset /back.none.example.com/#4:inet#t#s4
`})
	c, err := SmartDNS(filepath.Join(dir, "conf"))
	if err != nil {
		t.Fatal(err)
	}
	const want = `s: [inet t s4 inet t s6]
  name ["example.com" "*.example.com"]
  except "six.example.com"
  except "*.six.example.com"
  except "none.example.com"
  except "*.none.example.com"
s6: [inet t s6]
  name ["six.example.com" "*.six.example.com"]
`
	if got := strings.Replace(show(c.Rules()), "s-2:", "s6:", 1); got != want {
		t.Errorf("got\n%s", got)
	}
	last := c.Assignments[len(c.Assignments)-1]
	if len(last.Notes) != 1 || !strings.HasSuffix(last.Notes[0], "conf:3 has the word about all names below its own") {
		t.Errorf("notes %q", last.Notes)
	}
}
