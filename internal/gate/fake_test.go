package gate

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/namewall/namewall/internal/answer"
	"github.com/namewall/namewall/internal/conntrack"
	"github.com/namewall/namewall/internal/nft"
	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

// fakeKernel is nf_tables as far as the gate can see it, with what the real one
// can't be made to do at will: to fail, to be slow, to say nothing.
type fakeKernel struct {
	mu      sync.Mutex // guards what follows
	sets    map[set.ID]*fakeSet
	handles uint64
	session *fakeSession // the last one; nil: none is open

	openErr   error
	commitErr error // of a whole batch
	opErr     func(nft.Op) error
	dumpErr   func(set.ID) error
	slow      chan struct{} // a commit waits for it, if not nil
	linger    chan struct{} // the same once the commit is done, before it returns
	shown     func(nft.Op)  // is shown every operation before it is done
	looked    func()        // called before a set is described
	dumped    func()        // called in the middle of a dump: what it changes is not in it
	read      func()        // called at the end of a dump
	before    time.Duration // how long a commit takes until it is done
	after     time.Duration // and from then until it returns
	unheard   bool          // commitErr comes after the batch was done
	lag       time.Duration // how late events are told; 0: at once, by who causes them
	news      []*tidings    // those that are told late, since the beginning
	commits   int
	opened    int
	openings  []time.Time // of sessions, or tries to open one
	closed    int
	deleted   int
	cut       int // refreshes that made a life shorter
	twice     int // elements that a commit named more than once
	killed    []conntrack.Flow
	asked     int // keys, by Get
	getErr    error
	setErr    func(set.ID) error
	swapErr   func() error
}

// fakeSession tells one event at a time and, as the real one, waits in Close
// until the one that is being told has been heard: who closes it from there
// waits for ever.
type fakeSession struct {
	*fakeKernel
	events  func(nft.Event)
	telling chan struct{} // full while an event is told; guards over
	over    bool
	late    chan *tidings
}

// tidingsMax is how many events may be on their way at once.
const tidingsMax = 4096

// tidings are an event on its way.
type tidings struct {
	nft.Event
	session *fakeSession
	made    time.Time
	told    time.Time // zero: not yet
}

// element names one of a set's.
type element struct {
	set set.ID
	key set.Key
}

type fakeSet struct {
	info     nft.Set
	elements map[set.Key]time.Time // expiry; zero: permanent
	counts   bool                  // the number of elements can be asked for
	ranges   []nft.Range           // of an interval set
}

func newFakeKernel() *fakeKernel { return &fakeKernel{sets: make(map[set.ID]*fakeSet)} }

// declare makes a set, or makes it anew, and tells the gate.
func (k *fakeKernel) declare(id set.ID, layout set.Layout, size uint32) {
	k.mu.Lock()
	k.handles++
	info := nft.Set{ID: id, KeyType: layout.String(), Layout: layout, Known: true, Timeout: true, Size: size, Handle: k.handles, Count: -1}
	k.sets[id] = &fakeSet{info: info, elements: make(map[set.Key]time.Time)}
	k.mu.Unlock()
	k.tell(nft.Event{Kind: nft.SetNew, ID: id, Set: info})
}

// remove deletes a set, with its table if it is the last one, and tells the gate.
// Handles are counted by table: a set that is declared again has the old one.
func (k *fakeKernel) remove(id set.ID) {
	k.mu.Lock()
	if delete(k.sets, id); len(k.sets) == 0 {
		k.handles = 0
	}
	k.mu.Unlock()
	k.tell(nft.Event{Kind: nft.SetGone, ID: id})
}

// replace deletes a set and declares it with another layout or size, in one
// transaction.
func (k *fakeKernel) replace(id set.ID, layout set.Layout, size uint32) {
	k.declare(id, layout, size) // under another handle
}

// put is another program's element. life 0: permanent.
func (k *fakeKernel) put(id set.ID, key set.Key, life time.Duration) {
	k.mu.Lock()
	var end time.Time
	if life > 0 {
		end = time.Now().Add(life)
	}
	k.sets[id].elements[key] = end
	k.mu.Unlock()
	k.tell(nft.Event{Kind: nft.ElementNew, ID: id, Element: nft.Element{Key: key, Timeout: life, Expires: life}})
}

// take is another program's deletion of an element.
func (k *fakeKernel) take(id set.ID, key set.Key) {
	k.mu.Lock()
	delete(k.sets[id].elements, key)
	k.mu.Unlock()
	k.tell(nft.Event{Kind: nft.ElementGone, ID: id, Element: nft.Element{Key: key}})
}

