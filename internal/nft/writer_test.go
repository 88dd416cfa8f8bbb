//go:build linux

package nft

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/namewall/namewall/internal/set"
	"golang.org/x/sys/unix"
)

// onEachKernel runs a test with a Writer as the running kernel allows, and with
// one that has to do as for a kernel before 6.12: but for short tests, which run on
// such a kernel, too (integration/kernels). In both cases the test begins with the
// ruleset.
func onEachKernel(t *testing.T, ruleset string, test func(t *testing.T, k *kernel, w *Writer)) {
	t.Run("probed", func(t *testing.T) {
		k := newKernel(t)
		k.Nft(ruleset)
		test(t, k, k.writer())
	})
	if testing.Short() {
		return
	}
	t.Run("before 6.12", func(t *testing.T) {
		k := newKernel(t)
		k.Nft(ruleset)
		test(t, k, k.writer(Features{}))
	})
}

func (k *kernel) wantKeys(id set.ID, want ...string) {
	k.t.Helper()
	got := slices.Sorted(maps.Keys(k.list(id)))
	if slices.Sort(want); !slices.Equal(got, want) {
		k.t.Errorf("%s holds %v, want %v", id, got, want)
	}
}

func (k *kernel) wantLife(id set.ID, key string, timeout time.Duration) {
	k.t.Helper()
	if e := k.list(id)[key]; !e.lives(timeout) {
		k.t.Errorf("%s: %s is %+v, want %v", id, key, e, timeout)
	}
}

func TestEveryLayout(t *testing.T) {
	https := set.Service{Proto: 6, Port: 443}
	const c4, a4, c6, a6 = "192.0.2.9", "198.51.100.7", "2001:db8::9", "2001:db8:1::7"
	layouts := map[string]string{
		"ipv4_addr":                                         a4,
		"ipv4_addr . inet_service":                          a4 + " . 443",
		"ipv4_addr . inet_proto . inet_service":             a4 + " . tcp . 443",
		"ipv4_addr . ipv4_addr":                             c4 + " . " + a4,
		"ipv4_addr . ipv4_addr . inet_proto . inet_service": c4 + " . " + a4 + " . tcp . 443",
		"ipv6_addr":                                         a6,
		"ipv6_addr . inet_service":                          a6 + " . 443",
		"ipv6_addr . inet_proto . inet_service":             a6 + " . tcp . 443",
		"ipv6_addr . ipv6_addr":                             c6 + " . " + a6,
		"ipv6_addr . ipv6_addr . inet_proto . inet_service": c6 + " . " + a6 + " . tcp . 443",
	}
	var ruleset strings.Builder
	ruleset.WriteString("table inet filter {\n")
	ids := make(map[string]set.ID)
	for layout := range layouts {
		id := set.ID{Family: set.Inet, Table: "filter", Name: fmt.Sprintf("s%d", len(ids))}
		ids[layout] = id
		fmt.Fprintf(&ruleset, "set %s { type %s; flags timeout; }\n", id.Name, layout)
	}
	ruleset.WriteString("}")
	onEachKernel(t, ruleset.String(), func(t *testing.T, k *kernel, w *Writer) {
		var ops []Op
		for layout, id := range ids {
			l, err := set.ParseLayout(layout)
			if err != nil {
				t.Fatal(err)
			}
			client, addr := netip.MustParseAddr(c4), netip.MustParseAddr(a4)
			if l.V6 {
				client, addr = netip.MustParseAddr(c6), netip.MustParseAddr(a6)
			}
			ops = append(ops, Op{Kind: Add, Set: id, Key: l.Key(client, addr, https), Timeout: time.Hour})
		}
		hold := func(timeout time.Duration) {
			t.Helper()
			all := k.lists(set.Inet, "filter")
			for layout, want := range layouts {
				elements := all[ids[layout].Name]
				if len(elements) != 1 || !elements[want].lives(timeout) {
					t.Errorf("%s holds %+v, want %s for %v", layout, elements, want, timeout)
				}
			}
		}
		k.commit(w, ops...)
		hold(time.Hour)
		for i := range ops {
			ops[i].Kind, ops[i].Timeout = Refresh, 2*time.Hour
		}
		k.commit(w, ops...)
		hold(2 * time.Hour)
		for i := range ops {
			ops[i].Kind = Delete
		}
		k.commit(w, ops...)
		for name, elements := range k.lists(set.Inet, "filter") {
			if len(elements) != 0 {
				t.Errorf("%s holds %+v", name, elements)
			}
		}
	})
}

