package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/namewall/namewall/internal/nstest"
	"github.com/namewall/namewall/internal/set"
	"github.com/namewall/namewall/internal/state"
)

// exportStage is a directory with a Corefile, a namespace with its sets and some
// elements, and a state file that knows the names of one of them.
func exportStage(t *testing.T) *nstest.Namespace {
	t.Helper()
	dir := t.TempDir()
	text := strings.ReplaceAll(read(t, "testdata/export/Corefile"), "STATE", filepath.Join(dir, "state"))
	elements := read(t, "testdata/export/elements.nft")
	t.Chdir(dir)
	writeFile(t, "Corefile", text)
	ns := nstest.New(t)
	// One without a default timeout, where elements can stay.
	ns.Nft("table inet filter {\n set web4 { type ipv4_addr; flags timeout; }\n}\n")
	_, declarations, _ := namewall("nft")
	ns.Nft(strings.Replace(declarations, "set web4 {\n\t\ttype ipv4_addr\n\t\tsize 65536\n\t\tflags timeout\n\t\ttimeout 1h", "set web4 {\n\t\ttype ipv4_addr\n\t\tflags timeout", 1))
	ns.Nft(elements)

	d, err := state.Open("state")
	if err != nil {
		t.Fatal(err)
	}
	web4 := state.Set{ID: set.ID{Family: set.Inet, Table: "filter", Name: "web4"}}
	reason := func(name string) state.Reason { return state.Reason{Rule: "web", Name: name, Left: time.Hour} }
	err = d.Save(state.Snapshot{
		Taken: d.Now(),
		Sets:  []state.Set{web4},
		Rules: []state.Rule{{Name: "web"}},
		Bindings: []state.Binding{{
			Key: web4.Layout.Key(netip.Addr{}, netip.MustParseAddr("198.51.100.1"), set.Service{}), Left: time.Hour,
			Reasons: []state.Reason{reason("www.example.org."), reason(`x\010y.example.org.`), reason("a.example.org.")},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return ns
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// exported runs the command in a namespace.
func exported(ns *nstest.Namespace, args ...string) (code int, stdout, stderr string) {
	_ = ns.Do(func() error {
		code, stdout, stderr = namewall(append([]string{"export"}, args...)...)
		return nil
	})
	return code, stdout, stderr
}

func TestExportList(t *testing.T) {
	ns := exportStage(t)
	code, stdout, stderr := exported(ns, "web", "--format", "list")
	if code != exitOK || stdout != "198.51.100.1\n198.51.100.2\n198.51.100.3\n2001:db8::1\n" || stderr != "" {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
}

func TestExportHosts(t *testing.T) {
	ns := exportStage(t)
	code, stdout, stderr := exported(ns, "web", "--format", "hosts")
	_, lines, _ := strings.Cut(stdout, "\n")
	if code != exitOK || lines != "198.51.100.1 a.example.org\n198.51.100.1 www.example.org\n" || stderr != "namewall: 3 elements left out: nobody has asked namewall for a name of it\n" {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	if err := os.RemoveAll("state"); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr = exported(ns, "web", "--format", "hosts")
	if code != exitWrong || stdout != "" || !strings.Contains(stderr, "the names aren't known: ") || !strings.Contains(stderr, "--resolve") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
}

// row is an element as csv and JSON have it, but for how much of its life is left.
type row struct {
	Rules, Set, Client, Address, Protocol, Port, Names, Timeout string
}

var exportRows = []row{
	{Rules: "agents", Set: "inet filter agents4", Address: "198.51.100.1", Protocol: "tcp", Port: "443", Timeout: "7200"},
	{Rules: "agents", Set: "inet filter agents4", Address: "198.51.100.1", Protocol: "udplite", Port: "443", Timeout: "3600"},
	{Rules: "who", Set: "inet filter asked6", Client: "2001:db8:1::9", Address: "2001:db8::1", Timeout: "7200"},
	{Rules: "web also", Set: "inet filter web4", Address: "198.51.100.1", Names: "a.example.org www.example.org", Timeout: "7200"},
	{Rules: "web also", Set: "inet filter web4", Address: "198.51.100.2"},
	{Rules: "web also", Set: "inet filter web4", Address: "198.51.100.3", Timeout: "3600"},
	{Rules: "web", Set: "inet filter web6", Address: "2001:db8::1", Timeout: "7200"},
}

func TestExportCSV(t *testing.T) {
	ns := exportStage(t)
	code, stdout, stderr := exported(ns, "--all", "--format", "csv")
	if code != exitOK || stderr != "" {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	lines, err := csv.NewReader(strings.NewReader(stdout)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if header := strings.Join(lines[0], ","); header != "rules,set,client,address,protocol,port,names,timeout,expires" {
		t.Errorf("header %s", header)
	}
	var got []row
	for _, l := range lines[1:] {
		got = append(got, row{l[0], l[1], l[2], l[3], l[4], l[5], l[6], l[7]})
		if (l[7] == "") != (l[8] == "") {
			t.Errorf("%q: a life without a rest", l)
		}
	}
	if diff := cmp.Diff(exportRows, got); diff != "" {
		t.Error(diff)
	}
}

func TestExportJSON(t *testing.T) {
	ns := exportStage(t)
	code, stdout, stderr := exported(ns, "--all", "--format", "json")
	if code != exitOK || stderr != "" {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	var got struct {
		Taken   time.Time
		Source  string
		Entries []struct {
			Rules, Names                   []string
			Set, Client, Address, Protocol string
			Port                           int
			Timeout, Expires               *int
		}
	}
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatal(err)
	}
	if got.Source != "kernel" || time.Since(got.Taken) > time.Hour {
		t.Errorf("%s, %s", got.Source, got.Taken)
	}
	var rows []row
	for _, e := range got.Entries {
		r := row{Rules: strings.Join(e.Rules, " "), Set: e.Set, Client: e.Client, Address: e.Address, Protocol: e.Protocol, Names: strings.Join(e.Names, " ")}
		if e.Port != 0 {
			r.Port = fmt.Sprint(e.Port)
		}
		if e.Timeout != nil {
			r.Timeout = fmt.Sprint(*e.Timeout)
			if *e.Expires < 1 || *e.Expires > *e.Timeout {
				t.Errorf("%v: %d left of %d", r, *e.Expires, *e.Timeout)
			}
		}
		rows = append(rows, r)
	}
	if diff := cmp.Diff(exportRows, rows); diff != "" {
		t.Error(diff)
	}
}

// lives are the elements of a set, with what is left of their lives in minutes.
func lives(ns *nstest.Namespace, name string) []string {
	out := ns.Command("", "nft", "list", "set", "inet", "filter", name)
	var all []string
	for _, m := range regexp.MustCompile(`([0-9a-f:.]+(?: \. [0-9a-z:.]+)*)(?: timeout \w+)?(?: expires (\w+))?[, ]`).FindAllStringSubmatch(out[strings.Index(out, "elements"):], -1) {
		left, _ := time.ParseDuration(regexp.MustCompile(`\d+ms$`).ReplaceAllString(strings.ReplaceAll(m[2], "3649d", "87600h"), ""))
		all = append(all, fmt.Sprintf("%s: %d", m[1], int(left.Round(time.Minute).Minutes())))
	}
	slices.Sort(all)
	return all
}

// What nft gets makes another machine's sets what they are here: where there are
// none, and where there are other elements and lives.
func TestExportNft(t *testing.T) {
	ns := exportStage(t)
	code, stdout, stderr := exported(ns, "--all", "--format", "nft")
	if code != exitOK || stderr != "" || !strings.Contains(stdout, "# a.example.org, www.example.org\n") {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	other := nstest.New(t)
	for range 2 {
		other.Command(stdout, "nft", "-c", "-f", "-")
		other.Nft(stdout)
		for _, name := range []string{"web4", "web6", "agents4", "asked6"} {
			if diff := cmp.Diff(lives(ns, name), lives(other, name)); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
		// A life that has sunk is what it was again.
		other.Nft("delete element inet filter web6 { 2001:db8::1 }\nadd element inet filter web6 { 2001:db8::1 timeout 2h expires 5m }\n")
	}
}

// One transaction reloads the ruleset and puts back what the sets held, with what
// was left: those that are still declared, and in the form in which they are now.
func TestExportFor(t *testing.T) {
	ns := exportStage(t)
	before := lives(ns, "agents4")
	writeFile(t, "new.nft", `flush ruleset
table inet filter {
	set agents4 { type ipv4_addr . inet_proto . inet_service; size 100; flags timeout; timeout 30m; }
	set web4 { type ipv4_addr . inet_service; flags timeout; }
	set asked6 { type ipv6_addr . ipv6_addr; flags interval; }
}
`)
	code, stdout, stderr := exported(ns, "--all", "--format", "nft", "--for", "new.nft")
	if code != exitOK || stderr != "" {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	for _, part := range []string{
		"\n# set inet filter web4: its type is 'ipv4_addr', and 'ipv4_addr . inet_service' in new.nft\n",
		"\n# set inet filter web6: new.nft declares none\n",
		"\n# set inet filter asked6: in new.nft unusable set: ",
	} {
		if !strings.Contains(stdout, part) {
			t.Errorf("%s\nlacks %q", stdout, part)
		}
	}
	if strings.Contains(stdout, "table inet filter {") || strings.Contains(stdout, "delete") {
		t.Errorf("it is more than elements:\n%s", stdout)
	}
	writeFile(t, "elements.nft", stdout)
	ns.Nft("include \"./new.nft\"\ninclude \"./elements.nft\"\n")
	if diff := cmp.Diff(before, lives(ns, "agents4")); diff != "" {
		t.Error(diff)
	}
}

func TestExportResolved(t *testing.T) {
	t.Chdir(t.TempDir())
	server := serveRecords(t,
		"www.example.org. 60 IN CNAME cdn.example.net.",
		"cdn.example.net. 60 IN A 198.51.100.1",
		"cdn.example.net. 60 IN A 10.0.0.1",
		"cdn.example.net. 60 IN AAAA 2001:db8::1",
		"api.example.org. 7200 IN A 198.51.100.1",
		"cc.example.org. 60 IN A 198.51.100.2",
	)
	writeFile(t, "Corefile", `. {
    nftset {
        allow 198.51.100.0/24 2001:db8::/32
    }
    nftset agents {
        set inet filter agents4 ipv4_addr . inet_proto . inet_service
        set inet filter agents6 ipv6_addr . inet_service
        name www.example.org api.example.org tcp/443 udp/443
        name cc.example.org *.example.org tcp/2804 udp/2804
        except not.example.org
    }
}
`)
	for format, want := range map[string]string{
		"list":  "198.51.100.1\n198.51.100.2\n2001:db8::1\n",
		"hosts": "198.51.100.1 api.example.org\n198.51.100.1 www.example.org\n198.51.100.2 cc.example.org\n2001:db8::1 www.example.org\n",
		"csv": `agents,,,198.51.100.1,tcp,443,api.example.org www.example.org,8160,8160
agents,,,198.51.100.1,udp,443,api.example.org www.example.org,8160,8160
agents,,,198.51.100.2,tcp,2804,cc.example.org,3660,3660
agents,,,198.51.100.2,udp,2804,cc.example.org,3660,3660
agents,,,2001:db8::1,tcp,443,www.example.org,3660,3660
agents,,,2001:db8::1,udp,443,www.example.org,3660,3660
`,
	} {
		code, stdout, stderr := namewall("export", "agents", "--format", format, "--server", server)
		if format != "list" {
			_, stdout, _ = strings.Cut(stdout, "\n")
		}
		if diff := cmp.Diff(want, stdout); diff != "" || code != exitOK || stderr != "" {
			t.Errorf("%s: exit code %d\n%s%s", format, code, diff, stderr)
		}
	}
	code, stdout, stderr := namewall("export", "--all", "--format", "nft", "--server", server)
	if code != exitOK || stderr != "" {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	ns := nstest.New(t)
	ns.Nft(stdout)
	for name, want := range map[string][]string{
		"agents4": {"198.51.100.1 . tcp . 443: 136", "198.51.100.1 . udp . 443: 136", "198.51.100.2 . tcp . 2804: 61", "198.51.100.2 . udp . 2804: 61"},
		"agents6": {"2001:db8::1 . 443: 61"},
	} {
		if diff := cmp.Diff(want, lives(ns, name)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// An element that stays is one that does nearly, where nft has no word for it.
func TestPermanentElement(t *testing.T) {
	var one entry
	if got := one.nftLife(0); got != "" {
		t.Errorf("got '%s'", got)
	}
	life := one.nftLife(time.Hour)
	ns := nstest.New(t)
	ns.Nft("table inet t {\n set s { type ipv4_addr; flags timeout; timeout 1h; elements = { 198.51.100.1" + life + " } }\n}\n")
	if out := ns.Command("", "nft", "list", "ruleset"); !strings.Contains(out, "timeout 3650d") {
		t.Errorf("%s:\n%s", life, out)
	}
}

func TestExportJavaPolicy(t *testing.T) {
	t.Chdir(t.TempDir())
	writeFile(t, "Corefile", `. {
    nftset fusionreactor {
        set inet filter fr4 ipv4_addr . inet_proto . inet_service
        name cc.fusionreactor.io tcp/2804 udp/2804
        name api.fusionreactor.io *.fusionreactor.io tcp/443
    }
    nftset whole {
        set inet filter whole4
        name www.example.org
    }
}
`)
	code, stdout, stderr := namewall("export", "--all", "--format", "java-policy")
	_, text, _ := strings.Cut(stdout, "\n")
	const want = `grant {
    // rule fusionreactor
    permission java.net.SocketPermission "cc.fusionreactor.io:2804", "connect, accept, resolve";
    permission java.net.SocketPermission "api.fusionreactor.io:443", "connect, accept, resolve";
    // left out: *.fusionreactor.io
    // rule whole
    permission java.net.SocketPermission "www.example.org", "connect, accept, resolve";
};
`
	if diff := cmp.Diff(want, text); diff != "" || code != exitOK || stderr != "" {
		t.Errorf("exit code %d\n%s%s", code, diff, stderr)
	}
}

// Whatever is missing, nothing is printed, and the error says what to do.
func TestExportErrors(t *testing.T) {
	t.Chdir(t.TempDir())
	server := serveRecords(t, "private.example.org. 60 IN A 10.0.0.1")
	rules := func(name, lines string) string {
		return " nftset " + name + " {\n  set inet filter " + name + "\n  " + lines + "\n }\n"
	}
	writeFile(t, "Corefile", ". {\n"+
		rules("none", "name none.example.org")+
		rules("private", "name private.example.org")+
		rules("wild", "name *.example.org")+
		rules("signed", "name private.example.org\n  require validated")+
		" nftset pairs {\n  set inet filter pairs ipv4_addr . ipv4_addr\n  name www.example.org\n }\n"+
		"}\n")
	writeFile(t, "empty", ". {\n errors\n}\n")
	writeFile(t, "pairs", ". {\n nftset pairs {\n  set inet filter pairs ipv4_addr . ipv4_addr\n  name www.example.org\n }\n}\n")
	for name, test := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no rule":        {[]string{"--format", "list"}, exitUsage, "a rule is missing: name one, or write --all"},
		"two rules":      {[]string{"none", "wild", "--format", "list"}, exitUsage, "unexpected 'wild'"},
		"rule and all":   {[]string{"none", "--all", "--format", "list"}, exitUsage, "unexpected 'none': --all is every rule"},
		"no format":      {[]string{"none"}, exitUsage, "--format is missing: use list, hosts, csv, json, nft, java-policy"},
		"bad format":     {[]string{"none", "--format", "xml"}, exitUsage, "unknown format 'xml'"},
		"for":            {[]string{"none", "--format", "list", "--for", "x"}, exitUsage, "--for is for --format nft"},
		"java resolved":  {[]string{"none", "--format", "java-policy", "--resolve"}, exitUsage, "java-policy needs no look-up"},
		"bad server":     {[]string{"none", "--format", "list", "--server", "x"}, exitUsage, "'x' is no address of a resolver"},
		"unknown rule":   {[]string{"other", "--format", "list"}, exitWrong, "Corefile has no rule other: it has none, private, wild, signed, pairs"},
		"empty":          {[]string{"--all", "--format", "list", "-conf", "empty"}, exitWrong, "empty has no rule"},
		"no set":         {[]string{"none", "--format", "list"}, exitWrong, "set inet filter none: there is none: load the ruleset"},
		"no such name":   {[]string{"none", "--format", "list", "--server", server}, exitWrong, "rule none: none.example.org does not exist"},
		"refused":        {[]string{"private", "--format", "list", "--server", server}, exitWrong, "private.example.org has no address that the rule admits"},
		"not validated":  {[]string{"signed", "--format", "list", "--server", server}, exitWrong, "is not validated, and the rule says 'require validated'"},
		"wildcard":       {[]string{"wild", "--format", "list", "--server", server}, exitWrong, "rule wild has no exact name"},
		"java wildcard":  {[]string{"wild", "--format", "java-policy"}, exitWrong, "rule wild has no exact name"},
		"untyped":        {[]string{"private", "--format", "nft", "--server", server}, exitWrong, "add its type"},
		"resolved pairs": {[]string{"pairs", "--format", "nft", "--server", server, "-conf", "pairs"}, exitWrong, "pairs:3: set inet filter pairs has the client in its keys"},
	} {
		t.Run(name, func(t *testing.T) {
			var code int
			var stdout, stderr string
			if slices.Contains(test.args, server) { // which is not in a namespace of its own
				code, stdout, stderr = namewall(append([]string{"export"}, test.args...)...)
			} else {
				code, stdout, stderr = exported(nstest.New(t), test.args...)
			}
			if code != test.code || stdout != "" || !strings.Contains(stderr, test.want) {
				t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
			}
		})
	}
}
