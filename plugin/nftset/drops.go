package nftset

import (
	"sync/atomic"

	"github.com/namewall/namewall/internal/control"
	"github.com/namewall/namewall/internal/drops"
)

// dropped is what the firewall has dropped, over reloads.
type dropped struct {
	table   *drops.Table
	packets atomic.Uint64
	lost    atomic.Uint64
}

func newDropped() *dropped { return &dropped{table: drops.NewTable()} }

// status is what is known of the drops as a whole.
func (d *dropped) status() control.Drops {
	return control.Drops{Drops: []control.Drop{}, Packets: d.packets.Load(), Lost: d.lost.Load()}
}
