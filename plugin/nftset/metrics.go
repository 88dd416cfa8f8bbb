package nftset

import (
	"context"
	"maps"
	"sync/atomic"
	"time"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/namewall/namewall/internal/gate"
	"github.com/namewall/namewall/internal/rule"
)

// holdBuckets begin where a commit on an idle machine ends, and reach to the
// longest `wait` that anybody would want.
var holdBuckets = []float64{
	10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 500e-3, 1, 2.5, 5,
}

var (
	answersTotal = promauto.NewCounterVec(prometheus.CounterOpts{
		Namespace: plugin.Namespace,
		Subsystem: directive,
		Name:      "answers_total",
		Help:      "Answers that fell under a rule, by what became of them; in mode feed, by what enforcing would have made of them.",
	}, []string{"server", "mode", "outcome"})

	refusedAddresses = promauto.NewCounterVec(prometheus.CounterOpts{
		Namespace: plugin.Namespace,
		Subsystem: directive,
		Name:      "refused_addresses_total",
		Help:      "Addresses that were not promised, by cause; in mode feed they were given to the client all the same.",
	}, []string{"server", "mode", "cause"})

	holdDuration = promauto.NewHistogram(prometheus.HistogramOpts{
		Namespace:                   plugin.Namespace,
		Subsystem:                   directive,
		Name:                        "hold_duration_seconds",
		Help:                        "How long answers were held for the kernel, those that needed no write left out.",
		Buckets:                     holdBuckets,
		NativeHistogramBucketFactor: plugin.NativeHistogramBucketFactor,
	})

	commitDuration = promauto.NewHistogram(prometheus.HistogramOpts{
		Namespace:                   plugin.Namespace,
		Subsystem:                   directive,
		Name:                        "commit_duration_seconds",
		Help:                        "How long the kernel took for a batch.",
		Buckets:                     holdBuckets,
		NativeHistogramBucketFactor: plugin.NativeHistogramBucketFactor,
	})

	commitElements = promauto.NewHistogram(prometheus.HistogramOpts{
		Namespace:                   plugin.Namespace,
		Subsystem:                   directive,
		Name:                        "commit_elements",
		Help:                        "Elements in a batch.",
		Buckets:                     []float64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000},
		NativeHistogramBucketFactor: plugin.NativeHistogramBucketFactor,
	})

	kernelErrors = promauto.NewCounterVec(prometheus.CounterOpts{
		Namespace: plugin.Namespace,
		Subsystem: directive,
		Name:      "kernel_errors_total",
		Help:      "Elements and batches that the kernel refused, by errno.",
	}, []string{"errno"})

	healedElements = promauto.NewCounter(prometheus.CounterOpts{
		Namespace: plugin.Namespace,
		Subsystem: directive,
		Name:      "healed_elements_total",
		Help:      "Elements that were put back after another program had taken them out or shortened their lives.",
	})

	revokedElements = promauto.NewCounter(prometheus.CounterOpts{
		Namespace: plugin.Namespace,
		Subsystem: directive,
		Name:      "revoked_elements_total",
		Help:      "Elements that were deleted by hand, or because the configuration no longer gives them.",
	})

	killedConnections = promauto.NewCounter(prometheus.CounterOpts{
		Namespace: plugin.Namespace,
		Subsystem: directive,
		Name:      "killed_connections_total",
		Help:      "Connections that were ended with revoked elements.",
	})

	foreignChanges = promauto.NewCounterVec(prometheus.CounterOpts{
		Namespace: plugin.Namespace,
		Subsystem: directive,
		Name:      "foreign_changes_total",
		Help:      "Changes that other programs made to sets which rules feed, by the process's name as the kernel has it.",
	}, []string{"process"})

	auditLosses = promauto.NewCounter(prometheus.CounterOpts{
		Namespace: plugin.Namespace,
		Subsystem: directive,
		Name:      "audit_losses_total",
		Help:      "Times that an audit found elements missing of which no kernel event had told, so that the set was read anew.",
	})

	eventOverruns = promauto.NewCounter(prometheus.CounterOpts{
		Namespace: plugin.Namespace,
		Subsystem: directive,
		Name:      "event_overruns_total",
		Help:      "Times that kernel events were lost and every set was read anew.",
	})
)

var (
	stateSaved = promauto.NewGauge(prometheus.GaugeOpts{
		Namespace: plugin.Namespace,
		Subsystem: directive,
		Name:      "state_saved_timestamp_seconds",
		Help:      "When the state file was written last; 0 if it never was by this process.",
	})

	grantsLost = promauto.NewCounter(prometheus.CounterOpts{
		Namespace: plugin.Namespace,
		Subsystem: directive,
		Name:      "log_lost_total",
		Help:      "Lines of the grant log for which there was no room, because they came faster than the disk takes them.",
	})

	grantFailures = promauto.NewCounter(prometheus.CounterOpts{
		Namespace: plugin.Namespace,
		Subsystem: directive,
		Name:      "log_failures_total",
		Help:      "Lines of the grant log that could not be written.",
	})

	stateFailures = promauto.NewCounter(prometheus.CounterOpts{
		Namespace: plugin.Namespace,
		Subsystem: directive,
		Name:      "state_failures_total",
		Help:      "Failures to open, read or write the state file.",
	})
)

// observer makes metrics of what the gate does.
type observer struct{ processes labelSet }

func (*observer) Commit(elements int, took time.Duration) {
	commitElements.Observe(float64(elements))
	commitDuration.Observe(took.Seconds())
}
func (*observer) Held(took time.Duration) { holdDuration.Observe(took.Seconds()) }
func (*observer) Refused(errno string)    { kernelErrors.WithLabelValues(errno).Inc() }
func (*observer) Healed(elements int)     { healedElements.Add(float64(elements)) }
func (o *observer) Foreign(process string) {
	foreignChanges.WithLabelValues(o.processes.label(process)).Inc()
}

