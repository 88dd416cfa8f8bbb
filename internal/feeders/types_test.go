package feeders

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/namewall/namewall/internal/set"
)

// What ipset 7.17 prints.
const saved = `create vpn4 hash:ip family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x07d79acf
add vpn4 198.51.100.1
create vpn6 hash:ip family inet6 hashsize 1024 maxelem 65536 timeout 300 bucketsize 12 initval 0x46a6778b
create nets hash:net family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0xa97dbb01
create map bitmap:ip range 198.18.0.0-198.18.0.255
create ports hash:ip,port family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0xe8e16026
create all list:set size 8
`

func TestReadIPSets(t *testing.T) {
	got, err := ReadIPSets(strings.NewReader(saved))
	want := map[string]string{"vpn4": "inet", "vpn6": "inet6", "nets": "inet", "map": "inet", "ports": "hash:ip,port", "all": "list:set"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestSettle(t *testing.T) {
	ipsets, err := ReadIPSets(strings.NewReader(saved))
	if err != nil {
		t.Fatal(err)
	}
	types := Types{IPSets: ipsets, NFT: map[set.ID]string{
		{Family: set.Inet, Table: "t", Name: "four"}: "ipv4_addr",
		{Family: set.Inet, Table: "t", Name: "six"}:  "ipv6_addr",
		{Family: set.Inet, Table: "t", Name: "port"}: "inet_service",
	}}
	for _, test := range []struct{ lines, want, problem string }{
		{"nftset=/x.example/inet#t#four,inet#t#six", "4:inet/t/four 6:inet/t/six", ""},
		{"nftset=/x.example/t#s,ip6#t#s", "4:ip/t/s 6:ip6/t/s", ""},
		{"ipset=/x.example/vpn4,vpn6,nets,map", "4:ipset/vpn4 6:ipset/vpn6 4:ipset/nets 4:ipset/map", ""},
		{"nftset=/x.example/inet#t#other\nnftset=/y.example/6#inet#t#other", "6:inet/t/other", ""},
		{"nftset=/x.example/inet#t#other", "", "give the ruleset that declares it with --nft"},
		{"ipset=/x.example/other", "", "give --ipset FILE"},
		{"ipset=/x.example/vpn4,ports", "", "is of the type hash:ip,port"},
		{"nftset=/x.example/inet#t#port", "", "is of the type inet_service"},
		{"nftset=/x.example/6#inet#t#four", "", "holds IPv4, and here it gets IPv6"},
		{"nftset=/x.example/6#t#s", "", "holds IPv4, and here it gets IPv6"},
		{"nftset=/x.example/4#inet#t#s\nnftset=/y.example/6#inet#t#s", "", "conf:2"},
	} {
		dir := files(t, map[string]string{"conf": test.lines + "\n"})
		c, err := Dnsmasq(filepath.Join(dir, "conf"))
		if err != nil {
			t.Fatal(err)
		}
		c.Settle(types)
		first, _, _ := strings.Cut(summary(c, dir), "\n")
		_, got, _ := strings.Cut(first, "->")
		if strings.TrimSpace(got) != test.want {
			t.Errorf("%s: got %s", test.lines, first)
		}
		if len(c.Problems) > 0 != (test.problem != "") || test.problem != "" && !strings.Contains(c.Problems[0].Error(), test.problem) {
			t.Errorf("%s: problems %v", test.lines, c.Problems)
		}
	}
}
