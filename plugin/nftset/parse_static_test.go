package nftset

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/namewall/namewall/internal/rule"
)

// written is a rule of static lines alone, with sets of these types.
func written(types []string, lines ...string) string {
	text := "nftset fixed {\n"
	for i, t := range types {
		text += " set inet filter fixed" + string(rune('a'+i)) + " " + t + "\n"
	}
	return text + strings.Join(lines, "\n") + "\n}\n"
}

func TestStatic(t *testing.T) {
	cfg := mustParse(t, written([]string{"ipv4_addr . inet_proto . inet_service", "ipv6_addr . inet_proto . inet_service"},
		"static 192.0.2.1 2001:db8::1/128 tcp/443 tcp/2804", "static 192.0.2.1 udp/443", "name www.example.org tcp/443"))
	r := cfg.Rules[0]
	if len(r.Statics) != 2 || !r.Ports() {
		t.Fatalf("got %+v", r.Statics)
	}
	if got := words(r.Statics[0].Prefixes); !cmp.Equal(got, []string{"192.0.2.1/32", "2001:db8::1/128"}) {
		t.Errorf("addresses %q", got)
	}
	if got := words(r.Statics[0].Services); !cmp.Equal(got, []string{"tcp/443", "tcp/2804"}) {
		t.Errorf("services %q", got)
	}
	text := format(r, rule.Lines{})
	if !strings.Contains(text, "\n    static 192.0.2.1 2001:db8::1 tcp/443 tcp/2804\n    static 192.0.2.1 udp/443\n") {
		t.Errorf("written as\n%s", text)
	}
	if again := mustParse(t, text); format(again.Rules[0], rule.Lines{}) != text {
		t.Errorf("read back as\n%s", format(again.Rules[0], rule.Lines{}))
	}
}

func TestStaticMax(t *testing.T) {
	var lines []string
	for n := range staticMax/1000 + 1 {
		line := "static"
		for k := range 1000 {
			at := n*1000 + k
			line += " " + netip.AddrFrom4([4]byte{10, byte(at >> 16), byte(at >> 8), byte(at)}).String()
		}
		lines = append(lines, line)
	}
	_, err := parseText(t, written([]string{"ipv4_addr"}, lines...))
	if err == nil || !strings.Contains(err.Error(), "Testfile:103 ") || !strings.Contains(err.Error(), "more than 100000 elements") {
		t.Errorf("%.200v", err)
	}
	if _, err := parseText(t, written([]string{"ipv4_addr"}, lines[1:]...)); err != nil {
		t.Errorf("%.200v", err)
	}
}

// Prefixes, and addresses that have no other set, go to those with 'interval'.
func TestStaticPrefixes(t *testing.T) {
	cfg := mustParse(t, written([]string{"ipv4_addr", "ipv4_addr interval", "ipv6_addr interval"}, "static 10.0.0.0/8 192.0.2.1 2001:db8::1 fd00::/8"))
	r := cfg.Rules[0]
	for word, want := range map[string][]bool{
		"10.0.0.0/8": {false, true, false}, "192.0.2.1/32": {true, false, false}, "2001:db8::1/128": {false, false, true}, "fd00::/8": {false, false, true},
	} {
		for i := range r.Sets {
			if got := r.Takes(i, netip.MustParsePrefix(word)); got != want[i] {
				t.Errorf("%s goes to set %d: %v", word, i, got)
			}
		}
	}
	text := format(r, rule.Lines{})
	if !strings.Contains(text, " set inet filter fixedb ipv4_addr interval\n") || !strings.Contains(text, " static 10.0.0.0/8 192.0.2.1 2001:db8::1 fd00::/8\n") {
		t.Errorf("written as\n%s", text)
	}
	if again := mustParse(t, text); format(again.Rules[0], rule.Lines{}) != text {
		t.Errorf("read back as\n%s", format(again.Rules[0], rule.Lines{}))
	}
}

// A rule may have nothing but these lines.
func TestStaticAlone(t *testing.T) {
	cfg := mustParse(t, written([]string{"ipv4_addr"}, "static 10.0.0.1"))
	if r := cfg.Rules[0]; len(r.Names) != 0 || r.Ports() {
		t.Errorf("got %+v", r)
	}
}