// A refresh with the timeout that the element has already is the common case,
// and the one that a kernel since 6.12 takes for no change if it isn't told the
// expiration.
func TestRefreshExtends(t *testing.T) {
	onEachKernel(t, declared, func(t *testing.T, k *kernel, w *Writer) {
		k.Nft("add element inet filter web4 { 198.18.0.1 timeout 1h expires 10s, 198.18.0.2 timeout 1m expires 10s, 198.18.0.3 timeout 9h expires 8h }")
		k.commit(w, refresh(1, time.Hour), refresh(2, time.Hour), refresh(3, time.Hour), refresh(4, time.Hour))
		for _, key := range []string{"198.18.0.1", "198.18.0.2", "198.18.0.3", "198.18.0.4"} {
			k.wantLife(web4, key, time.Hour)
		}
	})
}

func TestRefreshKeepsAnAdministratorsComment(t *testing.T) {
	k := newKernel(t)
	k.Nft(declared)
	k.Nft(`add element inet filter web4 { 198.18.0.1 timeout 1h expires 10s comment "ticket 42" }`)
	w := k.writer()
	k.commit(w, refresh(1, time.Hour))
	k.wantLife(web4, "198.18.0.1", time.Hour)
	// Where the kernel can't update elements it is replaced, without its comment.
	if got := k.list(web4)["198.18.0.1"].Comment; got != "ticket 42" && w.Features().Update {
		t.Errorf("comment is %q", got)
	}
}

func TestAddLeavesLongerLivesAlone(t *testing.T) {
	const ruleset = declared + `
		add element inet filter web4 { 198.18.0.1, 198.18.0.2 timeout 5h comment "mine", 198.18.0.3 timeout 1m, 198.18.0.4 timeout 5h expires 1m }`
	onEachKernel(t, ruleset, func(t *testing.T, k *kernel, w *Writer) {
		ops := k.commit(w, add(1, time.Hour), add(2, time.Hour), add(3, time.Hour), add(4, time.Hour), add(5, time.Hour))
		for i, found := range []bool{true, true, false, false, false} {
			if ops[i].Found != found {
				t.Errorf("element %d: found is %v", i+1, ops[i].Found)
			}
		}
		if e := k.list(web4)["198.18.0.1"]; e != (listed{}) {
			t.Errorf("the permanent element is now %+v", e)
		}
		k.wantLife(web4, "198.18.0.2", 5*time.Hour)
		if got := k.list(web4)["198.18.0.2"].Comment; got != "mine" {
			t.Errorf("comment is %q", got)
		}
		for _, key := range []string{"198.18.0.3", "198.18.0.4", "198.18.0.5"} {
			k.wantLife(web4, key, time.Hour)
		}
	})
}

// A default timeout must not become the life of an element, nor must the lack of
// one make it permanent.
func TestTimeoutIsAlwaysSaid(t *testing.T) {
	const ruleset = "table inet filter {\n set web4 { type ipv4_addr; flags timeout; timeout 9h; }\n}"
	onEachKernel(t, ruleset, func(t *testing.T, k *kernel, w *Writer) {
		k.commit(w, add(1, 9*time.Hour), add(2, time.Hour), refresh(3, time.Hour), add(4, 0), add(5, 1400*time.Millisecond))
		r := k.reader()
		s, err := r.Set(web4)
		if err != nil || s.Default != 9*time.Hour {
			t.Fatalf("%+v, %v", s, err)
		}
		got := make(map[set.Key]time.Duration)
		if err := r.Elements(s, func(e Element) error { got[e.Key] = e.Timeout; return nil }); err != nil {
			t.Fatal(err)
		}
		want := map[set.Key]time.Duration{
			key4(1): 9 * time.Hour, key4(2): time.Hour, key4(3): time.Hour, key4(4): time.Second, key4(5): 1400 * time.Millisecond,
		}
		if !maps.Equal(got, want) {
			t.Errorf("lives are %v", got)
		}
	})
}

