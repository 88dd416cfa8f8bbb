package rule

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// FuzzJudge compares with a judge who looks at every line, and reads the forms
// of embedding off the address as it is written. The address begins as a known
// prefix does, and lines hold it or what is inside it: "a16r" allows the /16
// in the rule's block, "P24n" passes the inner /24 in the node's.
func FuzzJudge(f *testing.F) {
	f.Add(uint8(0), []byte{8, 8, 8, 8}, "", uint8(0), uint8(0))
	f.Add(uint8(20), []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10, 1, 2, 3}, "a96r A8n", uint8(96), uint8(0))
	f.Add(uint8(40), []byte{0, 0, 10, 1, 2, 3, 0, 0, 0, 0, 0x5e, 0xfe, 8, 8, 8, 8}, "p16n P8r a15r", uint8(32), uint8(9))
	f.Add(uint8(50), []byte{0, 0, 0, 0, 10, 1, 2, 3, 0, 0, 0, 0, 1, 2, 3, 4}, "p128r a128n", uint8(40), uint8(64))
	f.Fuzz(func(t *testing.T, base uint8, tail []byte, lines string, dns64, own uint8) {
		b := specialRows[int(base)%len(specialRows)].prefix.Addr().AsSlice()
		for i := range b {
			if i < len(tail) {
				b[i] ^= tail[i]
			}
		}
		a, _ := netip.AddrFromSlice(b)

		var site Site
		if n := 32 + int(dns64)%9*8; a.Is6() && dns64 > 0 {
			site.DNS64 = []netip.Prefix{netip.PrefixFrom(a, n).Masked()}
		}
		about := append([]netip.Addr{a}, written(a, site.DNS64)...)
		if n := int(own) % (a.BitLen() + 1); own > 0 {
			site.Own = ownRanges{netip.PrefixFrom(a, n).Masked()}
		}

		var blocks [2]Lines
		for word := range strings.FieldsSeq(lines) {
			var kind, block rune
			var bits int
			if n, _ := fmt.Sscanf(word, "%c%d%c", &kind, &bits, &block); n != 3 {
				continue
			}
			subject := about[0]
			if kind < 'a' {
				subject = about[len(about)-1]
			}
			p, err := subject.Prefix(bits)
			if err != nil {
				continue
			}
			l := &blocks[0]
			if block == 'n' {
				l = &blocks[1]
			}
			if kind|0x20 == 'a' {
				l.Allow = append(l.Allow, p)
			} else {
				l.Pass = append(l.Pass, p)
			}
		}
		policy, err := NewPolicy(blocks[0], blocks[1])
		if contradicts(blocks[0]) || contradicts(blocks[1]) {
			if err == nil {
				t.Errorf("%v is accepted", blocks)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if got, want := policy.Judge(a, site), judgeSlowly(a, blocks, site); got != want {
			t.Errorf("%v with %v, %v: %v, want %v", a, blocks, site, got, want)
		}
	})
}

func contradicts(l Lines) bool {
	for _, a := range l.Allow {
		if slices.Contains(l.Pass, a) {
			return true
		}
	}
	return false
}

func judgeSlowly(a netip.Addr, blocks [2]Lines, site Site) Verdict {
	inner := written(a, site.DNS64)
	least, made := 0, false
	if len(inner) > 0 {
		for _, e := range []struct {
			prefix string
			bits   int
		}{{"::/96", 96}, {"::ffff:0:0/96", 96}, {"::ffff:0:0:0/96", 96}, {"64:ff9b::/96", 96}, {"64:ff9b:1::/48", 48}, {"2001::/32", 32}, {"2002::/16", 16}} {
			if netip.MustParsePrefix(e.prefix).Contains(a) {
				least = max(least, e.bits)
			}
		}
		if text := a.StringExpanded(); text[20:29] == "0000:5efe" || text[20:29] == "0200:5efe" {
			least = 96
		}
		for _, p := range site.DNS64 {
			made = true
			least = max(least, p.Bits())
		}
	}
	for _, lines := range blocks {
		longest, verdict := -1, Admit
		for v, ps := range map[Verdict][]netip.Prefix{Admit: lines.Allow, Pass: lines.Pass} {
			for _, p := range ps {
				if p.Contains(a) && p.Bits() > longest {
					longest, verdict = p.Bits(), v
				}
			}
		}
		if longest >= least {
			return verdict
		}
	}

	verdict, longest := Admit, -1
	for _, row := range specialRows {
		if row.prefix.Contains(a) && row.prefix.Bits() > longest {
			verdict, longest = row.value, row.prefix.Bits()
		}
	}
	if made {
		verdict = Admit
	}
	if verdict == Admit && site.Own != nil && site.Own.Contains(a) {
		verdict = RefuseOwn
	}
	for _, in := range inner {
		verdict = max(verdict, judgeSlowly(in, blocks, site))
	}
	return verdict
}

// written are the IPv4 addresses that one can read in the hexadecimal digits of
// an IPv6 address.
func written(a netip.Addr, dns64 []netip.Prefix) []netip.Addr {
	if a.Is4() {
		return nil
	}
	text := a.StringExpanded()
	digits := strings.ReplaceAll(text, ":", "")
	read := func(s string, invert uint32) netip.Addr {
		hex, err := strconv.ParseUint(s, 16, 32)
		if err != nil {
			panic(err) // not what StringExpanded writes
		}
		n := uint32(hex) ^ invert
		return netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
	}
	var all []netip.Addr
	for _, start := range []string{
		"0000:0000:0000:0000:0000:0000:", "0000:0000:0000:0000:0000:ffff:", "0000:0000:0000:0000:ffff:0000:",
		"0064:ff9b:0000:0000:0000:0000:",
	} {
		if strings.HasPrefix(text, start) {
			all = append(all, read(digits[24:], 0))
		}
	}
	if strings.HasPrefix(text, "0064:ff9b:0001:") {
		all = append(all, read(digits[12:16]+digits[18:22], 0))
	}
	if strings.HasPrefix(text, "2002:") {
		all = append(all, read(digits[4:12], 0))
	}
	if strings.HasPrefix(text, "2001:0000:") {
		all = append(all, read(digits[8:16], 0), read(digits[24:], 0xffffffff))
	}
	if iid := text[20:29]; iid == "0000:5efe" || iid == "0200:5efe" {
		all = append(all, read(digits[24:], 0))
	}
	for _, p := range dns64 {
		// Octet 8 is no part of it.
		n := p.Bits() / 4
		if n <= 16 {
			all = append(all, read((digits[:16] + digits[18:])[n:n+8], 0))
		} else {
			all = append(all, read(digits[n:n+8], 0))
		}
	}
	return all
}
