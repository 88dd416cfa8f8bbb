//go:build linux

package conntrack

import "testing"

func TestKillInABigTable(t *testing.T) {
	const size = 20_000
	k := newKernel(t)
	table := k.table()
	k.create(size)
	if n := len(k.entries(table)); n != size {
		t.Fatalf("%d entries", n)
	}
	if n, err := table.Kill([]Flow{{Addr: created(0)}, {Addr: created(size - 1)}}); n != 2 || err != nil {
		t.Errorf("killed %d of 2: %v", n, err)
	}
	// More than fit into one pass.
	var flows []Flow
	for i := range victimsMax + 1000 {
		flows = append(flows, Flow{Addr: created(i)})
	}
	if n, err := table.Kill(flows); n != len(flows)-1 || err != nil {
		t.Errorf("killed %d of %d: %v", n, len(flows)-1, err)
	}
	if n := len(k.entries(table)); n != size-2-(len(flows)-1) {
		t.Errorf("%d left", n)
	}
	// All that one opener has.
	if n, err := table.Kill([]Flow{flow("198.18.0.1")}); n != size-1-len(flows) || err != nil {
		t.Errorf("killed %d of the rest: %v", n, err)
	}
}
