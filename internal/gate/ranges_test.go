package gate

import (
	"errors"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/namewall/namewall/internal/nft"
	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

var nets4 = set.ID{Family: set.Inet, Table: "filter", Name: "nets4"}

// fixed is a rule without names that writes prefixes out into nets4.
func fixed(name string, prefixes ...string) *rule.Rule {
	r := newRule(name, nil)
	r.Names = nil
	spanning(prefixes...)(r)
	return r
}

// spanning gives a rule an interval set, and prefixes for it.
func spanning(prefixes ...string) func(*rule.Rule) {
	return func(r *rule.Rule) {
		r.Sets = append(r.Sets, rule.Set{ID: nets4, Known: true, Interval: true})
		if len(prefixes) == 0 {
			return
		}
		var line rule.Static
		for _, p := range prefixes {
			line.Prefixes = append(line.Prefixes, netip.MustParsePrefix(p))
		}
		r.Statics = append(r.Statics, line)
	}
}

func revoking(choice rule.Revoke, r *rule.Rule) *rule.Rule {
	r.Revoke = choice
	return r
}

// spans are what an interval set holds, in order, as nft has them; those that are
// namewall's with a star.
func (k *fakeKernel) spans() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var all []string
	if s := k.sets[nets4]; s != nil {
		for _, r := range s.ranges {
			b := boxOf(v4, r)
			text := b.span.String()
			if r.Own {
				text += "*"
			}
			all = append(all, text)
		}
	}
	return strings.Join(sorted(all), " ")
}

// others is another program's change of an interval set.
func (k *fakeKernel) others(change func(*fakeSet)) {
	k.change(func() { change(k.sets[nets4]) })
	k.tell(nft.Event{Kind: nft.ElementNew, ID: nets4})
}

func theirs(prefix string, life time.Duration) nft.Range {
	s := set.SpanOf(netip.MustParsePrefix(prefix))
	return nft.Range{First: key4(s.First), Last: key4(s.Last), Expires: life}
}

// Prefixes are written when the set is there, merged, without a question.
func TestRangesAreThereFromTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declareInterval(nets4, v4)
		b := start(t, k, fixed("vpn", "10.0.0.0/9", "10.128.0.0/9", "192.168.0.0/16", "192.168.1.0/24", "198.51.100.1/32"), fixed("other", "192.168.0.0/15"))
		if got := k.spans(); got != "10.0.0.0/8* 192.168.0.0/15* 198.51.100.1*" {
			t.Errorf("there are %s", got)
		}
		found, _ := b.gate.Entries(Filter{Addr: netip.MustParseAddr("192.168.1.7")}, 10)
		if len(found) != 1 || !found[0].Permanent || !found[0].Own || len(found[0].Reasons) != 2 || found[0].Span().String() != "192.168.0.0/15" || found[0].Reasons[0].First != 0 {
			t.Errorf("known of it: %+v", found)
		}
		if s := b.gate.Stats().Sets; len(s) != 1 || s[0].Used != 3 || !s[0].Ready {
			t.Errorf("%+v", s)
		}
		if b.seen.get(&b.seen.healed) != 0 {
			t.Error("taken for healed")
		}
		commits := k.commitsSoFar()
		time.Sleep(time.Hour)
		if n := k.commitsSoFar() - commits; n != 0 {
			t.Errorf("%d writes in an hour", n)
		}
		found, _ = b.gate.Entries(Filter{Set: nets4, Rule: "other"}, 10)
		if len(found) != 1 || found[0].Reasons[0].First != time.Hour {
			t.Errorf("an hour later: %+v", found)
		}
		b.load(fixed("vpn", "203.0.113.0/24"))
		if got := k.spans(); got != "10.0.0.0/8* 192.168.0.0/15* 198.51.100.1* 203.0.113.0/24*" {
			t.Errorf("with another configuration there are %s", got)
		}
	})
}

// An address goes to the sets of addresses, where the rule has one of its family.
func TestRangesLeaveAddressesToOtherSets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declareInterval(nets4, v4)
		k.declare(web4, v4, 0)
		start(t, k, newRule("web", []set.ID{web4}, writing(v4, nil, addr1), spanning("10.0.0.0/8")))
		if got := k.spans(); got != "10.0.0.0/8*" || !has(k, web4, key4(addr1)) {
			t.Errorf("there are %s", got)
		}
	})
}

