package nftset

import (
	"testing"

	"github.com/coredns/caddy"

	"github.com/namewall/namewall/internal/set"
)

// FuzzCorefile feeds arbitrary text to the parser: it never panics, what it
// accepts is sound, and the canonical form of a rule is read back as that rule.
func FuzzCorefile(f *testing.F) {
	for _, seed := range []string{
		with(),
		with("mode feed", "lifetime 1h 7d", "wait 1s", "limit 5", "targets ignore", "match chain", "require validated"),
		with("allow 192.0.2.0/24 2001:db8::1", "pass 198.51.100.7", "clients 203.0.113.0/24", "except *.example.net"),
		"nftset {\n allow 192.0.2.0/24\n mode feed\n}\nnftset a-1 {\n set ip6 t s ipv6_addr . ipv6_addr\n name *\n}",
		"nftset a {\n set inet f x ipv4_addr . inet_service\n name fe-*.example.org \"\u00fcber.example\" tcp/443 udp/443\n}",
		"nftset a {\n set inet f x {\n}\n}",
		"nftset a {\n set inet f x\n resolve a.example b.example\n name c.example\n stale 3d\n on_change /bin/sh -c \"a b\" \\\n}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		cfg := new(Config)
		block, err := parse(caddy.NewTestController("dns", text), cfg, "")
		if err != nil {
			return
		}
		if err := cfg.finish(); err != nil {
			t.Fatalf("parsed, but not finished: %v", err)
		}
		if len(block.Rules) != len(cfg.Rules) {
			t.Fatalf("%d rules of the only block, %d of the configuration", len(block.Rules), len(cfg.Rules))
		}
		for i, r := range cfg.Rules {
			if r.Index != i || len(r.Sets) == 0 || len(r.Names) == 0 || r.Limit < 1 || r.Wait <= 0 ||
				r.Lifetime.Min <= 0 || r.Lifetime.Min > r.Lifetime.Max || r.Lifetime.Grace <= 0 {
				t.Fatalf("unsound rule %+v", r)
			}
			sets := make(map[set.ID]bool)
			for i, s := range r.Sets {
				if sets[s.ID] {
					t.Fatalf("set %s twice", s.ID)
				}
				sets[s.ID] = true
				if err := r.CheckLayout(i, s.Layout); s.Known && err != nil {
					t.Fatal(err)
				}
			}
			form := cfg.sources[r.Name].text
			again := new(Config)
			if _, err := parse(caddy.NewTestController("dns", form), again, ""); err != nil {
				t.Fatalf("%v in the canonical form\n%s", err, form)
			}
			if got := again.sources[r.Name].text; got != form {
				t.Fatalf("read back as\n%s, not as\n%s", got, form)
			}
		}
	})
}
