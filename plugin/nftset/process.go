package nftset

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/namewall/namewall/internal/gate"
	"github.com/namewall/namewall/internal/host"
	"github.com/namewall/namewall/internal/resolve"
	"github.com/namewall/namewall/internal/rule"
)

// process is what outlives a reload.
type process struct {
	gate *gate.Gate
	own  ownAddresses

	saver    *saver
	control  *service
	page     *service
	grants   *grantLog
	resolver *resolve.Resolver
	notices  *notices
	recent   recent
	busy     busy
	drops    *dropped
	serving  atomic.Pointer[instance] // what questions are answered by; nil: nothing yet
}

func newProcess(g *gate.Gate, own ownAddresses, s *saver) *process {
	p := &process{
		gate: g, own: own, saver: s, notices: newNotices(s.touch),
		grants: &grantLog{gate: g, lost: grantsLost, failures: grantFailures},
	}
	p.drops = newDropped(g, own, s, p.opens)
	api := newAPI(p)
	p.control, p.page = newControl(api), newPage(api)
	p.resolver = resolve.New(p.notices)
	return p
}

// resolved tells whether the names that were to be resolved from the start have
// been tried.
func (p *process) resolved() bool {
	select {
	case <-p.resolver.FirstRound():
		return true
	default:
		return false
	}
}

// problems are what an operator should know that no rule and no set tells.
func (p *process) problems() []string {
	var all []string
	if err := p.own.Err(); err != nil {
		all = append(all, fmt.Sprintf("the gateway's own addresses may have changed: %v", err))
	}
	if !p.resolved() {
		all = append(all, "not all names under `resolve` have been asked for yet")
	}
	if serving := p.serving.Load(); serving != nil {
		for _, f := range serving.names.stats() {
			if f.refused != nil {
				all = append(all, f.problem().Error())
			}
		}
	}
	if err := p.saver.problem(); err != nil {
		all = append(all, fmt.Sprintf("no state is kept: %v", err))
	}
	if p.saver.behind.Load() {
		all = append(all, "the clock was behind that of the state file at the start: what was promised before has kept all that was left of its life")
	}
	return all
}

// ownAddresses are the gateway's own addresses and networks, *host.Host.
type ownAddresses interface {
	rule.Own
	Err() error // why they may be out of date
}

// shared is the process's gate: what was promised under one configuration is
// kept under the next. It begins with the first configuration that needs it, and
// ends with the process.
var shared = sync.OnceValue(func() *process {
	g := gate.New(gate.Options{Kernel: new(gate.NFT), Log: log, Observer: new(observer)})
	var own ownAddresses
	var err error
	if own, err = host.Open(); err != nil {
		log.Errorf("reading the gateway's own addresses, all but those of allow and pass are refused: %v", err)
		own = unknown{err}
	}
	p := newProcess(g, own, &saver{gate: g, saved: stateSaved, failures: stateFailures})
	go p.saver.run()
	prometheus.MustRegister(&statsCollector{process: p})
	return p
})

// unknown takes every address for the gateway's own, because which ones are
// can't be found out.
type unknown struct{ err error }

func (unknown) Contains(netip.Addr) bool { return true }
func (u unknown) Err() error             { return u.err }
