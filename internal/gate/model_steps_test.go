package gate

import (
	"fmt"
	"slices"
	"syscall"
	"time"

	"pgregory.net/rapid"

	"github.com/namewall/namewall/internal/nft"
	"github.com/namewall/namewall/internal/set"
)

// step is one thing that happens. What its numbers mean depends on what it is.
type step struct {
	what    string
	set     set.ID
	addr    int
	life    time.Duration
	ttl     time.Duration
	errno   syscall.Errno
	yes     bool
	another int
}

// GoString is how a failing run is told.
func (s step) GoString() string {
	return fmt.Sprintf("\n%q set %s, address %d and %d, life %v, TTL %v, %v, %v",
		s.what, s.set.Name, s.addr, s.another, s.life, s.ttl, s.errno, s.yes)
}

// pace is how long the kernel takes for something: longer than any `wait` at most.
func (s step) pace() time.Duration { return min(s.life, 3*time.Second) }

func drawStep(t *rapid.T) step {
	var what []string
	for name := range things {
		what = append(what, name)
	}
	slices.Sort(what)
	what = append(what, "ask", "ask", "ask", "pause", "pause", "pause", "element put", "element taken", "set flushed")
	return step{
		what: rapid.SampledFrom(what).Draw(t, "what"),
		set:  rapid.SampledFrom([]set.ID{web4, app4}).Draw(t, "set"),
		addr: rapid.IntRange(0, 2).Draw(t, "addr"),
		life: rapid.SampledFrom([]time.Duration{
			0, time.Millisecond, 4 * time.Millisecond, 20 * time.Millisecond, 300 * time.Millisecond, 1100 * time.Millisecond, 7 * time.Second, time.Minute, time.Hour,
		}).Draw(t, "life"),
		ttl:     rapid.SampledFrom([]time.Duration{0, 5 * time.Second, time.Minute, time.Hour}).Draw(t, "ttl"),
		errno:   rapid.SampledFrom([]syscall.Errno{syscall.ENOENT, syscall.ENFILE, syscall.EPERM, syscall.EINVAL, syscall.ENOMEM}).Draw(t, "errno"),
		yes:     rapid.Bool().Draw(t, "yes"),
		another: rapid.IntRange(0, 2).Draw(t, "another"),
	}
}

// things are what can happen.
var things = map[string]func(*model, step){
	"pause": func(_ *model, s step) { time.Sleep(s.life) },
	"ask": func(m *model, s step) {
		b := *m.bench // under the configuration of now
		m.asking.Go(func() { m.answer(&b, s) })
	},

	// Others change the sets.
	"element put": func(m *model, s step) {
		if m.there(s.set) {
			m.change(func() { m.admins[element{s.set, modelKey(s.addr)}] = true })
			m.put(s.set, modelKey(s.addr), s.life)
		}
	},
	"element taken": func(m *model, s step) {
		if m.there(s.set) {
			m.take(s.set, modelKey(s.addr))
		}
	},
	"set flushed": func(m *model, s step) {
		if m.there(s.set) {
			m.flush(s.set)
		}
	},
	"set deleted": func(m *model, s step) {
		if m.there(s.set) {
			m.remove(s.set)
		}
	},
	"set declared anew": func(m *model, s step) {
		if m.there(s.set) {
			m.remove(s.set)
		}
		m.declare(s.set, v4, uint32(s.another))
	},
	"set of another type": func(m *model, s step) {
		if m.there(s.set) {
			m.remove(s.set)
		}
		m.declare(s.set, ports4, 0)
	},

	// The kernel fails.
	"commits are slow": func(m *model, s step) {
		m.change(func() {
			if s.yes {
				m.before = s.pace()
			} else {
				m.after = s.pace()
			}
		})
	},
	"commits are fast": func(m *model, _ step) { m.change(func() { m.before, m.after = 0, 0 }) },
	"elements are refused": func(m *model, s step) {
		m.change(func() {
			m.opErr = func(op nft.Op) error {
				if op.Key == modelKey(s.addr) {
					return &nft.Error{Kind: op.Kind, Set: op.Set, Errno: s.errno}
				}
				return nil
			}
		})
	},
	"batches are refused": func(m *model, s step) {
		m.change(func() { m.commitErr, m.unheard = fmt.Errorf("committing: %w", s.errno), false })
	},
	"replies are lost": func(m *model, s step) {
		m.change(func() { m.commitErr, m.unheard = fmt.Errorf("%w: %w", nft.ErrBroken, syscall.ENOBUFS), s.yes })
	},
	"sessions can't be opened": func(m *model, _ step) { m.change(func() { m.openErr = syscall.EPERM }) },
	"nothing is refused": func(m *model, _ step) {
		m.change(func() { m.opErr, m.commitErr, m.openErr, m.dumpErr = nil, nil, nil, nil })
	},
	"readings are slow": func(m *model, s step) {
		m.change(func() {
			m.dumped = func() { time.Sleep(s.pace()) }
			m.read = m.dumped
		})
	},
	"readings fail": func(m *model, s step) {
		m.change(func() {
			m.dumpErr = func(id set.ID) error {
				if s.yes {
					return fmt.Errorf("reading %s: %w", id, nft.ErrInterrupted)
				}
				return fmt.Errorf("reading %s: %w", id, s.errno)
			}
		})
	},
	"events are lost": func(m *model, s step) {
		m.change(func() {
			if m.there(s.set) {
				delete(m.sets[s.set].elements, modelKey(s.addr))
			}
		})
		m.tell(nft.Event{Kind: nft.Overrun})
	},
	"the watcher ends": func(m *model, _ step) { m.tell(nft.Event{Kind: nft.Ended, Err: errBoom}) },

	"reload": func(m *model, s step) {
		m.change(func() { m.reloaded = true })
		old := m.inst
		m.activate(modelRules()[:1+s.another]...)
		if s.yes {
			time.Sleep(s.life)
		}
		old.Stop()
	},
}

// there tells whether there is such a set.
func (k *fakeKernel) there(id set.ID) bool { return k.sets[id] != nil }
