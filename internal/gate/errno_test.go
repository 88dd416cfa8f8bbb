package gate

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/namewall/namewall/internal/nft"
	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

// reaction is what becomes of something that nf_tables says. The rows are those
// of docs/architecture.md, "Errors of the kernel".
type reaction struct {
	says   string // errnos, with spaces between; "other": none
	of     string
	answer Fate // of the address that needs what was refused
	others Fate // of one whose write is in the same batch
	goesOn string

	// refuse has the kernel say it, until relent.
	refuse func(k *fakeKernel, errno syscall.Errno)
	// why is the problem of the set, as logged, where that is not the errno's
	// own text.
	why string
	// reopens: the session ends, and everything is read anew.
	reopens bool
	// after is how long it takes, once the kernel says it no longer, until the
	// address can be had.
	after time.Duration
}

var reactions = []reaction{
	{
		says: "ENOENT", of: "an element: there is no such set", answer: NotReady, others: NotReady,
		goesOn: "when the set is back",
		refuse: (*fakeKernel).loseSet, why: "no such set",
	}, {
		says: "ENFILE", of: "an element: the set is full", answer: Full, others: Promised,
		goesOn: "with the next newcomer that finds room; one a second is tried",
		refuse: (*fakeKernel).refuseElements, why: "the set is full", after: fullPause,
	}, {
		says: "EPERM", of: "an element: the table is another process's", answer: Failed, others: Promised,
		goesOn: "with the next write; the set's declaration is read again",
		refuse: (*fakeKernel).refuseElements,
	}, {
		says: "EEXIST EINVAL EBUSY EOPNOTSUPP ERANGE ENOMEM EINTR ENOSPC", of: "an element", answer: Failed, others: Promised,
		goesOn: "with the next write; the set's declaration is read again",
		refuse: (*fakeKernel).refuseElements,
	}, {
		says: "ENOMEM ENOBUFS EMSGSIZE ERESTART EINTR", of: "a batch: nothing was done", answer: Failed, others: Failed,
		goesOn: "with the next write",
		refuse: (*fakeKernel).refuseBatches,
	}, {
		says: "EPERM EOPNOTSUPP", of: "a batch: nobody may, or there is no nf_tables", answer: NotReady, others: NotReady,
		goesOn: "with a new session",
		refuse: (*fakeKernel).refuseAll, reopens: true, after: retryMax,
	}, {
		says: "ENOBUFS other", of: "a batch: replies are lost, cut, garbled, missing; nothing was done", answer: NotReady, others: NotReady,
		goesOn: "with a new session",
		refuse: (*fakeKernel).losesBatches, reopens: true, after: retryMax,
	}, {
		says: "ENOBUFS other", of: "a batch: the same, and it was done", answer: Promised, others: Promised,
		goesOn: "with a new session, which reads what was done",
		refuse: (*fakeKernel).losesReplies, reopens: true, after: retryMax,
	},
}

// loseSet has the kernel lose a set, and tell nobody.
func (k *fakeKernel) loseSet(syscall.Errno) { delete(k.sets, web4) }

// refuseElements has the kernel refuse all elements of web4 but addr2.
func (k *fakeKernel) refuseElements(errno syscall.Errno) {
	k.opErr = func(op nft.Op) error {
		if op.Set != web4 || op.Key == key4(addr2) {
			return nil
		}
		return &nft.Error{Kind: op.Kind, Set: op.Set, Errno: errno}
	}
}

func (k *fakeKernel) refuseBatches(errno syscall.Errno) {
	k.commitErr = fmt.Errorf("committing: %w", errno)
}

func (k *fakeKernel) refuseAll(errno syscall.Errno) {
	k.refuseBatches(errno)
	k.openErr = k.commitErr
}

func (k *fakeKernel) losesBatches(errno syscall.Errno) {
	why := error(errno)
	if errno == 0 {
		why = errSilence
	}
	k.commitErr = fmt.Errorf("%w: %w", nft.ErrBroken, why)
}

func (k *fakeKernel) losesReplies(errno syscall.Errno) {
	k.losesBatches(errno)
	k.unheard = true
}

// relent has the kernel take everything again.
func (k *fakeKernel) relent() {
	k.opErr, k.commitErr, k.openErr, k.unheard = nil, nil, nil, false
}

var errSilence = errors.New("no reply")

var errnos = map[string]syscall.Errno{
	"ENOENT": syscall.ENOENT, "EEXIST": syscall.EEXIST, "ENFILE": syscall.ENFILE, "EMSGSIZE": syscall.EMSGSIZE,
	"ENOBUFS": syscall.ENOBUFS, "EPERM": syscall.EPERM, "ERESTART": syscall.ERESTART, "EINVAL": syscall.EINVAL,
	"EOPNOTSUPP": syscall.EOPNOTSUPP, "ERANGE": syscall.ERANGE, "EBUSY": syscall.EBUSY, "ENOMEM": syscall.ENOMEM,
	"EINTR": syscall.EINTR, "ENOSPC": syscall.ENOSPC, "other": 0,
}

func TestReactions(t *testing.T) {
	for _, r := range reactions {
		for errno := range strings.SplitSeq(r.says, " ") {
			t.Run(errno+" of "+r.of, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { r.try(t, errno) })
			})
		}
	}
}

