package gate

import (
	"slices"
	"time"

	"github.com/namewall/namewall/internal/set"
)

// Stats are what the gate holds, and the budgets.
type Stats struct {
	Bindings, MaxBindings int
	Names, MaxNames       int
	Targets, MaxTargets   int
	Held, MaxHeld         int // answers that wait
	Pairs, MaxPairs       int // of the client that has most
	ByHand, MaxByHand     int // elements that administrators have it hold
	Queued                int // writes that wait for the kernel
	Sets                  []SetStats
}

// Usage is how much of a budget is used, by its name in metrics.
type Usage struct {
	Name        string
	Used, Limit int
}

// Budgets are all of them.
func (s *Stats) Budgets() []Usage {
	return []Usage{
		{"bindings", s.Bindings, s.MaxBindings},
		{"names", s.Names, s.MaxNames},
		{"targets", s.Targets, s.MaxTargets},
		{"held_answers", s.Held, s.MaxHeld},
		{"client_pairs", s.Pairs, s.MaxPairs},
		{"held_by_hand", s.ByHand, s.MaxByHand},
	}
}

// SetStats are one set's.
type SetStats struct {
	ID    set.ID
	Ready bool // a rule can feed it
	Used  int  // elements that the gate knows of
	Size  int  // capacity, 0: the set declares none

	Layout   set.Layout // meaningful if Known
	Known    bool
	LastHeal *Heal // nil: nothing was ever put back
}

// Heal tells when promised elements of a set were put back.
type Heal struct {
	At       time.Time
	Elements int
	Took     time.Duration // since they were missing, until they were written again
	by       *actor
}

// By is the process that had changed the set last, "" and 0 if that is unknown.
func (h *Heal) By() (name string, pid int) {
	if h.by == nil {
		return "", 0
	}
	return h.by.name, h.by.pid
}

// configuredSets are those that an active configuration's rules are to feed, and
// whether one of these can.
func (g *Gate) configuredSets() map[*kernelSet]bool {
	g.mu.Lock()
	instances := slices.Clone(g.instances)
	g.mu.Unlock()
	all := make(map[*kernelSet]bool)
	for _, i := range instances {
		for _, rs := range i.rules {
			for n := range rs.sets {
				ks := rs.sets[n].kernelSet
				all[ks] = rs.check(n, ks.state.Load()) == nil || all[ks]
			}
		}
	}
	return all
}

// Commits is the number of batches that were sent to the kernel so far.
func (g *Gate) Commits() int64 { return g.commits.Load() }

// Promised tells whether an answer was promised anything since it was last called,
// if only that what was there already stays for so long: what an earlier process
// has left, or another name's address.
func (g *Gate) Promised() bool { return g.promised.Swap(false) }

// Stats counts what there is now. It takes no lock that an answer needs for
// longer than a moment.
func (g *Gate) Stats() Stats {
	s := Stats{
		Bindings: int(g.bindings.Load()), MaxBindings: maxBindings,
		Names: g.names.count(), MaxNames: maxNames,
		Targets: int(g.targets.count.Load()), MaxTargets: maxTargets,
		Held: int(g.held.Load()), MaxHeld: maxHeld,
		Pairs: g.pairs.most(), MaxPairs: maxPairs,
		ByHand: g.hands.len(), MaxByHand: maxByHand,
		Queued: g.queue.length(),
	}
	for ks, ready := range g.configuredSets() {
		st := ks.state.Load()
		s.Sets = append(s.Sets, SetStats{
			ID: ks.id, Ready: ready, Used: int(ks.used.Load()), Size: int(st.size),
			Layout: st.layout, Known: st.known, LastHeal: ks.lastHeal.Load(),
		})
	}
	// One that is ready comes first of two: while one configuration follows another, they
	// may take a set for different kinds.
	slices.SortFunc(s.Sets, func(a, b SetStats) int {
		if c := a.ID.Compare(b.ID); c != 0 || a.Ready == b.Ready {
			return c
		} else if a.Ready {
			return -1
		}
		return 1
	})
	s.Sets = slices.CompactFunc(s.Sets, func(a, b SetStats) bool { return a.ID == b.ID })
	return s
}