// flush empties a set as `nft flush set` does, with too many elements to tell.
func (k *fakeKernel) flush(id set.ID) {
	k.mu.Lock()
	clear(k.sets[id].elements)
	k.mu.Unlock()
	k.tell(nft.Event{Kind: nft.SetChanged, ID: id})
}

func (k *fakeKernel) tell(e nft.Event) {
	k.mu.Lock()
	s := k.session
	k.mu.Unlock()
	if s == nil {
		return
	}
	if s.late == nil {
		s.deliver(e)
		return
	}
	k.change(func() {
		if k.session == s {
			n := &tidings{Event: e, session: s, made: time.Now()}
			k.news = append(k.news, n)
			s.late <- n
		}
	})
}

// postman tells events late, in their order, until the session is closed.
func (s *fakeSession) postman() {
	for n := range s.late {
		time.Sleep(time.Until(n.made.Add(s.lag)))
		s.change(func() { n.told = time.Now() })
		s.deliver(n.Event)
	}
}

func (s *fakeSession) deliver(e nft.Event) {
	s.telling <- struct{}{}
	defer func() { <-s.telling }()
	if !s.over {
		s.events(e)
	}
}

// life is what is left of an element; 0 if it isn't there, -1 if it is permanent.
func (k *fakeKernel) life(id set.ID, key set.Key) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.sets[id]
	if s == nil {
		return 0
	}
	end, ok := s.elements[key]
	switch {
	case !ok:
		return 0
	case end.IsZero():
		return -1
	}
	return max(0, time.Until(end))
}

func (k *fakeKernel) count(id set.ID) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.sets[id].alive()
}

func (s *fakeSet) alive() int {
	now := time.Now()
	maps.DeleteFunc(s.elements, func(_ set.Key, end time.Time) bool { return !end.IsZero() && !end.After(now) })
	return len(s.elements)
}

func (k *fakeKernel) commitsSoFar() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.commits
}

// sessions is how many were opened, or tried to, and how many closed again.
func (k *fakeKernel) sessions() (opened, closed int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.opened, k.closed
}

// stall keeps commits waiting until release.
func (k *fakeKernel) stall() (release func()) {
	c := make(chan struct{})
	k.change(func() { k.slow = c })
	return func() { close(c) }
}

// delay keeps commits that are done from returning until release. Those that
// begin later return at once.
func (k *fakeKernel) delay() (release func()) {
	c := make(chan struct{})
	k.change(func() { k.linger = c })
	return func() {
		k.change(func() { k.linger = nil })
		close(c)
	}
}

// once is fn the first time that it is called, and nothing afterwards.
func once(fn func()) func() {
	var o sync.Once
	return func() { o.Do(fn) }
}

// change changes the kernel's temper.
func (k *fakeKernel) change(f func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f()
}

func (k *fakeKernel) Open(events func(nft.Event)) (Session, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.opened++
	k.openings = append(k.openings, time.Now())
	if k.openErr != nil {
		return nil, k.openErr
	}
	k.session = &fakeSession{fakeKernel: k, events: events, telling: make(chan struct{}, 1)}
	if k.lag > 0 {
		k.session.late = make(chan *tidings, tidingsMax)
		go k.session.postman()
	}
	return k.session, nil
}

func (s *fakeSession) Close() error {
	s.telling <- struct{}{}
	defer func() { <-s.telling }()
	s.over = true
	s.change(func() {
		s.closed++
		if s.session == s {
			s.session = nil
		}
		if s.late != nil {
			close(s.late)
		}
	})
	return nil
}

func (k *fakeKernel) Commit(ops []nft.Op) error {
	k.mu.Lock()
	slow, linger, before, after := k.slow, k.linger, k.before, k.after
	if k.shown != nil {
		for _, op := range ops {
			k.shown(op)
		}
	}
	k.mu.Unlock()
	time.Sleep(before)
	if slow != nil {
		<-slow
	}
	err := k.commit(ops)
	if linger != nil {
		<-linger
	}
	time.Sleep(after)
	return err
}

func (k *fakeKernel) commit(ops []nft.Op) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.commits++
	named := make(map[element]bool)
	for _, op := range ops {
		at := element{op.Set, op.Key}
		if named[at] {
			k.twice++
		}
		named[at] = true
	}
	if k.commitErr == nil || k.unheard {
		for i := range ops {
			ops[i].Err = k.apply(&ops[i])
		}
	}
	if k.commitErr != nil {
		for i := range ops {
			ops[i].Err = k.commitErr
		}
		return k.commitErr
	}
	return nil
}