// What others hold stays theirs: written is the rest. When they take it away, its
// part is written, too.
func TestRangesBesideOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declareInterval(nets4, v4)
		k.change(func() {
			k.sets[nets4].ranges = []nft.Range{theirs("10.1.0.0/16", 0), theirs("10.2.0.0/16", 10*time.Second), theirs("172.16.0.0/12", 0)}
		})
		b := start(t, k, fixed("vpn", "10.0.0.0/14", "172.16.3.0/24"))
		if got := k.spans(); got != "10.0.0.0/16* 10.1.0.0/16 10.2.0.0/16 10.3.0.0/16* 172.16.0.0/12" {
			t.Errorf("there are %s", got)
		}
		if p := b.gate.Problems(); len(p) > 0 {
			t.Errorf("problems %v", p)
		}
		found, _ := b.gate.Entries(Filter{Addr: netip.MustParseAddr("172.16.3.1")}, 10)
		if len(found) != 1 || found[0].Own || !found[0].Permanent {
			t.Errorf("known of it: %+v", found)
		}
		time.Sleep(10 * time.Second) // of whose end no event tells
		k.change(func() { k.sets[nets4].ranges = without4(k.sets[nets4].ranges, "10.2.0.0/16") })
		time.Sleep(2 * tick)
		if got := k.spans(); got != "10.0.0.0/16* 10.1.0.0/16 10.2.0.0/15* 172.16.0.0/12" {
			t.Errorf("after its end there are %s", got)
		}
		k.others(func(s *fakeSet) { s.ranges = without4(s.ranges, "172.16.0.0/12") })
		time.Sleep(tick)
		if got := k.spans(); got != "10.0.0.0/16* 10.1.0.0/16 10.2.0.0/15* 172.16.3.0/24*" {
			t.Errorf("then there are %s", got)
		}
	})
}

func without4(all []nft.Range, prefix string) (left []nft.Range) {
	for _, r := range all {
		if r.First != theirs(prefix, 0).First {
			left = append(left, r)
		}
	}
	return left
}

// Whatever others do, it is put back, and counted.
func TestRangesHeal(t *testing.T) {
	for name, harm := range map[string]func(*fakeKernel){
		"one is deleted":           func(k *fakeKernel) { k.others(func(s *fakeSet) { s.ranges = s.ranges[1:] }) },
		"all are deleted":          func(k *fakeKernel) { k.others(func(s *fakeSet) { s.ranges = nil }) },
		"the set is declared anew": func(k *fakeKernel) { k.remove(nets4); k.declareInterval(nets4, v4) },
		"the set comes back late":  func(k *fakeKernel) { k.remove(nets4); time.Sleep(time.Hour); k.declareInterval(nets4, v4) },
		"many changes": func(k *fakeKernel) {
			k.change(func() { k.sets[nets4].ranges = nil })
			k.tell(nft.Event{Kind: nft.SetChanged, ID: nets4})
		},
		"events are lost": func(k *fakeKernel) {
			k.change(func() { k.sets[nets4].ranges = nil })
			k.tell(nft.Event{Kind: nft.Overrun})
		},
		"nobody tells of it":    func(k *fakeKernel) { k.change(func() { k.sets[nets4].ranges = nil }); time.Sleep(auditEvery) },
		"it is of another kind": func(k *fakeKernel) { k.declare(nets4, v4, 0); time.Sleep(time.Minute); k.declareInterval(nets4, v4) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel()
				k.declareInterval(nets4, v4)
				b := start(t, k, fixed("vpn", "10.0.0.0/8", "192.168.0.0/16"))
				time.Sleep(time.Minute)
				harm(k)
				time.Sleep(2 * time.Second)
				if got := k.spans(); got != "10.0.0.0/8* 192.168.0.0/16*" {
					t.Errorf("there are %s", got)
				}
				if n := b.seen.get(&b.seen.healed); n != 2 && !(n == 1 && name == "one is deleted") {
					t.Errorf("%d healed", n)
				}
			})
		})
	}
}

// While a range is missing that somebody else has deleted, no answer relies on it.
func TestNoAnswerWithoutItsRange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declareInterval(nets4, v4)
		b := start(t, k, fixed("vpn", "10.0.0.0/8"))
		time.Sleep(time.Minute)
		ks := b.gate.known()[0]
		var missing error
		k.change(func() {
			k.swapErr = func() error { missing = ks.state.Load().err; return nil } // just before it is put back
		})
		k.change(func() { k.sets[nets4].ranges = nil })
		k.tell(nft.Event{Kind: nft.ElementGone, ID: nets4})
		time.Sleep(tick)
		if got := k.spans(); got != "10.0.0.0/8*" || !errors.Is(missing, errUnread) {
			t.Errorf("there are %s; while they were missing the set was %v", got, missing)
		}
		if st := ks.state.Load(); st.err != nil {
			t.Errorf("afterwards it is %v", st.err)
		}
	})
}

