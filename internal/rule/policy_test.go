package rule

import (
	"net/netip"
	"strings"
	"testing"
)

// prefixes are the ranges in a line.
func prefixes(t testing.TB, line string) []netip.Prefix {
	t.Helper()
	var all []netip.Prefix
	for s := range strings.FieldsSeq(line) {
		p, err := ParsePrefix(s)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

// policy has lines as "allow ..." and "pass ...", one after another.
func policy(t testing.TB, rule, node string) *Policy {
	t.Helper()
	read := func(text string) (l Lines) {
		for line := range strings.SplitSeq(text, "\n") {
			word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
			switch word {
			case "allow":
				l.Allow = append(l.Allow, prefixes(t, rest)...)
			case "pass":
				l.Pass = append(l.Pass, prefixes(t, rest)...)
			}
		}
		return l
	}
	p, err := NewPolicy(read(rule), read(node))
	if err != nil {
		t.Fatal(err)
	}
	return &p
}

// ownRanges is a gateway's addresses and networks.
type ownRanges []netip.Prefix

func (o ownRanges) Contains(a netip.Addr) bool {
	for _, p := range o {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

func TestVerdict(t *testing.T) {
	for v, want := range map[Verdict]string{
		Admit: "admit", Pass: "pass", RefuseSpecial: "special", RefuseOwn: "own", 99: "unknown",
	} {
		if v.String() != want || v.Refused() != (v != Admit && v != Pass) {
			t.Errorf("%d is %v, refused %v", v, v, v.Refused())
		}
	}
}

func TestJudgeLines(t *testing.T) {
	for _, test := range []struct {
		name, rule, node string
		want             string // address=verdict
	}{
		{"no lines", "", "", "8.8.8.8=admit 10.1.2.3=special 2600::1=admit fd00::1=special"},
		{"allow", "allow 10.1.0.0/16 fd00::/8", "", "10.1.2.3=admit 10.2.0.0=special fd00::1=admit fc00::1=special 8.8.8.8=admit"},
		{"pass", "pass 10.1.0.0/16 2600::/32", "", "10.1.2.3=pass 10.2.0.0=special 2600::1=pass 2600:1::=admit"},
		{"the longest decides", "allow 10.0.0.0/8 10.1.2.0/24\npass 10.1.0.0/16", "",
			"10.0.0.1=admit 10.1.0.1=pass 10.1.2.1=admit 10.2.0.0=admit"},
		{"of the node", "", "allow 10.0.0.0/8\npass 10.1.0.0/16", "10.0.0.1=admit 10.1.0.1=pass"},
		{"the rule before the node, however short", "allow 10.0.0.0/8", "pass 10.1.0.0/16 172.16.0.0/12",
			"10.1.0.1=admit 172.16.0.1=pass"},
		{"everything", "allow 0.0.0.0/0 ::/0", "", "10.0.0.1=admit 255.255.255.255=admit fe80::1=admit ff02::1=admit"},
		{"one address", "allow 192.168.1.1 fd00::1", "", "192.168.1.1=admit 192.168.1.0=special 192.168.1.2=special fd00::1=admit fd00::2=special"},
		{"families apart", "allow 0.0.0.0/0", "pass ::/0", "10.0.0.1=admit fd00::1=pass"},
		{"twice", "allow 10.0.0.0/8 10.0.0.0/8", "", "10.0.0.1=admit"},
		{"opposite in rule and node", "allow 10.0.0.0/8", "pass 10.0.0.0/8", "10.0.0.1=admit"},
	} {
		t.Run(test.name, func(t *testing.T) {
			check(t, policy(t, test.rule, test.node), Site{}, test.want)
		})
	}
}

func check(t *testing.T, p *Policy, site Site, want string) {
	t.Helper()
	for pair := range strings.FieldsSeq(want) {
		addr, verdict, _ := strings.Cut(pair, "=")
		if got := p.Judge(netip.MustParseAddr(addr), site); got.String() != verdict {
			t.Errorf("%s: %v, want %s", addr, got, verdict)
		}
	}
}

func TestJudgeEmbedded(t *testing.T) {
	for _, test := range []struct{ name, lines, want string }{
		{"public inside", "", `64:ff9b::8.8.8.8=admit 2002:808:808::1=admit 2001:0:808:808::f7f7:f7f7=admit
			2600::5efe:8.8.8.8=admit 2600::200:5efe:8.8.8.8=admit`},
		{"private inside", "", `64:ff9b::10.0.0.1=special 2002:a00:1::1=special 2600::5efe:10.0.0.1=special
			2600::200:5efe:10.0.0.1=special 64:ff9b::169.254.169.254=special 64:ff9b::127.0.0.1=special`},
		{"no form of it", "", `2600::100:5efe:10.0.0.1=admit 2600::1:5efe:10.0.0.1=admit 2600::5eff:10.0.0.1=admit`},
		{"Teredo's server", "", "2001:0:a00:1::f7f7:f7f7=special"},
		{"Teredo's client", "", "2001:0:808:808::f5ff:fffe=special"},
		{"never a destination", "", "::8.8.8.8=special ::ffff:8.8.8.8=special ::ffff:0:8.8.8.8=special"},
		{"a line about the inner", "allow 10.0.0.0/8", `64:ff9b::10.0.0.1=admit 2002:a00:1::1=admit 2600::5efe:10.0.0.1=admit
			2001:0:808:808::f5ff:fffe=admit ::ffff:10.0.0.1=special 64:ff9b:1:a00:0:100::=special`},
		{"a pass line about the inner", "pass 10.0.0.0/8 8.8.8.8", `64:ff9b::10.0.0.1=pass 2600::5efe:10.0.0.1=pass
			2001:0:808:808::f5ff:fffe=pass 2001:0:a00:1::f7f7:f7f7=pass 2001:0:909:909::f5ff:fffe=pass ::ffff:10.0.0.1=special`},
		{"a line too short for both", "allow ::/0 2000::/3 64:ff9b::/95 2002::/15 2001::/31 2600:0:0:0:0:5efe::/95", `64:ff9b::10.0.0.1=special
			64:ff9b::8.8.8.8=admit 2002:a00:1::1=special 2001:0:a00:1::f7f7:f7f7=special 2600::5efe:10.0.0.1=special
			::ffff:8.8.8.8=special ::ffff:10.0.0.1=special ::10.0.0.1=special ::1=special 64:ff9b:1:a00:0:100::=special
			64:ff9b:1:808:8:800::=special`},
		{"a line about both", "allow 64:ff9b::/96 2002::/16 2001::/32 2600:0:0:0:0:5efe::/96 ::ffff:0:0:0/96 64:ff9b:1::/48", `64:ff9b::10.0.0.1=admit
			2002:a00:1::1=admit 2001:0:a00:1::f7f7:f7f7=admit 2600::5efe:10.0.0.1=admit ::ffff:0:10.0.0.1=admit 64:ff9b:1:a00:0:100::=admit`},
		{"a pass line about both", "pass 64:ff9b::/96", "64:ff9b::10.0.0.1=pass 64:ff9b::8.8.8.8=pass"},
		{"6to4 with ISATAP takes the longer", "allow 2002::/16 2002:a00:2::/48", "2002:a00:1::5efe:8.8.8.8=special 2002:808:808::5efe:10.0.0.1=special 2002:a00:2::1=admit"},
		{"loopback alone", "allow ::1", "::1=admit ::=special ::2=special"},
	} {
		t.Run(test.name, func(t *testing.T) {
			check(t, policy(t, test.lines, ""), Site{}, test.want)
			check(t, policy(t, "", test.lines), Site{}, test.want)
		})
	}
}

// Where the IPv4 address is, is RFC 6052 §2.4's table of examples, with another
// prefix so that only the site's DNS64 can tell.
func TestJudgeDNS64(t *testing.T) {
	for _, test := range []struct{ prefix, public, private string }{
		{"fd00:db8::/32", "fd00:db8:808:808::", "fd00:db8:a00:221::"},
		{"fd00:db8:100::/40", "fd00:db8:108:808:8::", "fd00:db8:10a:2:21::"},
		{"fd00:db8:122::/48", "fd00:db8:122:808:8:800::", "fd00:db8:122:a00:2:2100::"},
		{"fd00:db8:122:300::/56", "fd00:db8:122:308:8:808::", "fd00:db8:122:30a:0:221::"},
		{"fd00:db8:122:344::/64", "fd00:db8:122:344:8:808:800:0", "fd00:db8:122:344:a:2:2100::"},
		{"fd00:db8:122:344::/96", "fd00:db8:122:344::8.8.8.8", "fd00:db8:122:344::10.0.2.33"},
		// CoreDNS takes these as well, and leaves out octet 8 likewise.
		{"fd00:db8:122:344::/72", "fd00:db8:122:344:8:808:800:0", "fd00:db8:122:344:a:2:2100::"},
		{"fd00:db8:122:344::/80", "fd00:db8:122:344:0:808:808:0", "fd00:db8:122:344::a00:221:0"},
	} {
		t.Run(test.prefix, func(t *testing.T) {
			site := Site{DNS64: prefixes(t, test.prefix), Own: ownRanges(prefixes(t, "8.8.4.4"))}
			check(t, policy(t, "", ""), Site{}, test.public+"=special "+test.private+"=special")
			check(t, policy(t, "", ""), site, test.public+"=admit "+test.private+"=special")
			check(t, policy(t, "allow 10.0.2.0/24", ""), site, test.private+"=admit")
			check(t, policy(t, "pass 10.0.2.0/24", ""), site, test.private+"=pass")
			check(t, policy(t, "allow ::/0 fd00::/8", ""), site, test.private+"=special")
			check(t, policy(t, "allow "+test.prefix, ""), site, test.private+"=admit")
		})
	}
	t.Run("public prefix", func(t *testing.T) {
		site := Site{DNS64: prefixes(t, "2600:64::/96 2600:64:0:0:1::/96")}
		check(t, new(Policy), site, "2600:64::10.0.0.1=special 2600:64::8.8.8.8=admit 2600:64::1:10.0.0.1=admit 2600:64::1:0:10.0.0.1=special")
	})
	t.Run("prefixes of one another", func(t *testing.T) {
		site := Site{DNS64: prefixes(t, "2600:64::/32 2600:64:808:808::/96")}
		check(t, new(Policy), site, "2600:64:808:808::8.8.8.8=admit 2600:64:808:808::10.0.0.1=special 2600:64:a00:1::8.8.8.8=special")
	})
	t.Run("with ISATAP behind it", func(t *testing.T) {
		site := Site{DNS64: prefixes(t, "2600:64::/32")}
		check(t, policy(t, "allow 2600:64:808::/48", ""), site, "2600:64:808:808::5efe:10.0.0.1=special 2600:64:808:808::1=admit")
	})
	t.Run("no such prefix", func(t *testing.T) {
		site := Site{DNS64: prefixes(t, "fd00::/8 fd00:64::/95 fd00:64::/97 fd00:64::/128 fd00:64::8:0:0/95 10.0.0.0/32")}
		check(t, new(Policy), site, "fd00:64::=special fd00:64::8:808:808=special fd00:64::8.8.8.8=special 10.0.0.0=special 8.8.8.8=admit")
	})
}

// A line that does not speak leaves it to the node's.
func TestJudgeEmbeddedByTheNode(t *testing.T) {
	check(t, policy(t, "pass ::/0", "allow 64:ff9b::/96"), Site{}, "64:ff9b::10.0.0.1=admit 2600::1=pass")
	check(t, policy(t, "pass 64:ff9b::/96", "allow 64:ff9b::a00:0/104"), Site{}, "64:ff9b::10.0.0.1=pass")
}

func TestJudgeOwn(t *testing.T) {
	site := Site{
		Own:   ownRanges(prefixes(t, "9.9.9.0/24 2600:9::/64 192.168.1.0/24 64:ff9b::101:0/112")),
		DNS64: prefixes(t, "2600:9:0:0:64::/96"),
	}
	check(t, new(Policy), site, `9.9.9.9=own 9.9.8.9=admit 2600:9::1=own 2600:9:0:1::1=admit 192.168.1.1=special
		64:ff9b::9.9.9.9=own 64:ff9b::1.1.0.1=own 64:ff9b::8.8.8.8=admit 2002:909:909::1=own 2600:9::64:0:8.8.8.8=own`)
	check(t, policy(t, "allow 9.9.9.9 2600:9::/64\npass 9.9.9.128/25", ""), site,
		"9.9.9.9=admit 9.9.9.10=own 9.9.9.130=pass 2600:9::1=admit 64:ff9b::9.9.9.9=admit 64:ff9b::9.9.9.10=own 64:ff9b::9.9.9.130=pass")
}

func TestJudgeWhatNoRecordHas(t *testing.T) {
	p := policy(t, "allow 0.0.0.0/0 ::/0 fe80::/10", "")
	if got := p.Judge(netip.Addr{}, Site{}); got != RefuseSpecial {
		t.Errorf("no address: %v", got)
	}
	if got := p.Judge(netip.MustParseAddr("fe80::1%eth0"), Site{}); got != RefuseSpecial {
		t.Errorf("an address with a zone: %v", got)
	}
}

func TestNewPolicyContradiction(t *testing.T) {
	twice := Lines{Allow: prefixes(t, "10.0.0.0/8 192.0.2.0/24"), Pass: []netip.Prefix{netip.MustParsePrefix("192.0.2.7/24")}}
	for _, lines := range [][2]Lines{{twice, {}}, {{}, twice}} {
		if _, err := NewPolicy(lines[0], lines[1]); err == nil || !strings.Contains(err.Error(), "192.0.2.0/24") {
			t.Errorf("got %v", err)
		}
	}
}

func TestJudgeAllocatesNothing(t *testing.T) {
	p := policy(t, "allow 10.0.0.0/8 fd00::/8", "pass 172.16.0.0/12")
	site := Site{Own: ownRanges(prefixes(t, "9.9.9.0/24")), DNS64: prefixes(t, "2600:64::/96")}
	for _, addr := range []string{"8.8.8.8", "10.0.0.1", "9.9.9.9", "2600::1", "64:ff9b::8.8.8.8", "2600:64::8.8.8.8", "2001:0:808:808::f7f7:f7f7"} {
		a := netip.MustParseAddr(addr)
		if n := testing.AllocsPerRun(100, func() { p.Judge(a, site) }); n != 0 {
			t.Errorf("%s: %v allocations", addr, n)
		}
	}
}
