//go:build linux

package integration

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/namewall/namewall/integration/lab"
)

// restartTraffic asks again as soon as resolv.conf(5) allows (`timeout:1`): with
// each process some questions end.
var restartTraffic = func() lab.Traffic {
	v := chaosTraffic
	v.Clients, v.Retry = 24, time.Second
	return v
}()

// life is that of one process. It was known to answer at up, and known to be dead
// at end.
type life struct{ up, end time.Time }

// The gateway is killed and started again a hundred times. The sets stay, so that
// every first packet gets through all the time, also while nobody answers.
//
// A question may go unanswered if it met nobody, of which the client is told
// (ICMP port unreachable), or if it was sent in the last moments of a process,
// after it had answered everything that was sent to it until then. Any other that
// is not answered is lost.
func TestKilledAHundredTimes(t *testing.T) {
	l, n, run := startChaos(t, chaosCorefile("20s"), restartTraffic)
	var lives []life
	for range rounds {
		before := time.Time{}
		if len(lives) > 0 {
			before = lives[len(lives)-1].end
		}
		up := time.Now()
		if err := run.Answered(before, up); err != nil {
			t.Fatal(err)
		}
		run.More(restartTraffic.Clients)
		n.Kill()
		lives = append(lives, life{up, time.Now()})
		if out := n.Output(); strings.Contains(out, "panic") || strings.Contains(out, "DATA RACE") {
			t.Errorf("something went wrong:\n%s", out)
		}
		n.Again()
	}
	run.More(20 * restartTraffic.Clients)
	log := run.Stop()
	died := len(log.Silent)
	log.Silent = slices.DeleteFunc(log.Silent, func(sent time.Time) bool {
		return slices.ContainsFunc(lives, func(l life) bool { return !sent.Before(l.up) && !sent.After(l.end) })
	})
	died -= len(log.Silent)
	verdict(t, log, nil)
	allAnswered(t, log)
	t.Logf("%d questions died with their process, %d met nobody", died, log.Unheard)
	if drops := l.Drops(); drops != (lab.Drops{}) {
		t.Errorf("dropped %+v", drops)
	}
}

// A reboot: network namespaces that never saw anything, the state file of before.
// When the resolver takes its first question the sets hold what was promised, and
// the clients, who have not asked again, get through.
func TestRebootUnderTraffic(t *testing.T) {
	t.Parallel()
	state := filepath.Join(t.TempDir(), "state")
	corefile := strings.Replace(chaosCorefile("20s"), "nftset {", "nftset {\n\t\tstate "+state, 1)
	_, n, run := startChaos(t, corefile, chaosTraffic)
	verdict(t, run.Stop(), nil)
	promised := run.Promised()
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}

	l := lab.New(t)
	l.Load(chaosRuleset)
	l.AcceptTCP(port)
	l.Script().Bulk()
	l.Namewall(corefile)
	sets, err := l.Holder("open4", "open6")
	if err != nil {
		t.Fatal(err)
	}
	defer sets.Close()
	if missing := sets.Missing(promised...); len(missing) > 0 {
		t.Errorf("%d addresses of %d are missing", len(missing), len(promised))
	}
	run = chaosTraffic.Start(l, promised...)
	run.More(20 * chaosTraffic.Clients)
	verdict(t, run.Stop(), nil)
	if drops := l.Drops(); drops != (lab.Drops{}) {
		t.Errorf("dropped %+v", drops)
	}
}
