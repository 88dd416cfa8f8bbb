package main

import (
	"strings"
	"testing"

	"github.com/namewall/namewall/internal/nstest"
)

const staticCorefile = `. {
    nftset fixed {
        set inet filter fixed4 ipv4_addr . inet_proto . inet_service
        set inet filter nets4 ipv4_addr . inet_proto . inet_service interval
        set inet filter nets6 ipv6_addr . inet_proto . inet_service interval
        static 192.0.2.1 10.0.0.0/8 2001:db8::1 tcp/443
    }
}
`

// staticStage has the sets of the Corefile, with what namewall would have written
// there, and an element and a range of somebody else's.
func staticStage(t *testing.T) *nstest.Namespace {
	t.Helper()
	t.Chdir(t.TempDir())
	writeFile(t, "Corefile", staticCorefile)
	ns := nstest.New(t)
	_, declarations, _ := namewall("nft")
	ns.Nft(declarations)
	ns.Nft(`add element inet filter fixed4 { 192.0.2.1 . tcp . 443 timeout 7d, 192.0.2.2 . tcp . 443 timeout 7d }
add element inet filter nets4 { 10.0.0.0/8 . tcp . 443 comment "namewall", 172.16.0.0-172.16.5.255 . tcp . 443 }
add element inet filter nets6 { 2001:db8::1 . tcp . 443 comment "namewall" }
`)
	return ns
}

func TestExportStatic(t *testing.T) {
	ns := staticStage(t)
	writeFile(t, "next.nft", "table inet filter {\n set nets4 { type ipv4_addr . inet_proto . inet_service; flags interval; }\n set nets6 { type ipv6_addr . inet_proto . inet_service; flags timeout; }\n}\n")
	for args, want := range map[string][]string{
		"--format list":               {"10.0.0.0/8\n172.16.0.0-172.16.5.255\n192.0.2.1\n192.0.2.2\n2001:db8::1\n"},
		"--format list --resolve":     {"10.0.0.0/8\n192.0.2.1\n2001:db8::1\n"},
		"--format csv":                {"fixed,inet filter nets4,,10.0.0.0/8,tcp,443,,,\n", "fixed,inet filter nets4,,172.16.0.0-172.16.5.255,tcp,443,,,\n"},
		"--format json":               {"\"address\": \"10.0.0.0/8\",\n      \"protocol\": \"tcp\",\n      \"port\": 443,\n      \"names\": [],\n      \"static\": true"},
		"--format nft":                {"\tflags interval\n", "\t10.0.0.0/8 . tcp . 443, # static\n", "\t172.16.0.0-172.16.5.255 . tcp . 443,\n", "192.0.2.1 . tcp . 443 timeout 7d expires ", "2001:db8::1 . tcp . 443, # static\n"},
		"--format nft --resolve":      {"\t10.0.0.0/8 . tcp . 443, # static\n", "\t192.0.2.1 . tcp . 443 timeout 3650d, # static\n", "\t2001:db8::1 . tcp . 443, # static\n"},
		"--format nft --for next.nft": {"\t10.0.0.0/8 . tcp . 443 comment \"namewall\", # static\n", "# set inet filter nets6: in next.nft unusable set: it has no 'flags interval'"},
		"--format java-policy":        {`SocketPermission "192.0.2.1:443"`, `SocketPermission "[2001:db8::1]:443"`, "// left out: 10.0.0.0/8"},
	} {
		code, stdout, stderr := exported(ns, append([]string{"fixed"}, strings.Fields(args)...)...)
		for _, part := range want {
			if !strings.Contains(stdout, part) || code != exitOK {
				t.Errorf("%s: exit code %d, lacks %q in\n%s%s", args, code, part, stdout, stderr)
			}
		}
		if strings.HasPrefix(args, "--format nft") && !strings.Contains(args, "--for ") {
			nstest.New(t).Nft(stdout)
		}
	}
}