func TestStaticErrors(t *testing.T) {
	v4, ports := []string{"ipv4_addr"}, []string{"ipv4_addr . inet_proto . inet_service"}
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"no address":         {written(ports, "static tcp/443"), []string{":3 ", "needs an address before 'tcp/443'"}},
		"a name":             {written(v4, "static www.example.org"), []string{":3 ", "'www.example.org' is neither a prefix nor an address"}},
		"host bits":          {written(v4, "static 192.0.2.9/24"), []string{":3 ", "bits set after its length", "192.0.2.9 for the address"}},
		"zone":               {written(v4, "static fe80::1%eth0"), []string{":3 ", "write fe80::1"}},
		"mapped":             {written(v4, "static ::ffff:192.0.2.1"), []string{":3 ", "write it as IPv4, like 192.0.2.1"}},
		"service first":      {written(ports, "static 192.0.2.1 tcp/443 192.0.2.2"), []string{":3 ", "'192.0.2.2' stands after a service"}},
		"bad service":        {written(ports, "static 192.0.2.1 tcp/https"), []string{":3 ", "port in 'tcp/https'"}},
		"no interval set":    {written(v4, "static 192.0.2.0/24"), []string{":3 ", "no set for the IPv4 prefix 192.0.2.0/24", "'set inet filter fixed4 ipv4_addr interval'"}},
		"not of the family":  {written([]string{"ipv6_addr interval", "ipv4_addr"}, "static 192.0.2.0/24 2001:db8::/32"), []string{":4 ", "no set for the IPv4 prefix 192.0.2.0/24"}},
		"interval for none":  {written([]string{"ipv4_addr", "ipv4_addr interval"}, "static 192.0.2.1"), []string{":3 ", "takes static IPv4 prefixes only", "'static 192.0.2.0/24'"}},
		"interval and names": {written([]string{"ipv4_addr interval"}, "static 192.0.2.0/24", "name www.example.org"), []string{":2 ", "no set for the addresses that they lead to"}},
		"interval, no type":  {written([]string{"interval"}, "static 192.0.2.0/24"), []string{":2 ", "has no type", "'set inet filter fixeda ipv4_addr interval'"}},
		"pairs of ranges":    {written([]string{"ipv4_addr . ipv4_addr interval"}, "static 192.0.2.0/24"), []string{":2 ", "nobody asks for a range"}},
		"two kinds":          {written([]string{"ipv4_addr interval"}, "static 192.0.2.0/24") + "nftset web {\n set inet filter fixeda ipv4_addr\n name www.example.org\n}\n", []string{":6 ", "for ranges in one rule and for addresses in another (Testfile:2)"}},
		"prefix ports":       {written([]string{"ipv4_addr interval"}, "static 192.0.2.0/24 tcp/443"), []string{":2 ", "has no ports, static 192.0.2.0/24 has tcp/443"}},
		"twice in a line":    {written(v4, "static 192.0.2.1 192.0.2.1/32"), []string{":3 ", "'192.0.2.1' stands twice"}},
		"service twice":      {written(ports, "static 192.0.2.1 tcp/443 tcp/443"), []string{":3 ", "'tcp/443' stands twice"}},
		"twice":              {written(ports, "static 192.0.2.1 tcp/443", "static 192.0.2.1 tcp/80 tcp/443"), []string{":4 ", "already stands at Testfile:3"}},
		"mixed":              {written(v4, "static 192.0.2.1", "static 192.0.2.2 tcp/443"), []string{":4 ", "lines with ports and lines without", "Testfile:3"}},
		"mixed with names":   {written(v4, "static 192.0.2.1 tcp/443", "name www.example.org"), []string{":3 ", "lines with ports and lines without", "Testfile:4"}},
		"ports missing":      {written(ports, "static 192.0.2.1"), []string{":2 ", "has ports", "static 192.0.2.1 has none"}},
		"ports unwanted":     {written(v4, "static 192.0.2.1 tcp/443"), []string{":2 ", "has no ports", "static 192.0.2.1 has tcp/443"}},
		"one protocol":       {written([]string{"ipv4_addr . inet_service"}, "static 192.0.2.1 tcp/443"), []string{":2 ", "add udp/443 to static 192.0.2.1"}},
		"pairs":              {written([]string{"ipv4_addr . ipv4_addr"}, "static 192.0.2.1"), []string{":2 ", "no client asks for 192.0.2.1, which is under 'static'"}},
		"no type":            {written([]string{""}, "static 192.0.2.1"), []string{":2 ", "has no type here", "'set inet filter fixeda ipv4_addr'"}},
		"no such family":     {written(v4, "static 2001:db8::1"), []string{":3 ", "no set for 2001:db8::1, of IPv6", "'set inet filter fixed6 ipv6_addr'"}},
		"stale":              {written(v4, "static 192.0.2.1", "stale 1d"), []string{":1 ", "'stale', which is about names under 'resolve'"}},
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
