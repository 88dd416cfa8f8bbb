package nftset

import (
	"github.com/coredns/coredns/plugin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/namewall/namewall/internal/resolve"
)

var (
	resolveQuestions = promauto.NewCounterVec(prometheus.CounterOpts{
		Namespace: plugin.Namespace,
		Subsystem: directive,
		Name:      "resolve_questions_total",
		Help:      "Questions for names under resolve, by what came of them.",
	}, []string{"outcome"})

	resolveChanges = promauto.NewCounterVec(prometheus.CounterOpts{
		Namespace: plugin.Namespace,
		Subsystem: directive,
		Name:      "resolve_changes_total",
		Help:      "Times that DNS announced other addresses for a name under resolve.",
	}, []string{"rule"})

	onChangeRuns = promauto.NewCounterVec(prometheus.CounterOpts{
		Namespace: plugin.Namespace,
		Subsystem: directive,
		Name:      "on_change_runs_total",
		Help:      "Commands of on_change that have ended, by their exit code.",
	}, []string{"rule", "exit"})

	resolveNamesDesc = desc("resolve_names", "Names under resolve, by how it stands with them.", "rule", "state")
)

// questionOutcomes are the label's values.
var questionOutcomes = [...]string{"addresses", "none", "failed"}

func outcomeOf(a resolve.Answer) string {
	switch {
	case a.Walk != nil:
		return questionOutcomes[0]
	case a.None:
		return questionOutcomes[1]
	}
	return questionOutcomes[2]
}

// collectResolve sends how many names are in which state.
func (c *statsCollector) collectResolve(ch chan<- prometheus.Metric) {
	for rule, names := range c.process.resolver.Stats() {
		for _, state := range resolve.States() {
			ch <- prometheus.MustNewConstMetric(resolveNamesDesc, prometheus.GaugeValue, float64(names[state]), rule, state.String())
		}
	}
}
