package nftset

import (
	"github.com/coredns/coredns/plugin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/namewall/namewall/internal/drops"
	"github.com/namewall/namewall/internal/gate"
	"github.com/namewall/namewall/internal/told"
)

var (
	droppedPackets = promauto.NewCounterVec(prometheus.CounterOpts{
		Namespace: plugin.Namespace,
		Subsystem: directive,
		Name:      "dropped_packets_total",
		Help:      "Packets that the ruleset logged to the NFLOG group as dropped, by cause.",
	}, []string{"cause"})

	droppedLost = promauto.NewCounter(prometheus.CounterOpts{
		Namespace: plugin.Namespace,
		Subsystem: directive,
		Name:      "dropped_packets_lost_total",
		Help:      "Packets of the NFLOG group that came too fast to be read.",
	})

	dropsFailures = promauto.NewCounter(prometheus.CounterOpts{
		Namespace: plugin.Namespace,
		Subsystem: directive,
		Name:      "drops_failures_total",
		Help:      "Failures to read the NFLOG group.",
	})

	toldLost = promauto.NewCounter(prometheus.CounterOpts{
		Namespace: plugin.Namespace,
		Subsystem: directive,
		Name:      "told_lost_total",
		Help:      "Answers of which is not remembered what they told, because they came too fast.",
	})
)

var dropsReadDesc = desc("drops_read", "1 if the NFLOG group is read; 0 if there is none, or it can't be.")

// usage is how much of their bounds the drops use.
func (d *dropped) usage() []gate.Usage {
	named, unnamed := d.table.Used()
	pairs := 0
	if in := d.inbox.Load(); in != nil {
		pairs = in.Used()
	}
	return []gate.Usage{
		{Name: "drops", Used: named, Limit: drops.MaxNamed},
		{Name: "unnamed_drops", Used: unnamed, Limit: drops.MaxUnnamed},
		{Name: "told_pairs", Used: pairs, Limit: told.MaxPairs},
	}
}
