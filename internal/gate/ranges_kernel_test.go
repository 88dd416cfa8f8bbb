//go:build linux

package gate

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/namewall/namewall/internal/nft"
	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

// ranges are what an interval set holds, in order, as nft has them; those that are
// namewall's with a star.
func (r *realBench) ranges(id set.ID) string {
	s, err := r.reader.Set(id)
	if err != nil {
		return err.Error()
	}
	have, err := r.reader.Ranges(s)
	if err != nil {
		return err.Error()
	}
	var all []string
	for _, one := range have {
		b := boxOf(s.Layout, one)
		text := b.span.String()
		if one.Own {
			text += "*"
		}
		all = append(all, text)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// Whatever others do to an interval set, it soon holds again what is written out;
// what they put in is theirs, also where it overlaps.
func TestRangesOnTheKernel(t *testing.T) {
	for _, layout := range []set.Layout{{}, {Port: true, Proto: true}} {
		t.Run(layout.String(), func(t *testing.T) {
			https := ""
			r := fixed("vpn", "10.0.0.0/8", "192.168.0.0/16", "240.0.0.0/4")
			r.Sets[0].Layout = layout
			if layout.Port {
				https = " . tcp . 443"
				r.Statics[0].Services = []set.Service{{Proto: 6, Port: 443}}
			}
			declared := fmt.Sprintf("table inet filter {\n set nets4 { type %s; flags interval; }\n}\n", layout)
			b := startReal(t, func(r *realBench) { r.Nft(declared) }, r)
			const whole = "10.0.0.0/8* 192.168.0.0/16* 240.0.0.0/4*"
			if got := b.ranges(nets4); got != whole {
				t.Fatalf("at the start there are %s", got)
			}
			for _, test := range []struct{ harm, want string }{
				{"flush set inet filter nets4", whole},
				{"delete element inet filter nets4 { 192.168.0.0/16" + https + " }", whole},
				{"delete set inet filter nets4\n" + declared, whole},
				{"flush ruleset\n" + declared, whole},
				{"delete set inet filter nets4\n" + strings.Replace(declared, "flags interval;", "flags interval; elements = { 10.128.0.0/9"+https+", 10.0.0.0/24"+https+", 192.168.0.0/15"+https+", 203.0.113.0/24"+https+" };", 1),
					"10.0.0.0/24 10.0.1.0-10.127.255.255* 10.128.0.0/9 192.168.0.0/15 203.0.113.0/24 240.0.0.0/4*"},
				{"delete element inet filter nets4 { 10.0.0.0/24" + https + ", 192.168.0.0/15" + https + " }", "10.0.0.0/9* 10.128.0.0/9 192.168.0.0/16* 203.0.113.0/24 240.0.0.0/4*"},
			} {
				b.Nft(test.harm)
				var got string
				await(t, test.harm, func() bool {
					got = b.ranges(nets4)
					return got == test.want && len(b.gate.Problems()) == 0
				})
			}
			old := b.inst
			next := fixed("vpn", "192.168.0.0/17")
			next.Sets[0].Layout, next.Statics[0].Services = layout, r.Statics[0].Services
			b.activate(next)
			old.Stop()
			await(t, "the end of what has left the configuration", func() bool {
				return b.ranges(nets4) == "10.128.0.0/9 192.168.0.0/17* 203.0.113.0/24"
			})
		})
	}
}

// A list of an administrator's, with thousands of prefixes, is written and read back
// in a moment, and a start that finds it there writes nothing.
func TestManyRangesOnTheKernel(t *testing.T) {
	prefixes := 20_000
	if testing.Short() {
		prefixes = 2_000
	}
	for _, layout := range []set.Layout{{}, {Port: true, Proto: true}} {
		t.Run(layout.String(), func(t *testing.T) {
			list := func() *rule.Rule {
				r := fixed("vpn")
				r.Sets[0].Layout = layout
				line := rule.Static{}
				if layout.Port {
					line.Services = []set.Service{{Proto: 6, Port: 443}}
				}
				for n := range prefixes {
					line.Prefixes = append(line.Prefixes, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(n >> 8), byte(n), 0}), 25))
				}
				r.Statics = append(r.Statics, line)
				return r
			}
			b := startReal(t, func(r *realBench) {
				r.Nft(fmt.Sprintf("table inet filter {\n set nets4 { type %s; flags interval; }\n}\n", layout))
			}, list())
			s, err := b.reader.Set(nets4)
			if err != nil {
				t.Fatal(err)
			}
			have, err := b.reader.Ranges(s)
			if err != nil || len(have) != prefixes || slices.ContainsFunc(have, func(r nft.Range) bool { return !r.Own }) {
				t.Errorf("there are %d, %v", len(have), err)
			}
			b.gate.Close()
			commits := b.seen.get(&b.seen.commits)
			b.run(list())
			if n := b.seen.get(&b.seen.commits) - commits; n != 0 {
				t.Errorf("another start has made %d commits", n)
			}
		})
	}
}