func (k *fakeKernel) apply(op *nft.Op) error {
	refused := func(errno syscall.Errno) error { return &nft.Error{Kind: op.Kind, Set: op.Set, Errno: errno} }
	if k.opErr != nil {
		if err := k.opErr(*op); err != nil {
			return err
		}
	}
	s := k.sets[op.Set]
	if s == nil {
		return refused(syscall.ENOENT)
	}
	end, there := s.elements[op.Key]
	until := time.Now().Add(op.Timeout)
	switch {
	case len(op.Key.Bytes()) != s.info.Layout.Len():
		return refused(syscall.EINVAL)
	case op.Kind == nft.Delete:
		delete(s.elements, op.Key)
		k.deleted++
		return nil
	case !there && s.info.Size > 0 && s.alive() >= int(s.info.Size):
		return refused(syscall.ENFILE)
	case there && op.Kind == nft.Add && (end.IsZero() || !end.Before(until)):
		op.Found = true
		return nil
	}
	if there && (end.IsZero() || end.After(until.Add(kernelExtra))) {
		k.cut++
	}
	s.elements[op.Key] = until
	return nil
}

func (k *fakeKernel) Get(of nft.Set, keys ...set.Key) ([]nft.Element, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked += len(keys)
	if k.getErr != nil {
		return nil, k.getErr
	}
	s := k.sets[of.ID]
	if s == nil {
		return nil, nft.ErrNoSet
	}
	s.alive()
	var found []nft.Element
	for _, key := range keys {
		if end, ok := s.elements[key]; ok {
			e := nft.Element{Key: key}
			if !end.IsZero() {
				e.Timeout, e.Expires = time.Hour, time.Until(end)
			}
			found = append(found, e)
		}
	}
	return found, nil
}

// ended are the flows whose connections were to be ended so far.
func (k *fakeKernel) ended() []conntrack.Flow {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.killed)
}

func (k *fakeKernel) Kill(flows []conntrack.Flow) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.killed = append(k.killed, flows...)
	return len(flows), nil
}

func (k *fakeKernel) Set(id set.ID) (nft.Set, error) {
	k.mu.Lock()
	looked := k.looked
	k.mu.Unlock()
	if looked != nil {
		looked()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.setErr != nil {
		if err := k.setErr(id); err != nil {
			return nft.Set{}, err
		}
	}
	s := k.sets[id]
	if s == nil {
		return nft.Set{}, nft.ErrNoSet
	}
	info := s.info
	if s.counts {
		info.Count = s.alive()
	}
	return info, nil
}

func (k *fakeKernel) Elements(of nft.Set, yield func(nft.Element) error) error {
	k.mu.Lock()
	s := k.sets[of.ID]
	if s == nil {
		k.mu.Unlock()
		return nft.ErrNoSet
	}
	elements, dumped, read, dumpErr := maps.Clone(s.elements), k.dumped, k.read, k.dumpErr
	k.mu.Unlock()
	if dumped != nil {
		dumped()
	}
	if dumpErr != nil {
		if err := dumpErr(of.ID); err != nil {
			return err
		}
	}
	for key, end := range elements {
		e := nft.Element{Key: key}
		if !end.IsZero() {
			e.Timeout, e.Expires = time.Hour, time.Until(end)
			if e.Expires <= 0 {
				continue
			}
		}
		if err := yield(e); err != nil {
			return err
		}
	}
	k.mu.Lock()
	same := k.sets[of.ID] == s
	k.mu.Unlock()
	if !same {
		return nft.ErrNoSet
	}
	if read != nil {
		read()
	}
	return nil
}

// The sets, rules and addresses of the tests.
var (
	web4 = set.ID{Family: set.Inet, Table: "filter", Name: "web4"}
	web6 = set.ID{Family: set.Inet, Table: "filter", Name: "web6"}
	app4 = set.ID{Family: set.Inet, Table: "filter", Name: "app4"}

	v4, v6   = set.Layout{}, set.Layout{V6: true}
	ports4   = set.Layout{Proto: true, Port: true}
	pairs4   = set.Layout{Pair: true}
	client   = netip.MustParseAddr("192.0.2.9")
	addr1    = netip.MustParseAddr("198.51.100.1")
	addr2    = netip.MustParseAddr("198.51.100.2")
	addrSix  = netip.MustParseAddr("2001:db8::1")
	private  = netip.MustParseAddr("10.0.0.1")
	splitNet = netip.MustParseAddr("172.16.0.1")
)

var errBoom = fmt.Errorf("%w: boom", nft.ErrBroken)

// newRule is a rule for *.example.com into ids, of which the Corefile gives no
// types, with change applied.
func newRule(name string, ids []set.ID, change ...func(*rule.Rule)) *rule.Rule {
	pattern, err := rule.ParsePattern("*.example.com")
	if err != nil {
		panic(err)
	}
	policy, err := rule.NewPolicy(rule.Lines{}, rule.Lines{
		Allow: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("2001:db8::/32")},
		Pass:  []netip.Prefix{netip.MustParsePrefix("172.16.0.0/12")},
	})
	if err != nil {
		panic(err)
	}
	r := &rule.Rule{
		Name: name, Names: []rule.Names{{Patterns: []rule.Pattern{pattern}}}, Policy: policy,
		Lifetime: rule.Lifetime{Min: rule.DefaultMin, Max: rule.DefaultMax, Grace: rule.DefaultGrace},
		Wait:     rule.DefaultWait, Limit: rule.DefaultLimit, FollowTargets: true,
	}
	for _, id := range ids {
		r.Sets = append(r.Sets, rule.Set{ID: id})
	}
	for _, f := range change {
		f(r)
	}
	return r
}