func (*observer) Lost()                  { auditLosses.Inc() }
func (*observer) Overrun()               { eventOverruns.Inc() }
func (*observer) Revoked(elements int)   { revokedElements.Add(float64(elements)) }
func (*observer) Killed(connections int) { killedConnections.Add(float64(connections)) }

// counters are a handler's answers_total by server, looked up once: the answer
// path has no time for labels. There is a server for each socket.
type counters struct {
	byServer atomic.Pointer[map[*dnsserver.Server]*serverCounters] // replaced, never changed
}

type serverCounters struct {
	name    string
	answers [len(modes)][len(outcomes)]prometheus.Counter
}

var modes = [...]rule.Mode{rule.Enforce, rule.Feed}

// mode is the one under which the question fell.
func (q *work) mode() rule.Mode {
	if q.Enforced {
		return rule.Enforce
	}
	return rule.Feed
}

// answer counts one answer and what it was refused.
func (c *counters) answer(ctx context.Context, q *work, o outcome) {
	s := c.of(ctx)
	mode := q.mode()
	s.answers[mode][o].Inc()
	countRefused(s.name, mode, q.Fates)
}

// countRefused counts the addresses of an answer that were not promised.
func countRefused(server string, mode rule.Mode, fates []gate.Fate) {
	for _, fate := range fates {
		if !fate.Given() {
			refusedAddresses.WithLabelValues(server, mode.String(), fate.String()).Inc()
		}
	}
}

func (c *counters) of(ctx context.Context) *serverCounters {
	server, _ := ctx.Value(dnsserver.Key{}).(*dnsserver.Server)
	if all := c.byServer.Load(); all != nil {
		if s := (*all)[server]; s != nil {
			return s
		}
	}
	return c.add(server)
}

// add looks up the counters of a server. Two that do so at the same time find the
// same.
func (c *counters) add(server *dnsserver.Server) *serverCounters {
	s := new(serverCounters)
	if server != nil {
		s.name = server.Addr
	}
	for m, mode := range modes {
		for o, name := range outcomes {
			s.answers[m][o] = answersTotal.WithLabelValues(s.name, mode.String(), name)
		}
	}
	for {
		old := c.byServer.Load()
		all := map[*dnsserver.Server]*serverCounters{server: s}
		if old != nil {
			maps.Copy(all, *old)
		}
		if c.byServer.CompareAndSwap(old, &all) {
			return s
		}
	}
}

// statsCollector is the gauges: what the process holds, read when it is asked
// for.
type statsCollector struct{ process *process }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(plugin.Namespace, directive, name), help, labels, nil)
}

var (
	rulesNotReadyDesc = desc("rules_not_ready", "Rules of which a set can't be fed.")
	rulesBrakedDesc   = desc("rules_braked", "Rules that are held to feeding by hand.")
	setReadyDesc      = desc("set_ready", "1 if the set can be fed.", "family", "table", "set")
	setElementsDesc   = desc("set_elements", "Elements of the set that are known, expired ones left out.", "family", "table", "set")
	setCapacityDesc   = desc("set_capacity_elements", "Elements that the set has room for; 0 if it declares no size.", "family", "table", "set")
	usedDesc          = desc("budget_used", "How much of a budget is used.", "budget")
	limitDesc         = desc("budget_limit", "How much a budget allows.", "budget")
	ownKnownDesc      = desc("own_addresses_known", "1 if the gateway's own addresses are known and up to date.")
	queuedDesc        = desc("queued_elements", "Elements that wait to be written.")
	namesInUseDesc    = desc("names_file_in_use", "1 if the rules have the names that the file has now; 0 if it can't be used and they have what it had before.", "file")
	namesPatternsDesc = desc("names_file_patterns", "Patterns that the rules have from the file.", "file")
)

// Describe implements prometheus.Collector.
func (c *statsCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		rulesNotReadyDesc, rulesBrakedDesc, setReadyDesc, setElementsDesc, setCapacityDesc, usedDesc, limitDesc, ownKnownDesc, queuedDesc,
		namesInUseDesc, namesPatternsDesc, resolveNamesDesc, dropsReadDesc,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *statsCollector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value int, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(value), labels...)
	}
	rules := make(map[string]bool)
	for _, p := range c.process.gate.Problems() {
		rules[p.Rule.Name] = true
	}
	gauge(rulesNotReadyDesc, len(rules))
	gauge(rulesBrakedDesc, len(c.process.gate.BrakedRules()))
	s := c.process.gate.Stats()
	for _, set := range s.Sets {
		labels := []string{set.ID.Family.String(), set.ID.Table, set.ID.Name}
		gauge(setReadyDesc, oneIf(set.Ready), labels...)
		gauge(setElementsDesc, set.Used, labels...)
		gauge(setCapacityDesc, set.Size, labels...)
	}
	gauge(ownKnownDesc, oneIf(c.process.own.Err() == nil))
	gauge(queuedDesc, s.Queued)
	if serving := c.process.serving.Load(); serving != nil {
		for _, f := range serving.names.stats() {
			gauge(namesInUseDesc, oneIf(f.refused == nil), f.path)
			gauge(namesPatternsDesc, f.patterns, f.path)
		}
	}
	gauge(dropsReadDesc, oneIf(c.process.drops.reading.Load()))
	for _, b := range append(s.Budgets(), c.process.drops.usage()...) {
		gauge(usedDesc, b.Used, b.Name)
		gauge(limitDesc, b.Limit, b.Name)
	}
	c.collectResolve(ch)
}

func oneIf(b bool) int {
	if b {
		return 1
	}
	return 0
}
