package nftset

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/coredns/caddy"
	"github.com/google/go-cmp/cmp"

	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

// parseText reads the nftset directives of one server block.
func parseText(t *testing.T, text string) (*Config, error) {
	t.Helper()
	cfg := new(Config)
	if _, err := parse(caddy.NewTestController("dns", text), cfg, ""); err != nil {
		return nil, err
	}
	return cfg, cfg.finish()
}

func mustParse(t *testing.T, text string) *Config {
	t.Helper()
	cfg, err := parseText(t, text)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// with is a rule that is right, with these lines added.
func with(lines ...string) string {
	return "nftset web {\n set inet filter web4\n name www.example.org\n" + strings.Join(lines, "\n") + "\n}\n"
}

func TestDefaults(t *testing.T) {
	cfg := mustParse(t, with())
	r := cfg.Rules[0]
	if got := (rule.Lifetime{Min: time.Hour, Max: 24 * time.Hour, Grace: time.Minute}); r.Lifetime != got {
		t.Errorf("lifetime %v", r.Lifetime)
	}
	if r.Name != "web" || r.Wait != 2*time.Second || r.Limit != 1000 || r.Mode != rule.Enforce ||
		!r.FollowTargets || r.MatchChain || r.Validated || r.Clients != nil || r.Except != nil || r.Index != 0 {
		t.Errorf("got %+v", r)
	}
	if s := r.Sets[0]; s.Known || s.ID != (set.ID{Family: set.Inet, Table: "filter", Name: "web4"}) {
		t.Errorf("set %+v", s)
	}
	if cfg.Place(r) != (Place{"Testfile", 1}) || cfg.SetPlace(r, 0) != (Place{"Testfile", 2}) || len(cfg.Blocks) != 1 || cfg.Blocks[0].Rules[0] != r {
		t.Errorf("got %+v", cfg)
	}
}

func TestEveryOption(t *testing.T) {
	cfg := mustParse(t, `nftset fusionreactor {
    set  inet filter fr4 ipv4_addr . inet_proto . inet_service
    set  inet filter fr6 ipv6_addr.inet_proto.inet_service
    name cc.FusionReactor.io. *.fusionreactor.io tcp/2804 tcp/2805
    name api.fusionreactor.io tcp/443
    except test.fusionreactor.io
    except *.test.fusionreactor.io
    mode feed
    lifetime 90 7d 30s
    wait 500ms
    allow 192.0.2.0/24 2001:db8::1
    pass 198.51.100.7
    clients 203.0.113.0/24
    clients 2001:db8::/32
    limit 12
    targets ignore
    match chain
    require validated
    revoke kill
}
`)
	r := cfg.Rules[0]
	tcp := func(port uint16) set.Service { return set.Service{Proto: 6, Port: port} }
	v4 := set.Layout{Proto: true, Port: true}
	v6 := set.Layout{V6: true, Proto: true, Port: true}
	wantSets := []rule.Set{
		{ID: set.ID{Family: set.Inet, Table: "filter", Name: "fr4"}, Layout: v4, Known: true},
		{ID: set.ID{Family: set.Inet, Table: "filter", Name: "fr6"}, Layout: v6, Known: true},
	}
	if diff := cmp.Diff(wantSets, r.Sets); diff != "" {
		t.Error(diff)
	}
	if got := words(r.Names[0].Patterns); !cmp.Equal(got, []string{"cc.fusionreactor.io", "*.fusionreactor.io"}) {
		t.Errorf("patterns %q", got)
	}
	if !cmp.Equal(r.Names[0].Services, []set.Service{tcp(2804), tcp(2805)}) || !cmp.Equal(r.Names[1].Services, []set.Service{tcp(443)}) {
		t.Errorf("services %v, %v", r.Names[0].Services, r.Names[1].Services)
	}
	if got := words(r.Except); !cmp.Equal(got, []string{"test.fusionreactor.io", "*.test.fusionreactor.io"}) {
		t.Errorf("except %q", got)
	}
	if r.Mode != rule.Feed || r.Limit != 12 || r.FollowTargets || !r.MatchChain || !r.Validated || r.Wait != 500*time.Millisecond || r.Revoke != rule.RevokeKill {
		t.Errorf("got %+v", r)
	}
	if r.Lifetime != (rule.Lifetime{Min: 90 * time.Second, Max: 7 * day, Grace: 30 * time.Second}) {
		t.Errorf("lifetime %v", r.Lifetime)
	}
	if got := words(r.Clients); !cmp.Equal(got, []string{"203.0.113.0/24", "2001:db8::/32"}) {
		t.Errorf("clients %q", got)
	}
	lines := cfg.sources["fusionreactor"].lines
	if !cmp.Equal(words(lines.Allow), []string{"192.0.2.0/24", "2001:db8::1/128"}) || !cmp.Equal(words(lines.Pass), []string{"198.51.100.7/32"}) {
		t.Errorf("lines %v", lines)
	}
}

func TestNode(t *testing.T) {
	cfg := mustParse(t, with()+"nftset {\n mode feed\n allow 192.0.2.0/24\n pass 198.51.100.0/24\n}\n"+
		strings.Replace(with("mode enforce", "pass 192.0.2.0/24"), "web", "other", 1))
	for _, r := range cfg.Rules {
		if r.Mode != rule.Feed {
			t.Errorf("rule %s is not a feeder", r.Name)
		}
	}
	verdicts := []rule.Verdict{
		cfg.Rules[0].Policy.Judge(netip.MustParseAddr("192.0.2.1"), rule.Site{}),
		cfg.Rules[0].Policy.Judge(netip.MustParseAddr("198.51.100.1"), rule.Site{}),
		cfg.Rules[1].Policy.Judge(netip.MustParseAddr("192.0.2.1"), rule.Site{}),
	}
	if want := []rule.Verdict{rule.Admit, rule.Pass, rule.Pass}; !cmp.Equal(verdicts, want) {
		t.Errorf("verdicts %v, want %v", verdicts, want)
	}
	if mustParse(t, with("mode feed")+"nftset {\n mode enforce\n}").Rules[0].Mode != rule.Feed {
		t.Error("the node's default takes a rule's mode back")
	}
}

func TestWeb(t *testing.T) {
	for line, want := range map[string]string{
		"web 127.0.0.1:8480": "127.0.0.1:8480", "web [::1]:80": "[::1]:80", "web 127.9.9.9:1": "127.9.9.9:1",
		"web 192.0.2.1:8480 exposed": "192.0.2.1:8480", "web 0.0.0.0:80 exposed": "0.0.0.0:80", "mode feed": "",
	} {
		if got := mustParse(t, "nftset {\n "+line+"\n}").Node.Web; got != want {
			t.Errorf("%s: got %q", line, got)
		}
	}
}

// The server blocks of an instance share rules by name, and the node's settings
// may come last.
func TestBlocksShareRules(t *testing.T) {
	cfg := new(Config)
	var blocks []*Block
	for _, text := range []string{
		with("limit 1000 # the default"),
		strings.Replace(with(), "web", "other", 1) + with(),
		"nftset {\n mode feed\n}",
	} {
		c := caddy.NewTestController("dns", text)
		c.ServerBlockKeys = []string{"dns://.:53"}
		b, err := parse(c, cfg, "")
		if err != nil {
			t.Fatal(err)
		}
		blocks = append(blocks, b)
	}
	if err := cfg.finish(); err != nil {
		t.Fatal(err)
	}
	if len(cfg.Rules) != 2 || cfg.Rules[0].Name != "web" || cfg.Rules[1].Name != "other" || cfg.Rules[1].Index != 1 {
		t.Fatalf("rules %v", cfg.Rules)
	}
	if blocks[0].Rules[0] != cfg.Rules[0] || blocks[1].Rules[1] != cfg.Rules[0] || len(blocks[1].Rules) != 2 || len(blocks[2].Rules) != 0 {
		t.Errorf("blocks %+v", blocks)
	}
	if cfg.Rules[0].Mode != rule.Feed || cfg.Rules[1].Mode != rule.Feed {
		t.Error("a node block after the rules is not applied")
	}
	if !cmp.Equal(blocks[1].Keys, []string{"dns://.:53"}) {
		t.Errorf("keys %q", blocks[1].Keys)
	}
}

func TestConfigIsOfTheInstance(t *testing.T) {
	c := caddy.NewTestController("dns", "")
	cfg := configOf(c)
	if cfg != configOf(c) || cfg == configOf(caddy.NewTestController("dns", "")) {
		t.Error("a Config belongs to one instance")
	}
}

func TestErrors(t *testing.T) {
	const portRule = "nftset web {\n set inet filter web4 %s\n name www.example.org %s\n}"
	for name, test := range map[string]struct {
		text string
		want []string // parts of the error
	}{
		"two names":     {"nftset a b {\n}", []string{"Testfile:1 ", "unexpected 'b'"}},
		"upper case":    {"nftset Web {\n}", []string{":1 ", "'Web' is no name", "a-z"}},
		"long name":     {"nftset " + strings.Repeat("a", 64) + " {\n}", []string{":1 ", "up to 63"}},
		"no block":      {"nftset web", []string{":1 ", "no block", "'{'"}},
		"node no block": {"nftset", []string{":1 ", "no block"}},
		"not closed":    {"nftset web {\n name a", []string{":1 ", "'}'"}},
		"empty":         {"nftset web {\n}", []string{":1 ", "rule web has no set", "'set inet filter web4 ipv4_addr'"}},
		"empty in line": {"\nnftset web { }", []string{":2 ", "no set"}},
		"no name":       {"nftset web {\n set inet filter web4\n}", []string{":1 ", "rule web has no name"}},
		"after brace":   {with() + "nftset x {\n set inet filter x\n name a\n} y", []string{":9 ", "unexpected 'y' after '}'"}},
		"nested":        {with("name a {", "b", "}"), []string{":4 ", "unexpected '{' after 'name'"}},
		"bare word":     {with("wait"), []string{":4 ", "'wait' needs a value"}},
		"revoke":        {with("revoke later"), []string{":4 ", "'revoke' takes 'delete', 'keep' or 'kill', not 'later'"}},
		"revoke twice":  {with("revoke keep", "revoke kill"), []string{":5 ", "'revoke'"}},
		"unknown":       {with("timeout 5s"), []string{":4 ", "unknown option 'timeout'", "allow, clients, except, lifetime, limit, match, mode, name, names, on_change, pass, require, resolve, revoke, set, stale, static, targets, wait"}},
		"node's":        {"nftset {\n wait 5s\n}", []string{":2 ", "unknown option 'wait'", "allow, control, drops, log, mode, pass, state, web"}},
		"no group":      {"nftset {\n drops 65536\n}", []string{":2 ", "'65536' is no NFLOG group", "0 to 65535"}},
		"two groups":    {"nftset {\n drops 1\n drops 1\n}", []string{":3 ", "'drops' may stand only once"}},
		"no socket":     {"nftset {\n control run/x\n}", []string{":2 ", "'run/x' is no absolute path: write it like /run/namewall/control.sock"}},
		"no log":        {"nftset {\n log grants.log\n}", []string{":2 ", "'grants.log' is no absolute path: write it like /var/log/namewall/grants.log"}},
		"no port":       {"nftset {\n web 127.0.0.1\n}", []string{":2 ", "'127.0.0.1' is no address with a port: write it like 127.0.0.1:8480"}},
		"port 0":        {"nftset {\n web 127.0.0.1:0\n}", []string{":2 ", "is no address with a port"}},
		"page by name":  {"nftset {\n web localhost:8480\n}", []string{":2 ", "is no address with a port"}},
		"open page":     {"nftset {\n web 192.0.2.1:8480\n}", []string{":2 ", "192.0.2.1 can be reached from elsewhere", "use 127.0.0.1:8480, or say 'web 192.0.2.1:8480 exposed'"}},
		"open to all":   {"nftset {\n web [::]:8480\n}", []string{":2 ", ":: can be reached from elsewhere", "'web [::]:8480 exposed'"}},
		"not exposed":   {"nftset {\n web [::1]:8480 exposed\n}", []string{":2 ", "::1 can be reached from this machine only: take 'exposed' away"}},
		"other word":    {"nftset {\n web 192.0.2.1:8480 open\n}", []string{":2 ", "unexpected 'open': behind the address may only stand 'exposed'"}},
		"three words":   {"nftset {\n web 192.0.2.1:8480 exposed to\n}", []string{":2 ", "unexpected 'to'"}},
		"two pages":     {"nftset {\n web [::1]:80\n web [::1]:81\n}", []string{":3 ", "'web' may stand only once"}},
		"two sockets":   {"nftset {\n control off\n control /run/x\n}", []string{":3 ", "'control' may stand only once"}},
		"relative":      {"nftset {\n state var\n}", []string{":2 ", "'var' is no absolute path: write it like /var/lib/namewall"}},
		"two states":    {"nftset {\n state /a\n state /b\n}", []string{":3 ", "state"}},
		"no state":      {"nftset {\n state\n}", []string{":2 ", "state"}},
		"node twice":    {"nftset {\n mode feed\n}\n\nnftset {\n}", []string{":5 ", "already stand at Testfile:1", "only once"}},

		"set short":    {with("set inet filter"), []string{":4 ", "FAMILY TABLE SET"}},
		"set family":   {with("set inet4 filter x"), []string{":4 ", "unknown family 'inet4'", "use ip, ip6"}},
		"set twice":    {with("set inet filter web4 ipv4_addr"), []string{":4 ", "'inet filter web4'", "Testfile:2"}},
		"set type":     {with("set inet filter x ipv4_addr . mark"), []string{":4 ", "unsupported set type 'ipv4_addr . mark'", "ADDR . inet_service"}},
		"bad pattern":  {with("name *.*.example.org"), []string{":4 ", "*.*.example.org"}},
		"no pattern":   {with("name tcp/443"), []string{":4 ", "needs a pattern before 'tcp/443'"}},
		"service then": {with("name a.example tcp/443 b.example"), []string{":4 ", "'b.example' stands after a service", "patterns first"}},
		"bad service":  {with("name a.example tcp/https"), []string{":4 ", "port in 'tcp/https'", "1 to 65535"}},
		"port first":   {with("name a.example 443/tcp"), []string{":4 ", "'443/tcp'", "write tcp/443"}},
		"URL":          {with("name https://a.example:8443/path"), []string{":4 ", "is a URL", "write its name alone, a.example"}},
		"path":         {with("name a.example/path"), []string{":4 ", "is a URL", "write its name alone, a.example"}},
		"bad URL":      {with("name https://[a.example"), []string{":4 ", "is a URL", "such as www.example.com"}},
		"prefix name":  {with("name 198.51.100.0/24"), []string{":4 ", "'198.51.100.0/24' is a prefix", "ruleset"}},
		"regex":        {with(`name /^fe[0-9]+\.example$/`), []string{":4 ", "regular expression", "fe-*.example.com"}},
		"except URL":   {with("except http://a.example"), []string{":4 ", "is a URL", "write its name alone, a.example"}},
		"except regex": {with("except /example/"), []string{":4 ", "regular expression"}},
		"except":       {with("except a.example tcp/443"), []string{":4 ", "unexpected 'tcp/443'"}},
		"except bad":   {with("except a..example"), []string{":4 ", "a..example"}},

		"mode":          {with("mode permissive"), []string{":4 ", "'permissive' is neither 'enforce' nor 'feed'"}},
		"mode twice":    {with("mode feed", "mode feed"), []string{":5 ", "'mode' may stand only once"}},
		"mode two":      {with("mode feed enforce"), []string{":4 ", "unexpected 'enforce'"}},
		"targets":       {with("targets all"), []string{":4 ", "'all' is neither 'follow' nor 'ignore'"}},
		"match":         {with("match name"), []string{":4 ", "'name' is neither 'query' nor 'chain'"}},
		"require":       {with("require dnssec"), []string{":4 ", "'dnssec' can't be required", "write 'require validated'"}},
		"require two":   {with("require validated signed"), []string{":4 ", "unexpected 'signed'"}},
		"require twice": {with("require validated", "require validated"), []string{":5 ", "only once"}},
		"node mode":     {"nftset {\n mode off\n}", []string{":2 ", "'off' is neither"}},
		"lifetime one":  {with("lifetime 1h"), []string{":4 ", "MIN MAX [GRACE]"}},
		"lifetime four": {with("lifetime 1h 2h 3h 4h"), []string{":4 ", "MIN MAX [GRACE]"}},
		"lifetime word": {with("lifetime 1h forever"), []string{":4 ", "'forever' is no duration", "7d"}},
		"lifetime swap": {with("lifetime 2h 1h"), []string{":4 ", "MIN (2h) is longer than MAX (1h)"}},
		"lifetime long": {with("lifetime 1h 31d"), []string{":4 ", "'31d' is out of range", "from 1s to 30d"}},
		"lifetime zero": {with("lifetime 0 1h"), []string{":4 ", "'0' is out of range"}},
		"lifetime neg":  {with("lifetime -1h 1h"), []string{":4 ", "'-1h' is out of range"}},
		"lifetime much": {with("lifetime 1h 99999999d"), []string{":4 ", "'99999999d' is no duration"}},
		"lifetime both": {with("lifetime 1h 2h", "lifetime 1h 2h"), []string{":5 ", "only once"}},
		"wait":          {with("wait 1h"), []string{":4 ", "'1h' is out of range", "from 1ms to 30s"}},
		"limit":         {with("limit none"), []string{":4 ", "'none' is no limit", "1 to 100000"}},
		"limit zero":    {with("limit 0"), []string{":4 ", "'0' is no limit"}},

		"host bits":   {with("clients 192.0.2.9/24"), []string{":4 ", "'192.0.2.9/24'", "192.0.2.0/24 for the network", "192.0.2.9 for the address"}},
		"prefix":      {with("allow 192.0.2.0/33"), []string{":4 ", "'192.0.2.0/33' is neither a prefix nor an address"}},
		"zone":        {with("allow fe80::1%eth0"), []string{":4 ", "write fe80::1"}},
		"mapped":      {with("clients ::ffff:192.0.2.1"), []string{":4 ", "write it as IPv4, like 192.0.2.1"}},
		"both lists":  {with("allow 192.0.2.0/24", "pass 192.0.2.0/24"), []string{":5 ", "192.0.2.0/24 already stands in 'allow'"}},
		"node's both": {"nftset {\n pass 192.0.2.0/24\n allow 192.0.2.0/24\n}", []string{":3 ", "already stands in 'pass'"}},

		"ports missing":  {fmt.Sprintf(portRule, "ipv4_addr . inet_proto . inet_service", ""), []string{":2 ", "has ports", "www.example.org has none", "add PROTO/PORT"}},
		"ports unwanted": {fmt.Sprintf(portRule, "ipv4_addr", "tcp/443"), []string{":2 ", "has no ports", "tcp/443", "'ipv4_addr . inet_proto . inet_service'"}},
		"one protocol":   {fmt.Sprintf(portRule, "ipv4_addr . inet_service", "tcp/443"), []string{":2 ", "no protocol", "tcp/443", "'ipv4_addr . inet_proto . inet_service'"}},
		"mixed lines":    {with("name a.example tcp/443"), []string{":4 ", "lines with ports and lines without", "Testfile:3", "two rules"}},

		"two rules": {with() + with("limit 7"), []string{":6 ", "rule web differs", "Testfile:1"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseText(t, test.text)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, part := range test.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q lacks %q", err, part)
				}
			}
		})
	}
}

func TestBothProtocols(t *testing.T) {
	mustParse(t, "nftset web {\n set inet filter web4 ipv4_addr . inet_service\n name www.example.org tcp/443 udp/443\n}")
}

func TestDurations(t *testing.T) {
	for _, test := range []struct {
		in   string
		want time.Duration
		form string
	}{
		{"30", 30 * time.Second, "30s"}, {"90s", 90 * time.Second, "90s"}, {"1h30m", 90 * time.Minute, "90m"},
		{"24h", day, "1d"}, {"7d", 7 * day, "7d"}, {"250ms", 250 * time.Millisecond, "250ms"}, {"1.5s", 1500 * time.Millisecond, "1.5s"},
		{"65535d", 65535 * day, "65535d"},
	} {
		got, ok := parseDuration(test.in)
		if !ok || got != test.want || formatDuration(got) != test.form {
			t.Errorf("%s: got %v (%s)", test.in, got, formatDuration(got))
		}
	}
	for _, in := range []string{"", "d", "-1d", "1.5d", "65536d", "1w", "h", "99999999999999999999"} {
		if d, ok := parseDuration(in); ok {
			t.Errorf("%q taken for %v", in, d)
		}
	}
}
