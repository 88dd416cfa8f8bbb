package gate

import (
	"maps"
	"net/netip"
	"slices"
)

// addresses are those of a name, and until when each counts. Of hundreds of
// thousands of names nearly all have a few, for which a map would be five times as
// large, and twice as slow.
type addresses struct {
	few  []counted
	many map[netip.Addr]moment // all of them, once they were more than fewMax
}

type counted struct {
	addr  netip.Addr
	until moment
}

// fewFirst is how many addresses there is room for at first: one of each family.
const fewFirst = 2

// fewMax is up to how many addresses looking at one after the other is quick.
const fewMax = 16

func (a *addresses) len() int { return len(a.few) + len(a.many) }

// find is where an address is among the few, -1 if it isn't.
func (a *addresses) find(addr netip.Addr) int {
	return slices.IndexFunc(a.few, func(c counted) bool { return c.addr == addr })
}

func (a *addresses) has(addr netip.Addr) bool {
	if a.many != nil {
		_, ok := a.many[addr]
		return ok
	}
	return a.find(addr) >= 0
}

// keep adds an address, or has it count for longer.
func (a *addresses) keep(addr netip.Addr, until moment) {
	if a.many != nil {
		a.many[addr] = max(a.many[addr], until)
		return
	}
	if i := a.find(addr); i >= 0 {
		a.few[i].until = max(a.few[i].until, until)
		return
	}
	if len(a.few) < fewMax {
		if a.few == nil {
			a.few = make([]counted, 0, fewFirst)
		}
		a.few = append(a.few, counted{addr, until})
		return
	}
	a.many = map[netip.Addr]moment{addr: until}
	for _, c := range a.few {
		a.many[c.addr] = c.until
	}
	a.few = nil
}

// drop forgets an address.
func (a *addresses) drop(addr netip.Addr) {
	if i := a.find(addr); i >= 0 {
		a.few = slices.Delete(a.few, i, i+1)
	}
	delete(a.many, addr)
}

// prune forgets those whose time is over.
func (a *addresses) prune(now moment) {
	a.few = slices.DeleteFunc(a.few, func(c counted) bool { return c.until <= now })
	maps.DeleteFunc(a.many, func(_ netip.Addr, until moment) bool { return until <= now })
}

func (a *addresses) clone() addresses { return addresses{slices.Clone(a.few), maps.Clone(a.many)} }