func TestDelete(t *testing.T) {
	const ruleset = declared + `
		add element inet filter web4 { 198.18.0.1, 198.18.0.2 timeout 1h, 198.18.0.3 }`
	onEachKernel(t, ruleset, func(t *testing.T, k *kernel, w *Writer) {
		nowhere := del(1)
		nowhere.Set.Table = "none"
		k.commit(w, del(1), del(2), del(77), nowhere, add(4, time.Hour))
		k.wantKeys(web4, "198.18.0.3", "198.18.0.4")
	})
}

// An operation of each kind for an element that has just expired, which the
// kernel neither finds nor has collected.
func TestExpiredElements(t *testing.T) {
	const ruleset = "table inet filter {\n set web4 { type ipv4_addr; flags timeout; gc-interval 1h; }\n}"
	onEachKernel(t, ruleset, func(t *testing.T, k *kernel, w *Writer) {
		r := k.reader()
		k.commit(w, add(1, time.Second), add(2, time.Second), add(3, time.Second))
		deadline := time.Now().Add(10 * time.Second)
		for {
			found, err := r.Get(Set{ID: web4}, key4(1), key4(2), key4(3))
			if err != nil {
				t.Fatal(err)
			}
			if len(found) == 0 {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("elements don't expire")
			}
		}
		k.commit(w, add(1, time.Hour), refresh(2, time.Hour), del(3))
		k.wantKeys(web4, "198.18.0.1", "198.18.0.2")
		k.wantLife(web4, "198.18.0.1", time.Hour)
		k.wantLife(web4, "198.18.0.2", time.Hour)
	})
}

// A batch that names an element twice is the caller's mistake, but must not
// cost other elements.
func TestElementNamedTwice(t *testing.T) {
	onEachKernel(t, declared, func(t *testing.T, k *kernel, w *Writer) {
		ops := []Op{
			add(1, time.Hour), add(1, 2*time.Hour), refresh(2, time.Hour), refresh(2, 2*time.Hour),
			del(3), del(3), add(4, time.Hour), del(4), add(5, time.Hour),
		}
		if err := w.Commit(ops); err != nil {
			t.Fatal(err)
		}
		if ops[0].Err != nil || !errors.Is(ops[1].Err, unix.EEXIST) {
			t.Errorf("%v, %v", ops[0].Err, ops[1].Err)
		}
		for _, op := range ops[2:] {
			if op.Err != nil {
				t.Error(op.Err)
			}
		}
		k.wantKeys(web4, "198.18.0.1", "198.18.0.2", "198.18.0.4", "198.18.0.5")
	})
}

func TestCommitAllocatesNothing(t *testing.T) {
	onEachKernel(t, declared, func(t *testing.T, k *kernel, w *Writer) {
		ops := []Op{refresh(1, time.Hour), refresh(2, time.Hour), {Kind: Refresh, Set: web6, Key: key6(1), Timeout: time.Hour}}
		k.commit(w, ops...)
		if n := testing.AllocsPerRun(100, func() { k.commit(w, ops...) }); n > 0 {
			t.Errorf("%v allocations", n)
		}
	})
}

func TestProbeLeavesNothingBehind(t *testing.T) {
	k := newKernel(t)
	w := k.writer()
	if out := k.Command("", "nft", "list", "ruleset"); out != "" {
		t.Errorf("left %s", out)
	}
	k.Nft(declared)
	again := k.writer(w.Features())
	if again.Features() != w.Features() || again.Portid() == w.Portid() {
		t.Errorf("%+v with port %d, %+v with port %d", w.Features(), w.Portid(), again.Features(), again.Portid())
	}
	k.commit(again, add(1, time.Hour))
}

func TestErrorTexts(t *testing.T) {
	err := error(&Error{Kind: Add, Set: web4, Errno: syscall.ENFILE})
	if got, want := err.Error(), "inet filter web4: add: the set is full"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	err = &Error{Kind: Delete, Set: web4, Errno: syscall.EINVAL, Detail: "Cannot fudge"}
	if !strings.Contains(err.Error(), "(Cannot fudge)") || errors.Is(err, ErrFull) {
		t.Errorf("got %q", err)
	}
	for err, want := range map[error]string{
		syscall.ENOBUFS:             "ENOBUFS",
		errMalformed:                "other",
		syscall.Errno(9999):         "other",
		broken("%w", unix.EBADF):    "EBADF",
		nil:                         "other",
		readError(web4, unix.EPERM): "EPERM",
	} {
		if got := ErrnoName(err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}
