package gate

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/namewall/namewall/internal/answer"
	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
	"github.com/namewall/namewall/internal/state"
)

// reboot ends a gate and begins another on an empty kernel, with what the first
// one had promised and rules as the configuration.
func reboot(t *testing.T, b *bench, k *fakeKernel, rules ...*rule.Rule) *bench {
	saved := b.gate.Snapshot(state.Instant{})
	next := &bench{fakeKernel: k, seen: new(counter)}
	next.gate = New(Options{Kernel: k, Observer: next.seen})
	t.Cleanup(next.gate.Close)
	for i, r := range rules {
		r.Index = i
	}
	next.inst = next.gate.Stage(rules, rule.Site{})
	next.block = next.inst.Block(rules)
	next.inst.Restore(saved)
	next.inst.Start()
	next.gate.Settle(context.Background())
	return next
}

// After a reboot the sets hold again what was promised, with what is left of it,
// when Settle returns.
func TestPromisesOutliveAReboot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		b.ask("www.example.com.", time.Minute, addr1)
		time.Sleep(20 * time.Minute)
		b.ask("api.example.com.", time.Minute, addr2)

		fresh := newFakeKernel()
		fresh.declare(web4, v4, 0)
		next := reboot(t, b, fresh, newRule("web", []set.ID{web4}))
		for addr, want := range map[netip.Addr]time.Duration{
			addr1: rule.DefaultMin + rule.DefaultGrace - 20*time.Minute,
			addr2: rule.DefaultMin + rule.DefaultGrace,
		} {
			if got := fresh.life(web4, key4(addr)); got < want || got > want+kernelExtra {
				t.Errorf("%v: %v in the kernel, promised were %v", addr, got, want)
			}
		}
		commits := fresh.commitsSoFar()
		if q := next.ask("www.example.com.", time.Minute, addr1); q.Fates[0] != Promised || fresh.commitsSoFar() != commits {
			t.Errorf("%v after %d commits", q.Fates[0], fresh.commitsSoFar()-commits)
		}
	})
}

// What the configuration no longer says is not taken over.
func TestRestoreAsksTheConfigurationAgain(t *testing.T) {
	other, err := rule.ParsePattern("*.example.net")
	if err != nil {
		t.Fatal(err)
	}
	strict, err := rule.NewPolicy(rule.Lines{}, rule.Lines{})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		rule *rule.Rule
		want time.Duration // of life, at most; 0: none
	}{
		{"as it was", newRule("web", []set.ID{web4}), 2 * time.Hour},
		{"a shorter life", newRule("web", []set.ID{web4}, func(r *rule.Rule) {
			r.Lifetime = rule.Lifetime{Min: time.Minute, Max: 4 * time.Minute, Grace: 0}
		}), 5 * time.Minute},
		{"another name", newRule("web", []set.ID{web4}, func(r *rule.Rule) { r.Names[0].Patterns = []rule.Pattern{other} }), 0},
		{"another rule", newRule("app", []set.ID{web4}), 0},
		{"another set", newRule("web", []set.ID{app4}), 0},
		{"no longer admissible", newRule("web", []set.ID{web4}, func(r *rule.Rule) { r.Policy = strict }), 0},
		{"now with ports", newRule("web", []set.ID{web4}, func(r *rule.Rule) { r.Names[0].Services = []set.Service{{Proto: 6, Port: 443}} }), 0},
		{"not for this client", newRule("web", []set.ID{web4}, func(r *rule.Rule) {
			r.Clients = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}
		}), 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel()
				k.declare(web4, v4, 0)
				b := start(t, k, newRule("web", []set.ID{web4}))
				b.ask("www.example.com.", time.Minute, addr1)
				fresh := newFakeKernel()
				fresh.declare(web4, v4, 0)
				fresh.declare(app4, v4, 0)
				reboot(t, b, fresh, test.rule)
				got := fresh.life(web4, key4(addr1))
				if got > test.want+kernelExtra || (got > 0) != (test.want > 0) {
					t.Errorf("restored for %v, want %v", got, test.want)
				}
			})
		})
	}
}

// A set that has another layout by now gets none of the old keys, and all of them
// when it has the old one again.
func TestRestoreIntoAnotherLayout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		b.ask("www.example.com.", time.Minute, addr1)
		fresh := newFakeKernel()
		fresh.declare(web4, pairs4, 0)
		next := reboot(t, b, fresh, newRule("web", []set.ID{web4}))
		if n := fresh.count(web4); n != 0 {
			t.Errorf("%d elements", n)
		}
		fresh.replace(web4, v4, 0)
		next.gate.Settle(context.Background())
		if fresh.life(web4, key4(addr1)) <= 0 {
			t.Error("the promise was not kept")
		}
	})
}

// Nothing to read and no kernel to reach must not keep anybody from starting.
func TestSettleEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		b := start(t, k, newRule("web", []set.ID{web4})) // there is no such set
		began := time.Now()
		b.gate.Settle(context.Background())
		k.change(func() { k.openErr = errBoom })
		unreachable := New(Options{Kernel: k})
		defer unreachable.Close()
		unreachable.Settle(context.Background())
		if took := time.Since(began); took > tick {
			t.Errorf("took %v", took)
		}
	})
}

// A resolver below us that holds a CNAME goes on asking for its target alone.
func TestTargetsOutliveAReboot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declare(web4, v4, 0)
		b := start(t, k, newRule("web", []set.ID{web4}))
		b.askChain(time.Minute, answer.Link{Owner: "www.example.com.", Target: "edge.cdn.test.", TTL: time.Hour})
		fresh := newFakeKernel()
		fresh.declare(web4, v4, 0)
		next := reboot(t, b, fresh, newRule("web", []set.ID{web4}))
		if q := next.ask("edge.cdn.test.", time.Minute, addr2); len(q.Matches) != 1 || q.Fates[0] != Promised {
			t.Errorf("%v %v", q.Matches, q.Fates)
		}
	})
}
