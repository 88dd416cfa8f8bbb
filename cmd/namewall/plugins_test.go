package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
)

// CoreDNS's order is kept, and nftset stands in front of the first plugin that
// makes answers.
func TestOrder(t *testing.T) {
	if err := setOrder(); err != nil {
		t.Fatal(err)
	}
	order := dnsserver.Directives
	i := slices.Index(order, "nftset")
	if i < 1 || order[i-1] != "dnstap" || order[i+1] != "local" {
		t.Fatalf("order %q", order)
	}
	if err := setOrder(); err != nil || !slices.Equal(order, dnsserver.Directives) {
		t.Errorf("a second time: %v, %q", err, dnsserver.Directives)
	}
}

// What the issue asks of the binary, as a Corefile uses it.
func TestPlugins(t *testing.T) {
	dir := t.TempDir()
	const zone = "$ORIGIN example.org.\n@ 3600 IN SOA ns hostmaster 1 2 3 4 5\n@ 3600 IN NS ns\nns 3600 IN A 192.0.2.1\n"
	if err := os.WriteFile(filepath.Join(dir, "db.example.org"), []byte(zone), 0o644); err != nil {
		t.Fatal(err)
	}
	text := `. {
    root ` + dir + `
    metadata
    cancel
    timeouts {
        read 5s
    }
    multisocket 2
    reload
    nsid gateway
    bufsize 1232
    bind 127.0.0.1
    debug
    ready 127.0.0.1:8181
    health 127.0.0.1:8080
    pprof 127.0.0.1:6053
    shed
    prometheus 127.0.0.1:9153
    errors
    log
    dnstap tcp://127.0.0.1:6000
    nftset web {
        set inet filter web4
        name *.example.org
    }
    local
    dns64
    any
    chaos
    loadbalance
    rewrite name a.example.org b.example.org
    acl {
        block net 192.0.2.0/24
    }
    cache
    header {
        response set aa
    }
    minimal
    template ANY ANY invalid {
        rcode NXDOMAIN
    }
    transfer {
        to 192.0.2.53
    }
    hosts
    file db.example.org example.org
    auto {
        directory ` + dir + `
    }
    secondary example.net {
        transfer from 192.0.2.53
    }
    loop
    forward . 127.0.0.1:5335
    whoami
    view inside {
        expr client_ip() == '192.0.2.9'
    }
}
`
	input := caddy.CaddyfileInput{Filepath: "Corefile", Contents: []byte(text), ServerTypeName: "dns"}
	if err := setOrder(); err != nil {
		t.Fatal(err)
	}
	if err := validate(input); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"tls", "https", "https3", "quic", "grpc_server", "grpc", "siit", "tsig", "proxyproto"} {
		if _, err := caddy.DirectiveAction("dns", name); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"kubernetes", "route53", "trace", "dnssec", "erratic"} {
		if _, err := caddy.DirectiveAction("dns", name); err == nil {
			t.Errorf("plugin %s is in the binary", name)
		}
	}
}