func feed(r *rule.Rule) { r.Mode = rule.Feed }

// bench is a gate on a fake kernel with one active configuration.
type bench struct {
	*fakeKernel
	gate  *Gate
	inst  *Instance
	block *Block
	seen  *counter
}

// start makes a gate whose sets have been read. It ends with the test.
func start(t testing.TB, k *fakeKernel, rules ...*rule.Rule) *bench {
	b := &bench{fakeKernel: k, seen: new(counter)}
	b.gate = New(Options{Kernel: k, Observer: b.seen})
	t.Cleanup(b.gate.Close)
	b.load(rules...)
	return b
}

// load makes rules the active configuration, and has their sets read.
func (b *bench) load(rules ...*rule.Rule) {
	b.activate(rules...)
	synctest.Wait()
}

// activate makes rules the active configuration.
func (b *bench) activate(rules ...*rule.Rule) {
	for i, r := range rules {
		r.Index = i
	}
	b.inst = b.gate.Stage(rules, rule.Site{})
	b.block = b.inst.Block(rules)
	b.inst.Start()
}

// only has questions fall under the rule of that name alone.
func (b *bench) only(name string) {
	for _, rs := range b.inst.rules {
		if rs.rule.Name == name {
			b.block = b.inst.Block([]*rule.Rule{rs.rule})
		}
	}
}

// await polls, outside of synctest, until something is so.
func await(t testing.TB, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within 10 s", what)
		}
	}
}

// ask is a question for name that is answered with addrs.
func (b *bench) ask(name string, ttl time.Duration, addrs ...netip.Addr) *Question {
	q := &Question{Name: name, Client: client}
	b.admit(q, ttl, addrs...)
	return q
}

func (b *bench) admit(q *Question, ttl time.Duration, addrs ...netip.Addr) {
	if !b.block.Concerns(q) {
		return
	}
	if len(q.Walk.Names) == 0 {
		q.Walk.Names = append(q.Walk.Names, q.Name)
	}
	for _, a := range addrs {
		q.Walk.Addrs = append(q.Walk.Addrs, answer.Addr{Addr: a, TTL: ttl})
	}
	b.block.Chain(q)
	b.block.Admit(context.Background(), q)
}

// counter is an Observer that counts.
type counter struct {
	mu                               sync.Mutex // guards what follows
	commits, elements, held, refused int
	healed, foreign, overruns        int
	revoked, killed, lost            int
	errnos                           map[string]int
}

func (c *counter) add(n *int, by int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*n += by
}

func (c *counter) get(n *int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return *n
}

func (c *counter) Refused(errno string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused++
	if c.errnos == nil {
		c.errnos = make(map[string]int)
	}
	c.errnos[errno]++
}

func (c *counter) Commit(elements int, _ time.Duration) {
	c.add(&c.commits, 1)
	c.add(&c.elements, elements)
}
func (c *counter) Held(time.Duration) { c.add(&c.held, 1) }
func (c *counter) Healed(n int)       { c.add(&c.healed, n) }
func (c *counter) Foreign(string)     { c.add(&c.foreign, 1) }
func (c *counter) Overrun()           { c.add(&c.overruns, 1) }
func (c *counter) Lost()              { c.add(&c.lost, 1) }
func (c *counter) Revoked(n int)      { c.add(&c.revoked, n) }
func (c *counter) Killed(n int)       { c.add(&c.killed, n) }

func key4(a netip.Addr) set.Key { return v4.Key(client, a, set.Service{}) }
