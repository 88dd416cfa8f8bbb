package gate

import (
	"net/netip"
	"strings"
	"time"

	"github.com/namewall/namewall/internal/answer"
	"github.com/namewall/namewall/internal/rule"
)

// Question is one answer's way through the gate: what it says, which rules it
// falls under, and what became of its addresses. It is made to be used again
// (Reset), so that an answer whose addresses are all covered allocates nothing.
// It is not safe for concurrent use.
type Question struct {
	Client  netip.Addr
	Name    string // as asked, in lower case
	Matches []Match
	Walk    answer.Walk // read by the caller before Admit
	// Validated tells that the resolver below says that it has validated the
	// answer. The caller sets it before Admit; see Block.WantsValidated.
	Validated bool
	// Age is how long ago the answer came, if it is admitted once more.
	Age time.Duration
	// Rehearsal is set for a dry run.
	Rehearsal *Rehearsal

	// What Admit tells:

	// Began is when it was called, on the gate's clock.
	Began time.Duration
	// Fates has the fate of each of Walk.Addrs: what became of it if Enforced,
	// otherwise what would have.
	Fates []Fate
	// Enforced tells whether a rule that enforces matched.
	Enforced bool
	// Max is the longest TTL that the enforcing rules allow; 0 if there are none.
	Max time.Duration
	// Causes tell why addresses were not promised, one for each kind of fate.
	Causes []Cause
	// Held is how long the answer waited for the kernel, 0 if it was covered.
	Held time.Duration

	braked   *map[string]bool // as it was when Admit began
	covered  bool             // a key was, when it was last judged
	changes  int64            // of sets, Gate.changes, until then
	standing []standing
	grants   []grant
	lines    []rule.Match
	origins  []origin
}

// Match is a rule that a question falls under, and the name for which it does:
// the one asked for, one that led to it, or one of its chain.
type Match struct {
	rule.Match
	Name  string
	until moment // of a followed target: its link's end; otherwise forever
	tag   tag    // of Rule and Name, once the question is admitted
}

// standing is what the rules have said so far of one address.
type standing struct {
	admits  int // rules that would admit it
	passes  bool
	refusal Fate // of a rule that has no say if another admits it
	failure Fate // of a rule that must hold it and doesn't
	unfed   bool // of a rule that has no say, and is not tried again
}

// fate combines what the rules said: all that would admit the address must hold
// it, and at least one must; one that refuses it has no say while another
// admits it or lets it pass.
func (s standing) fate() Fate {
	switch {
	case s.failure != Unjudged:
		return s.failure
	case s.admits > 0:
		return Promised
	case s.passes:
		return Passed
	}
	return s.refusal
}

// grant is something that a rule wants for an address and that has to be waited
// for: a key in a set, or a set that can't be fed for now.
type grant struct {
	addr   int // index of Walk.Addrs
	match  int // index of Matches
	rule   *ruleState
	set    int // index of rule.sets
	counts bool
	feeds  bool // the rule only feeds
	lives  lives

	deadline moment
	state    *setState // of the set, when it was looked at
	at       slot
	write    *batch // the write that is waited for; nil: the set is
	index    uint16
	binding  *binding // of the write
	shard    *shard   // of the binding
}

func (gr *grant) kernelSet() *kernelSet { return gr.rule.sets[gr.set].kernelSet }

// Reset makes the question ready for another answer. It lets go of everything
// that the last one referred to.
func (q *Question) Reset() {
	clear(q.Matches)
	clear(q.Causes)
	clear(q.grants[:cap(q.grants)])
	clear(q.lines[:cap(q.lines)])
	clear(q.origins[:cap(q.origins)])
	// Field by field: Walk, which Read begins anew, is most of a Question, and would
	// be copied there and back.
	q.Client, q.Name, q.Validated, q.Age, q.Rehearsal = netip.Addr{}, "", false, 0, nil
	q.Began, q.Enforced, q.Max, q.Held, q.braked, q.covered, q.changes = 0, false, 0, 0, nil, false, 0
	q.Matches, q.Fates, q.Causes = q.Matches[:0], q.Fates[:0], q.Causes[:0]
	q.standing, q.grants, q.lines, q.origins = q.standing[:0], q.grants[:0], q.lines[:0], q.origins[:0]
}

// teaches tells whether rule r may learn from the answer.
func (q *Question) teaches(r *rule.Rule) bool { return q.Validated || !r.Validated }

// counts tells whether rule r has a say in what the client gets. Where no rule
// enforces, the feeding ones tell what would have become of the answer.
func (q *Question) counts(r *rule.Rule) bool {
	return !q.Enforced || !q.feeds(r)
}

// refuse notes that a rule doesn't want an address.
func (q *Question) refuse(addr int, f Fate, r *rule.Rule) {
	c := Cause{Fate: f, Rule: r, Addr: q.Walk.Addrs[addr].Addr}
	q.step(Step{Cause: c})
	if !q.counts(r) {
		return
	}
	if st := &q.standing[addr]; st.refusal == Unjudged {
		st.refusal = f
	}
	q.cause(c)
}

// fail notes that something which a rule wants to hold is not promised.
func (q *Question) fail(gr *grant, f Fate, err error) {
	c := Cause{Fate: f, Rule: gr.rule.rule, Addr: q.Walk.Addrs[gr.addr].Addr, Set: gr.kernelSet().id, Err: err}
	q.step(Step{Cause: c})
	if !gr.counts {
		q.standing[gr.addr].unfed = true
		return
	}
	if st := &q.standing[gr.addr]; st.failure == Unjudged {
		st.failure = f
	}
	q.cause(c)
}

// cause keeps the first cause of each kind.
func (q *Question) cause(c Cause) {
	for _, known := range q.Causes {
		if known.Fate == c.Fate {
			return
		}
	}
	q.Causes = append(q.Causes, c)
}

// chainArrow stands between the names of a reason's chain.
const chainArrow = " > "

// chain is the way from the matched name to the addresses, "" if there is none.
func (q *Question) chain(name string) string {
	switch {
	case len(q.Walk.Names) > 1 && q.Walk.Names[0] == name:
		return strings.Join(q.Walk.Names, chainArrow)
	case name != q.Name:
		return name + chainArrow + strings.Join(q.Walk.Names, chainArrow)
	}
	return ""
}