// A set that is missing or of the wrong kind makes the rule not ready, and says why.
func TestRangesNotReady(t *testing.T) {
	for name, test := range map[string]struct {
		declare func(*fakeKernel)
		want    string
	}{
		"missing":      {func(*fakeKernel) {}, "no such set"},
		"no interval":  {func(k *fakeKernel) { k.declare(nets4, v4, 0) }, "has no 'flags interval'"},
		"another type": {func(k *fakeKernel) { k.declareInterval(nets4, ports4) }, "the Corefile says 'ipv4_addr'"},
		"full": {func(k *fakeKernel) {
			k.declareInterval(nets4, v4)
			k.swapErr = func() error { return &nft.Error{Set: nets4, Errno: syscall.ENFILE} }
		}, "the set is full"},
		"never quiet": {func(k *fakeKernel) {
			k.declareInterval(nets4, v4)
			k.swapErr = func() error { return &nft.Error{Set: nets4, Errno: syscall.EEXIST} }
		}, "file exists"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel()
				test.declare(k)
				b := start(t, k, fixed("vpn", "10.0.0.0/8"))
				p := b.gate.Problems()
				if len(p) != 1 || !strings.Contains(p[0].String(), test.want) || !strings.Contains(p[0].String(), "rule vpn: set inet filter nets4") {
					t.Errorf("problems %v", p)
				}
				k.change(func() { k.swapErr = nil; delete(k.sets, nets4) })
				k.declareInterval(nets4, v4)
				time.Sleep(retryMax)
				if p := b.gate.Problems(); len(p) != 0 || k.spans() != "10.0.0.0/8*" {
					t.Errorf("problems %v, there are %s", p, k.spans())
				}
			})
		})
	}
}

// What others change between the reading and the writing is read again.
func TestRangesAreReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declareInterval(nets4, v4)
		k.swapErr = func() error {
			k.swapErr = nil
			k.sets[nets4].ranges = []nft.Range{theirs("10.1.0.0/16", 0)}
			return nil
		}
		b := start(t, k, fixed("vpn", "10.0.0.0/15"))
		if got := k.spans(); got != "10.0.0.0/16* 10.1.0.0/16" {
			t.Errorf("there are %s", got)
		}
		if p := b.gate.Problems(); len(p) != 0 {
			t.Errorf("problems %v", p)
		}
	})
}

// What leaves the configuration goes, as the rule has it; what stays, and what moves
// to another rule, is never closed.
func TestRangesAreRevoked(t *testing.T) {
	for choice, want := range map[rule.Revoke]string{
		rule.RevokeDelete: "10.0.0.0/9* 192.168.0.0/16* 203.0.113.0/24*",
		rule.RevokeKill:   "10.0.0.0/9* 192.168.0.0/16* 203.0.113.0/24*",
		rule.RevokeKeep:   "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16* 203.0.113.0/24*",
	} {
		t.Run(choice.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel()
				k.declareInterval(nets4, v4)
				b := start(t, k, revoking(choice, fixed("vpn", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
				old := b.inst
				b.load(fixed("vpn", "10.0.0.0/9"), fixed("other", "192.168.0.0/16", "203.0.113.0/24"))
				old.Stop()
				k.others(func(*fakeSet) {}) // so that it is looked at now
				synctest.Wait()
				if got := k.spans(); got != "10.0.0.0/8* 172.16.0.0/12* 192.168.0.0/16* 203.0.113.0/24*" {
					t.Errorf("at once there are %s", got)
				}
				time.Sleep(settling / 2)
				time.Sleep(settling)
				if got := k.spans(); got != want {
					t.Errorf("there are %s, want %s", got, want)
				}
				flows := k.ended()
				if choice != rule.RevokeKill {
					if len(flows) > 0 {
						t.Errorf("ended are %v", flows)
					}
					return
				}
				if len(flows) != 2 || flows[0].Addr.String() != "10.128.0.0" || flows[0].Last.String() != "10.255.255.255" || flows[1].Addr.String() != "172.16.0.0" {
					t.Errorf("ended are %v", flows)
				}
				past := b.gate.Past(Filter{Addr: netip.MustParseAddr("172.16.9.9")}, 5)
				if len(past) != 1 || past[0].How != Revoked || past[0].Reasons[0].Rule != "vpn" {
					t.Errorf("remembered is %+v", past)
				}
			})
		})
	}
}

