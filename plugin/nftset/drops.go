package nftset

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/namewall/namewall/internal/control"
	"github.com/namewall/namewall/internal/drops"
	"github.com/namewall/namewall/internal/gate"
	"github.com/namewall/namewall/internal/nflog"
	"github.com/namewall/namewall/internal/set"
	"github.com/namewall/namewall/internal/told"
)

const (
	// A group that can't be read is tried again after dropsPause, and then with
	// pauses that double up to dropsPauseMax: somebody has to end the other process
	// or load the module.
	dropsPause    = time.Second
	dropsPauseMax = time.Minute
	// dropsSaveEvery is how old the file of the drops may become. A crash loses
	// what was seen since.
	dropsSaveEvery = 5 * time.Minute
)

// dropped follows what the firewall drops, over reloads, away from the answer path:
// a goroutine reads the NFLOG group and joins each packet with what its client was
// told. While there is no group, nobody notes what clients are told.
type dropped struct {
	gate  *gate.Gate
	own   ownAddresses
	table *drops.Table
	keep  func(name string, content []byte) error // in the state directory
	opens opening
	netns int // for tests

	inbox   atomic.Pointer[told.Inbox] // nil: there is no group
	packets atomic.Uint64
	lost    atomic.Uint64
	reading atomic.Bool
	problem atomic.Pointer[string] // why the group can't be read; nil: it can
	group   atomic.Pointer[uint16] // as configured

	saving  sync.Mutex // guards what follows, and is held during a save
	saved   uint64     // changes of the table, when it was saved last
	trouble string     // the error that was logged last, "" if it is over

	mu   sync.Mutex // guards what follows
	stop func()     // ends the goroutine; nil: there is none
}

// opening tells which rule a name falls under by now when a client asks, and which
// one opens a service of it; "": none.
type opening func(name string, client netip.Addr, s set.Service) (falls, opens string)

func newDropped(g *gate.Gate, own ownAddresses, s *saver, opens opening) *dropped {
	return &dropped{gate: g, own: own, table: drops.NewTable(), keep: s.keep, opens: opens}
}

// use reads this group from now on, none if it is nil. The drops stay.
func (d *dropped) use(group *uint16) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now := d.group.Load(); now == group || now != nil && group != nil && *now == *group {
		return
	}
	d.end()
	d.group.Store(group)
	if group == nil {
		d.forget()
		return
	}
	in := d.inbox.Load()
	if in == nil {
		in = told.Open(told.NewLedger(time.Now()), toldLost.Inc)
		seed(in.Ledger, d.gate)
		d.inbox.Store(in)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { d.follow(ctx, *group, in) })
	done.Go(func() { d.keepUp(ctx) })
	d.stop = func() {
		cancel()
		done.Wait()
	}
}

// close ends the reading, and saves the drops.
func (d *dropped) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.end()
	d.group.Store(nil)
	d.forget()
	d.save()
}

// forget ends the noting of what clients are told.
func (d *dropped) forget() {
	if in := d.inbox.Swap(nil); in != nil {
		in.Close()
	}
}

// end ends the goroutines, with the mutex held. What clients are told goes on to be
// noted if another group follows.
func (d *dropped) end() {
	if d.stop != nil {
		d.stop()
		d.stop = nil
	}
	d.problem.Store(nil)
}

// follow reads the group, and again if that fails, until ctx is done.
func (d *dropped) follow(ctx context.Context, group uint16, in *told.Inbox) {
	known := ""
	pause := dropsPause
	for {
		j := &joiner{dropped: d, told: in.Ledger, reading: func() {
			if known != "" {
				log.Infof("NFLOG group %d is read again", group)
			}
			known, pause = "", dropsPause
			d.problem.Store(nil)
			d.reading.Store(true)
		}}
		err := nflog.Read(ctx, group, nflog.Options{NetNS: d.netns}, j)
		d.reading.Store(false)
		if ctx.Err() != nil {
			return
		}
		text := err.Error()
		d.problem.Store(&text)
		dropsFailures.Inc()
		if text != known {
			known = text
			log.Errorf("what the firewall drops can't be read, it is tried again: %v", err)
		}
		select {
		case <-time.After(pause):
			pause = min(2*pause, dropsPauseMax)
		case <-ctx.Done():
			return
		}
	}
}

// keepUp forgets what is old and saves the rest, now and then.
func (d *dropped) keepUp(ctx context.Context) {
	ticker := time.NewTicker(dropsSaveEvery)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			d.table.Expire(now)
			d.save()
		case <-ctx.Done():
			return
		}
	}
}

// seed notes what the gate knows that clients were told, before this process too.
func seed(l *told.Ledger, g *gate.Gate) {
	entries, _ := g.Entries(gate.Filter{}, told.MaxPairs)
	now := time.Now()
	for i := range entries {
		for _, why := range entries[i].Reasons {
			if why.Name != "" {
				a := told.Answer{Client: why.Client, Name: why.Name, Rule: why.Rule}
				a.Add(entries[i].Addr, 0, gate.Promised)
				l.Note(&a, now.Add(-why.Last))
			}
		}
	}
}

// status is what is known of the drops as a whole.
func (d *dropped) status() control.Drops {
	out := control.Drops{Drops: []control.Drop{}, Group: d.group.Load(), Packets: d.packets.Load(), Lost: d.lost.Load()}
	if text := d.problem.Load(); text != nil {
		out.Problem = *text
	}
	if in := d.inbox.Load(); in != nil {
		since := in.Since()
		out.Since = &since
	}
	return out
}
