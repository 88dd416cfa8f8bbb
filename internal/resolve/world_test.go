package resolve

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/namewall/namewall/internal/answer"
	"github.com/namewall/namewall/internal/rule"
)

var (
	addr1 = netip.MustParseAddr("198.51.100.1")
	addr2 = netip.MustParseAddr("198.51.100.2")
	addr3 = netip.MustParseAddr("198.51.100.3")
	addr6 = netip.MustParseAddr("2001:db8::6")

	life = rule.Lifetime{Min: rule.DefaultMin, Max: rule.DefaultMax, Grace: rule.DefaultGrace}
	fe1  = Key{"in", "fe1.example.com."}
	fe2  = Key{"in", "fe2.example.com."}
)

const (
	ttl   = time.Minute
	stale = 24 * time.Hour
)

// world is DNS, a kernel that keeps elements as the gate has them kept, and who
// watches.
type world struct {
	mu       sync.Mutex // guards what follows
	dns      map[question]Answer
	down     string // why nobody answers
	hang     bool   // or nobody does at all
	refuses  error  // of admissions
	v4only   bool
	life     rule.Lifetime
	asked    []asked
	admitted []admitted
	held     map[held]time.Time
	changes  []Change
	states   []Transition

	running, most int           // questions
	took          time.Duration // each
	admits        time.Duration // what an admission takes
}

type question struct {
	Key
	Family
}

type asked struct {
	question
	at time.Time
}

type admitted struct {
	Key
	addrs []netip.Addr
	at    time.Time
	age   time.Duration
}

type held struct {
	Key
	netip.Addr
}

func newWorld() *world {
	return &world{dns: make(map[question]Answer), held: make(map[held]time.Time), v4only: true, life: life}
}

// good is an answer with these addresses.
func good(ttl time.Duration, addrs ...netip.Addr) Answer {
	w := &answer.Walk{Least: ttl}
	for _, a := range addrs {
		w.Addrs = append(w.Addrs, answer.Addr{Addr: a, TTL: ttl})
	}
	return Answer{Walk: w, Addrs: addrs}
}

var nxdomain = Answer{None: true, Why: "NXDOMAIN"}

// says makes DNS answer so from now on.
func (w *world) says(k Key, f Family, a Answer) {
	w.change(func() { w.dns[question{k, f}] = a })
}

func (w *world) change(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func (w *world) Wants(_ Key, f Family) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return f == IPv4 || !w.v4only
}

func (w *world) Ask(ctx context.Context, k Key, f Family) Answer {
	var a Answer
	var hang bool
	w.change(func() {
		w.asked = append(w.asked, asked{question{k, f}, time.Now()})
		w.running++
		w.most = max(w.most, w.running)
		hang = w.hang
		a = w.dns[question{k, f}]
		if a.Walk != nil {
			a = good(a.Walk.Least, a.Addrs...) // nobody shares one
		}
		if w.down != "" {
			a = Answer{Why: w.down}
		}
	})
	defer w.change(func() { w.running-- })
	if hang {
		<-ctx.Done()
		return Answer{Why: "timeout"}
	}
	time.Sleep(w.took)
	return a
}

// Admit does what the gate would: a key that is held for long enough is left
// alone, another gets the life of a write.
func (w *world) Admit(_ context.Context, k Key, walk *answer.Walk, age time.Duration) error {
	w.mu.Lock()
	admits := w.admits
	w.mu.Unlock()
	time.Sleep(admits)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuses != nil {
		return w.refuses
	}
	now := time.Now()
	a := admitted{Key: k, at: now, age: age}
	for _, addr := range walk.Addrs {
		at := held{k, addr.Addr}
		if w.held[at].Before(now.Add(w.life.Needed(addr.TTL))) {
			w.held[at] = now.Add(w.life.Written(addr.TTL))
		}
		a.addrs = append(a.addrs, addr.Addr)
	}
	w.admitted = append(w.admitted, a)
	return nil
}

func (w *world) Changed(c Change)    { w.change(func() { w.changes = append(w.changes, c) }) }
func (w *world) Became(t Transition) { w.change(func() { w.states = append(w.states, t) }) }

// holds tells whether the kernel has the address of the name now.
func (w *world) holds(k Key, addr netip.Addr) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.held[held{k, addr}].After(time.Now())
}

// times are those of the questions for a name's addresses of a family.
func (w *world) times(k Key, f Family) []time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []time.Time
	for _, a := range w.asked {
		if a.question == (question{k, f}) {
			all = append(all, a.at)
		}
	}
	return all
}

// told are the changes so far, and forgets them.
func (w *world) told() []Change {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer func() { w.changes = nil }()
	return slices.Clone(w.changes)
}

// state is the name's last one.
func (w *world) state(k Key) (State, string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range slices.Backward(w.states) {
		if t.Key == k {
			return t.To, t.Why
		}
	}
	return Waiting, ""
}

func name(k Key) Name { return Name{Key: k, Lifetime: life, Stale: stale} }

// start has names resolved in w until the test ends.
func start(t *testing.T, w *world, names ...Name) *Resolver {
	t.Helper()
	r := New(w)
	t.Cleanup(r.Close)
	r.Use(w, names)
	return r
}

var errNotReady = errors.New("set is missing")

// questions, admissions and transitions are those so far.
func (w *world) questions() (all []asked) {
	w.change(func() { all = slices.Clone(w.asked) })
	return all
}

func (w *world) admissions() (all []admitted) {
	w.change(func() { all = slices.Clone(w.admitted) })
	return all
}

func (w *world) transitions() (all []Transition) {
	w.change(func() { all = slices.Clone(w.states) })
	return all
}

// pass lets time pass, and what it brings come to rest.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