// Connections are spared that something else lets through: a range of another set,
// an element for one address.
func TestRangesEndWhatNothingElseLets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declareInterval(nets4, v4)
		k.declare(web4, v4, 0)
		b := start(t, k, revoking(rule.RevokeKill, fixed("vpn", "198.51.100.0/29")))
		old := b.inst
		b.load(newRule("web", []set.ID{web4}), fixed("other", "198.51.100.4/30"))
		b.only("web")
		if q := b.ask("www.example.com.", time.Hour, addr1); q.Fates[0] != Promised {
			t.Fatal(q.Fates)
		}
		old.Stop()
		time.Sleep(settling + tick)
		var got []string
		for _, f := range k.ended() {
			got = append(got, set.Span{First: f.Addr, Last: f.Last}.String())
		}
		if text := strings.Join(sorted(got), " "); text != "198.51.100.0 198.51.100.2/31" {
			t.Errorf("ended are %s", text)
		}
	})
}

// So are those of an element whose address a range holds.
func TestRangesSpareConnections(t *testing.T) {
	for _, spared := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			k := newFakeKernel()
			k.declareInterval(nets4, v4)
			k.declare(web4, v4, 0)
			b := start(t, k, revoking(rule.RevokeKill, newRule("web", []set.ID{web4})))
			b.ask("www.example.com.", time.Hour, addr1)
			if spared {
				b.reload(fixed("vpn", "198.51.100.0/24"))
			} else {
				b.reload(fixed("vpn", "203.0.113.0/24"))
			}
			time.Sleep(tick)
			if n := len(k.ended()); n > 0 == spared || has(k, web4, key4(addr1)) {
				t.Errorf("%d flows are ended", n)
			}
		})
	}
}

// While one configuration follows another that takes the set for another kind, it is
// told of once.
func TestRangesOfTwoMinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declareInterval(nets4, v4)
		b := start(t, k, newRule("web", []set.ID{nets4}))
		b.load(fixed("vpn", "10.0.0.0/8"))
		if s := b.gate.Stats().Sets; len(s) != 1 || !s[0].Ready || s[0].Used != 1 {
			t.Errorf("%+v", s)
		}
		if got := k.spans(); got != "10.0.0.0/8*" {
			t.Errorf("there are %s", got)
		}
	})
}

// A set that no rule has any more is emptied, and let go of.
func TestRangesLeaveWithTheirSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declareInterval(nets4, v4)
		k.declare(web4, v4, 0)
		b := start(t, k, fixed("vpn", "10.0.0.0/8"))
		old := b.inst
		b.load(newRule("web", []set.ID{web4}))
		k.change(func() { k.swapErr = func() error { return &nft.Error{Set: nets4, Errno: syscall.EPERM} } })
		old.Stop()
		time.Sleep(2 * lastAnswers)
		if got := k.spans(); got != "10.0.0.0/8*" || len(b.gate.known()) != 2 {
			t.Errorf("there are %s, %d sets are followed", got, len(b.gate.known()))
		}
		k.change(func() { k.swapErr = nil })
		time.Sleep(lastAnswers)
		if got := k.spans(); got != "" || len(b.gate.known()) != 1 {
			t.Errorf("there are %s, %d sets are followed", got, len(b.gate.known()))
		}
	})
}

