package nftset

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/internal/control"
	"github.com/namewall/namewall/internal/suggest"
)

// What is suggested parses as it stands, and opens no other names than those that
// were asked for and their siblings, whatever that was: clients choose the names.
func FuzzSuggested(f *testing.F) {
	for _, name := range []string{"www.example.com.", "*.com.", "*.", ".", `a\010}\010nftset x {.com.`, `"quoted.com.`, "{$HOME}.com.", "{%HOME%}.com.", "#.com.", `\#.com.`, "xn--mnchen-3ya.de.", "_dns.resolver.arpa.", "a b.com."} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		// As it comes from a message.
		packed := make([]byte, 300)
		n, err := dns.PackDomainName(dns.Fqdn(name), packed, 0, nil, false)
		if err != nil {
			return
		}
		if name, _, err = dns.UnpackDomainName(packed[:n], 0); err != nil {
			return
		}
		now := time.Now()
		var all []control.Drop
		for n := range 4 {
			all = append(all, control.Drop{
				Direction: control.DirectionOut, Client: "192.0.2.1", Addresses: []string{"198.51.100.1"}, Name: fmt.Sprintf("n%d.%s", n, name),
				Service: "tcp/443", Cause: control.CauseNoRule, Count: 1, First: now, Last: now,
			})
		}
		all[0].Name = name
		var b strings.Builder
		if err := suggest.Of(all).Write(&b, "suggested"); err != nil {
			t.Fatal(err)
		}
		cfg, err := parseText(t, b.String())
		if err != nil {
			t.Fatalf("%v\n%s", err, b.String())
		}
		for _, r := range cfg.Rules {
			if r.Name != "suggested" {
				t.Errorf("rule %s:\n%s", r.Name, b.String())
			}
			for _, line := range r.Names {
				for _, p := range line.Patterns {
					if text := p.String(); text == "*" || strings.Count(text, ".") < 2 && strings.Contains(text, "*") {
						t.Errorf("opens %s:\n%s", text, b.String())
					}
				}
			}
		}
	})
}
