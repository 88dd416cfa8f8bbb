package feeders

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/namewall/namewall/internal/set"
)

// Types are the sets of the machine that the configuration is from, as far as
// they are known: most programs' lines don't tell what a set holds.
type Types struct {
	NFT    map[set.ID]string // key types in nft's words
	IPSets map[string]string // families, or for a set that holds no addresses its type
}

// The families in ipset(8)'s words.
const (
	ipsetV4 = "inet"
	ipsetV6 = "inet6"
)

// ReadIPSets reads what `ipset save` prints, with or without the elements.
func ReadIPSets(r io.Reader) (map[string]string, error) {
	all := make(map[string]string)
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) < 3 || words[0] != "create" {
			continue
		}
		all[words[1]] = ipsetFamily(words[2], words[3:])
	}
	return all, lines.Err()
}

// ipsetFamily is what a set of a type and with these options holds.
func ipsetFamily(typ string, options []string) string {
	switch typ {
	case "bitmap:ip": // IPv4 only
		return ipsetV4
	case "hash:ip", "hash:net":
	default:
		return typ
	}
	for i, word := range options[:max(0, len(options)-1)] {
		if word == "family" {
			return options[i+1]
		}
	}
	return ipsetV4
}

// Settle finds the family of every target that has none told: by its table, by
// another line, or by types. Assignments that are left without, or contradict
// what is known, become problems, which are in order afterwards.
func (c *Config) Settle(types Types) {
	told := make(map[Target]*Assignment) // by the set, with its family
	for _, a := range c.Assignments {
		for _, t := range a.Targets {
			if t.Family != Untold && told[t] == nil {
				told[t] = a
			}
		}
	}
	for _, a := range c.Assignments {
		if err := types.settle(a, told); err != nil {
			c.refuse(a, err)
		}
	}
	slices.SortStableFunc(c.Problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Place.File, b.Place.File), cmp.Compare(a.Place.Line, b.Place.Line))
	})
}

func (types Types) settle(a *Assignment, told map[Target]*Assignment) error {
	for i, t := range a.Targets {
		f, err := types.family(t)
		if err == nil {
			f, err = agree(t, f, told)
		}
		if err != nil {
			return err
		}
		a.Targets[i].Family = f
	}
	return nil
}

// agree is the family of t, of which is known what the line, the others and f
// tell.
func agree(t Target, f Family, told map[Target]*Assignment) (Family, error) {
	if f == Untold {
		f = t.Family
	}
	of := func(f Family) *Assignment { return told[Target{IPSet: t.IPSet, ID: t.ID, Family: f}] }
	switch v4, v6 := of(IPv4), of(IPv6); {
	case f == Untold && v4 != nil && v6 == nil:
		f = IPv4
	case f == Untold && v6 != nil && v4 == nil:
		f = IPv6
	case f == Untold && t.IPSet:
		return f, fmt.Errorf("whether %s holds IPv4 or IPv6 isn't written here: save it with 'ipset -t save > FILE' and give --ipset FILE", t)
	case f == Untold:
		return f, fmt.Errorf("whether set %s holds IPv4 or IPv6 isn't written here: give the ruleset that declares it with --nft FILE", t)
	}
	switch other := of(10 - f); {
	case t.Family != Untold && t.Family != f:
		return f, fmt.Errorf("%s holds IPv%d, and here it gets IPv%d: correct the line", t, f, t.Family)
	case other != nil && of(f) != nil:
		return f, fmt.Errorf("%s gets IPv4 and IPv6 (at %s), and holds only one of them: correct one of the lines", t, other.Place)
	}
	return f, nil
}

// family is what is known of a set beside the lines.
func (types Types) family(t Target) (Family, error) {
	switch {
	case t.IPSet:
		typ, ok := types.IPSets[t.ID.Name]
		switch {
		case !ok:
			return Untold, nil
		case typ == ipsetV4:
			return IPv4, nil
		case typ == ipsetV6:
			return IPv6, nil
		}
		return Untold, fmt.Errorf("%s is of the type %s, and takes no addresses alone: take it out of the line", t, typ)
	case t.ID.Family == set.IP:
		return IPv4, nil
	case t.ID.Family == set.IP6:
		return IPv6, nil
	}
	switch typ, ok := types.NFT[t.ID]; {
	case !ok:
		return Untold, nil
	case typ == "ipv4_addr":
		return IPv4, nil
	case typ == "ipv6_addr":
		return IPv6, nil
	default:
		return Untold, fmt.Errorf("set %s is of the type %s, and takes no addresses alone: take it out of the line", t, typ)
	}
}