// try has the kernel say it for some time, during which answers are asked for
// again and again, and then no longer.
func (r reaction) try(t *testing.T, errno string) {
	fresh := modelAddr(77)
	k, log := newFakeKernel(), new(lines)
	k.declare(web4, v4, 0)
	k.declare(app4, v4, 0)
	b := &bench{fakeKernel: k, seen: new(counter)}
	b.gate = New(Options{Kernel: k, Log: log, Observer: b.seen})
	defer b.gate.Close()
	b.load(newRule("web", []set.ID{web4}), newRule("app", []set.ID{app4}))
	b.ask("www.example.com.", time.Minute, addr1) // is covered from now on
	b.only("web")
	time.Sleep(tick / 2) // not while the keeper looks

	// The two that are asked for meanwhile go in one batch, behind another.
	acknowledge := k.delay()
	go b.ask("first.example.com.", time.Minute, modelAddr(78))
	synctest.Wait()
	done := make(chan *Question)
	go func() { done <- b.ask("new.example.com.", time.Minute, fresh, addr2) }()
	synctest.Wait()
	k.change(func() { r.refuse(k, errnos[errno]) })
	acknowledge()
	if q := <-done; q.Fates[0] != r.answer || q.Fates[1] != r.others {
		t.Errorf("the answer: %v %v", q.Fates, q.Causes)
	} else if atOnce := r.answer == Failed || r.answer == Full; atOnce != (q.Held == 0) || r.answer == NotReady && q.Held != rule.DefaultWait {
		t.Errorf("it was held for %v", q.Held)
	}
	if n := b.seen.errnos[errno]; n == 0 || len(b.seen.errnos) != 1 {
		t.Errorf("metric: %v", b.seen.errnos)
	}
	if opened, _ := k.sessions(); (opened > 1) != r.reopens {
		t.Errorf("%d sessions", opened)
	}
	b.only("app")
	if q := b.ask("www.example.com.", time.Minute, addr1); (q.Fates[0] == Promised && q.Held == 0) == r.reopens && r.answer != Promised {
		t.Errorf("another set's element that is covered: %v, held %v", q.Fates, q.Held)
	}
	b.only("web")
	synctest.Wait() // an answer may be out before the writer has noted what it was refused
	for i := range 20 {
		if p := b.gate.Problems(); len(p) == 0 || p[0].Set != web4 && !r.reopens {
			t.Errorf("problems %v", p)
		}
		b.ask("new.example.com.", time.Minute, fresh, modelAddr(100+i))
		b.ask("www.example.com.", 5*time.Hour, addr1) // a refresh
		time.Sleep(time.Second)
	}
	log.expect(t, r.logged(errno))

	k.change(k.relent)
	if !k.there(web4) {
		k.declare(web4, v4, 0)
	}
	synctest.Wait()
	time.Sleep(r.after)
	if q := b.ask("new.example.com.", time.Minute, fresh, addr2); q.Fates[0] != Promised || q.Fates[1] != Promised {
		t.Errorf("afterwards: %v %v", q.Fates, q.Causes)
	}
	time.Sleep(2 * lasting)
	if p := b.gate.Problems(); len(p) > 0 {
		t.Errorf("afterwards: %v", p)
	}
	switch {
	case r.reopens:
		log.expect(t, "nftables can be reached again")
	case r.answer == NotReady:
		log.expect(t, "set inet filter web4: put 2 elements back, changed by an unknown process", "rule web: set inet filter web4 can be fed again")
	default:
		log.expect(t, "rule web: set inet filter web4 can be fed again")
	}
	if left := k.life(web4, key4(addr1)); left < time.Minute {
		t.Errorf("what was promised has %v left", left)
	}
}

// logged is what the log tells once, however often it happens.
func (r reaction) logged(name string) string {
	errno := errnos[name]
	why := r.why
	switch {
	case why != "":
	case strings.HasPrefix(r.of, "an element"):
		why = (&nft.Error{Errno: errno}).Reason()
	case errno == 0:
		why = "broken netlink socket: " + errSilence.Error()
	case r.reopens && errno == syscall.ENOBUFS:
		why = "broken netlink socket: " + errno.Error()
	default:
		why = "committing: " + errno.Error()
	}
	if r.reopens {
		return "no access to nftables, rules are not ready: " + why
	}
	return "rule web: set inet filter web4: " + why
}

// The table of docs/architecture.md says what the tests do.
func TestReactionsAreDocumented(t *testing.T) {
	b, err := os.ReadFile("../../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, r := range reactions {
		says := strings.ReplaceAll(strings.TrimSuffix(r.says, " other"), " ", ", ")
		if r.says != strings.TrimSuffix(r.says, " other") {
			says += ", none"
		}
		waits := ""
		if r.answer == NotReady {
			waits = " after `wait`"
		}
		want = append(want, fmt.Sprintf("| %s | %s | `%v`%s | `%v` | %s |", says, r.of, r.answer, waits, r.others, r.goesOn))
	}
	if table := strings.Join(want, "\n") + "\n\n"; !strings.Contains(string(b), table) {
		t.Errorf("docs/architecture.md lacks\n%s", table)
	}
}

// A refusal that nothing has followed is forgotten after a while, which the log
// doesn't take for a success.
func TestRefusalIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, log := newFakeKernel(), new(lines)
		k.declare(web4, v4, 0)
		b := &bench{fakeKernel: k}
		b.gate = New(Options{Kernel: k, Log: log})
		defer b.gate.Close()
		b.load(newRule("web", []set.ID{web4}))
		k.change(func() { k.refuseElements(syscall.EPERM) })
		b.ask("www.example.com.", time.Minute, addr1)
		time.Sleep(troubleFor + 2*tick)
		if p := b.gate.Problems(); len(p) > 0 {
			t.Errorf("%v", p)
		}
		log.expect(t, "rule web: set inet filter web4: "+(&nft.Error{Errno: syscall.EPERM}).Reason(),
			"rule web: set inet filter web4 has refused nothing for 30s")
	})
}