// What an earlier process has written is known by its comments: it stays where the
// configuration has it, and goes where it hasn't, with and without a state file. Of
// a set that no rule has any more the state file tells.
func TestRangesAfterARestart(t *testing.T) {
	for name, test := range map[string]struct {
		rules []*rule.Rule
		want  string
	}{
		"the same":        {[]*rule.Rule{fixed("vpn", "10.0.0.0/8", "192.168.0.0/16")}, "10.0.0.0/8* 192.168.0.0/16*"},
		"less":            {[]*rule.Rule{fixed("vpn", "10.0.0.0/9")}, "10.0.0.0/9*"},
		"no such line":    {[]*rule.Rule{newRule("vpn", []set.ID{web4}, spanning())}, ""},
		"no such set":     {[]*rule.Rule{newRule("vpn", []set.ID{web4})}, ""},
		"of another rule": {[]*rule.Rule{fixed("other", "10.0.0.0/8")}, "10.0.0.0/8*"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel()
				k.declareInterval(nets4, v4)
				k.declare(web4, v4, 0)
				b := start(t, k, fixed("vpn", "10.0.0.0/8", "192.168.0.0/16"))
				commits := k.commitsSoFar()
				restart(t, b, test.rules...)
				time.Sleep(5 * time.Second)
				if got := k.spans(); got != test.want {
					t.Errorf("there are %s, want %s", got, test.want)
				}
				if name == "the same" && k.commitsSoFar() != commits {
					t.Error("written again")
				}
			})
		})
	}
	t.Run("of two minds", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k := newFakeKernel()
			k.declareInterval(nets4, v4)
			b := start(t, k, fixed("vpn", "10.0.0.0/8"), revoking(rule.RevokeKeep, fixed("zone", "192.168.0.0/16")))
			restart(t, b, revoking(rule.RevokeKeep, fixed("zone", "192.168.0.0/16")))
			time.Sleep(5 * time.Second)
			if got := k.spans(); got != "192.168.0.0/16*" {
				t.Errorf("there are %s", got)
			}
		})
	})
	t.Run("kept", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			k := newFakeKernel()
			k.declareInterval(nets4, v4)
			b := start(t, k, revoking(rule.RevokeKeep, fixed("vpn", "10.0.0.0/8")))
			restart(t, b, fixed("other", "192.168.0.0/16"))
			time.Sleep(5 * time.Second)
			if got := k.spans(); got != "10.0.0.0/8 192.168.0.0/16*" {
				t.Errorf("there are %s", got)
			}
		})
	})
}

// In a rule without a set for addresses of a family, those that its ranges hold may
// leave in answers, and no others. Where there is such a set, it has to have them.
func TestRangesAndAnswers(t *testing.T) {
	within := netip.MustParseAddr("10.1.2.3")
	for name, test := range map[string]struct {
		rule *rule.Rule
		addr netip.Addr
		want Fate
	}{
		"within":             {newRule("web", []set.ID{web6}, typed6, spanning("10.0.0.0/8")), within, Promised},
		"outside":            {newRule("web", []set.ID{web6}, typed6, spanning("10.0.0.0/8")), addr1, NoFamily},
		"private outside":    {newRule("web", []set.ID{web6}, typed6, spanning("10.0.0.0/9")), netip.MustParseAddr("10.200.0.1"), Special},
		"beside a hash set":  {newRule("web", []set.ID{web4}, typed4, spanning("10.0.0.0/8")), within, Promised},
		"public, in the set": {newRule("web", []set.ID{web4}, typed4, spanning("198.51.100.0/24")), addr1, Promised},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newFakeKernel()
				k.declareInterval(nets4, v4)
				k.declare(web4, v4, 0)
				k.declare(web6, v6, 0)
				b := start(t, k, test.rule)
				q := b.ask("www.example.com.", time.Hour, test.addr)
				if q.Fates[0] != test.want {
					t.Errorf("%v %v", q.Fates[0], q.Causes)
				}
				if test.rule.Sets[0].ID == web4 && !has(k, web4, key4(test.addr)) {
					t.Error("the set of addresses lacks it")
				}
			})
		})
	}
}

func typed4(r *rule.Rule) { r.Sets[0].Known = true }
func typed6(r *rule.Rule) { r.Sets[0].Known, r.Sets[0].Layout = true, v6 }

// An answer waits for a set of ranges that is being reloaded, and is refused while it
// is missing.
func TestRangesHoldAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newFakeKernel()
		k.declareInterval(nets4, v4)
		k.declare(web6, v6, 0)
		b := start(t, k, newRule("web", []set.ID{web6}, typed6, spanning("10.0.0.0/8")))
		within := netip.MustParseAddr("10.1.2.3")
		time.Sleep(time.Minute)
		k.remove(nets4)
		go func() {
			time.Sleep(time.Second)
			k.declareInterval(nets4, v4)
		}()
		if q := b.ask("www.example.com.", time.Hour, within); q.Fates[0] != Promised || q.Held != time.Second {
			t.Errorf("%v after %v", q.Fates[0], q.Held)
		}
		k.remove(nets4)
		time.Sleep(time.Minute)
		if q := b.ask("www.example.com.", time.Hour, within); q.Fates[0] != NotReady || q.Held != 0 {
			t.Errorf("%v after %v", q.Fates[0], q.Held)
		}
	})
}
