//go:build linux

package integration

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/integration/lab"
)

// namesLimit is how long a change of a file may take until it counts. Where that is
// waited for, it is noticed at once, or when files are looked at anyway.
const namesLimit = 30 * time.Second

// namesCorefile is a gateway with names from a file in two server blocks. more is
// for its first one.
func namesCorefile(file, more string) string {
	return `
(rules) {
	nftset open {
		set inet filter open4
		names ` + file + `
		` + lab.AllowWide + `
	}
}
. {` + lab.Node + `
	` + more + `
	import rules
	forward . ` + lab.Scripted + `
}
.:` + uncached + ` {
	import rules
	forward . ` + lab.Scripted + `
}`
}

// names is a text for a file of names, each of which the upstream knows.
func names(all ...string) string {
	text := "# of the test\n"
	for _, name := range all {
		text += name + ".open.test\n"
	}
	return text
}

// swap replaces a file by renaming another.
func swap(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.WriteFile(path+".new", []byte(text), 0o600), os.Rename(path+".new", path)); err != nil {
		t.Fatal(err)
	}
}

// newNamesLab is a lab whose upstream knows one, two and three.open.test.
func newNamesLab(t *testing.T) *lab.Lab {
	l, s := newOpenLab(t)
	s.Records("one.open.test. 3600 IN A 198.51.100.1", "two.open.test. 3600 IN A 198.51.100.2", "three.open.test. 3600 IN A 198.51.100.3")
	return l
}

// A file of names is taken over as it changes, in all server blocks, whichever way
// that is done: names that come get access, and those that go lose it. What is
// wrong or missing changes nothing, and is told.
func TestNamesFile(t *testing.T) {
	t.Parallel()
	l := newNamesLab(t)
	path := filepath.Join(t.TempDir(), "vendors.names")
	swap(t, path, names("one"))
	n := l.Namewall(namesCorefile(path, ""))

	// opens waits until the names open their addresses, and no others are open.
	opens := func(all ...string) {
		t.Helper()
		addrs := map[string]string{"one": "198.51.100.1", "two": "198.51.100.2", "three": "198.51.100.3"}
		var want []string
		for _, name := range all {
			want = append(want, addrs[name])
		}
		lab.Until(t, namesLimit, strings.Join(all, " and ")+" alone", func() error {
			for _, server := range []string{"53", uncached} {
				for name := range addrs {
					if _, err := l.Client.Ask("udp", net.JoinHostPort(lab.Gateway4, server), new(dns.Msg).SetQuestion(name+".open.test.", dns.TypeA)); err != nil {
						return err
					}
				}
			}
			return sameKeys(l, "open4", want...)
		})
	}
	told := func(current float64, patterns int, words ...string) {
		t.Helper()
		lab.Until(t, namesLimit, "the metrics of the file", func() error {
			label := fmt.Sprintf("file=%q", path)
			used, count := n.Metric("coredns_nftset_names_file_in_use", label), n.Metric("coredns_nftset_names_file_patterns", label)
			if used != current || count != float64(patterns) {
				return fmt.Errorf("in use %v, %v patterns; want %v, %d", used, count, current, patterns)
			}
			return nil
		})
		for _, word := range words {
			if got := strings.Count(n.Output(), word); got != 1 {
				t.Errorf("the log tells %d times of %q", got, word)
			}
		}
	}
	opens("one")
	told(1, 1)
	reaches(t, l, 0, "198.51.100.1", port)

	swap(t, path, names("one", "two"))
	opens("one", "two")
	told(1, 2, "names "+path+": 2 patterns, 1 before")
	reaches(t, l, 0, "198.51.100.2", port)

	if err := os.WriteFile(path, []byte(names("two", "three")), 0o600); err != nil { // in place
		t.Fatal(err)
	}
	opens("two", "three")
	barred(t, l, 0, "198.51.100.1", port)

	swap(t, path, names("one", "two.", "three"))
	told(0, 2, path+":3: 'two..open.test' is no pattern")
	if err := contains(tells(t, n, 0, "status"), ": ready\n", "problem: names "+path+": going on with the 2 patterns", path+":3: 'two..open.test'"); err != nil {
		t.Error(err)
	}
	opens("two", "three")
	if err := n.Reload(namesCorefile(path, "")); err == nil || !strings.Contains(err.Error(), path+":3: 'two..open.test'") {
		t.Errorf("a Corefile whose list is bad: %v", err)
	}
	opens("two", "three")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	lab.Until(t, namesLimit, "the log tells that the file has vanished", func() error {
		if !strings.Contains(n.Output(), "open "+path+": no such file") {
			return errors.New("no such line")
		}
		return nil
	})
	told(0, 2)
	opens("two", "three")

	// A configmap: what a link leads to is replaced.
	dir := filepath.Dir(path)
	version := func(name, text string) {
		t.Helper()
		if err := errors.Join(os.Mkdir(filepath.Join(dir, name), 0o700),
			os.WriteFile(filepath.Join(dir, name, "list"), []byte(text), 0o600),
			os.Symlink(name, filepath.Join(dir, "tmp")),
			os.Rename(filepath.Join(dir, "tmp"), filepath.Join(dir, "..data"))); err != nil {
			t.Fatal(err)
		}
	}
	version("..1", names("three"))
	if err := os.Symlink("..data/list", path); err != nil {
		t.Fatal(err)
	}
	opens("three")
	version("..2", names("one"))
	opens("one")
	told(1, 1)

	// Many.
	var many strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&many, "host%d.zone%d.open.test\n", i, i%1000)
	}
	version("..3", names("two")+many.String())
	opens("two")
	told(1, 100_001)
	if err := n.Reload(namesCorefile(path, "")); err != nil {
		t.Fatal(err)
	}
	opens("two")
	told(1, 100_001)
	version("..4", names("two", "three"))
	opens("two", "three")
}

// While the Corefile is reloaded, also ones that fail after they have begun to
// follow the file, its changes count once, and what has been stopped or has failed
// doesn't come back by one.
func TestNamesFileDuringReloads(t *testing.T) {
	t.Parallel()
	l := newNamesLab(t)
	path := filepath.Join(t.TempDir(), "vendors.names")
	swap(t, path, names("one"))
	good, bad := namesCorefile(path, ""), namesCorefile(path, "bind 203.0.113.99 # nobody's")
	n := l.Namewall(good)
	answers(t, l, "one.open.test.", dns.TypeA, "198.51.100.1")

	files := n.Metric("process_open_fds")
	// A file has to be at rest for a while before it is read, and about then the
	// reload comes.
	for i := range 12 {
		swap(t, path, names([]string{"one", "two"}[:1+i%2]...))
		<-time.After(400*time.Millisecond + rand.N(300*time.Millisecond))
		if i%3 == 0 {
			if err := n.Reload(good); err != nil {
				t.Error(err)
			}
		} else if err := n.Reload(bad); err == nil {
			t.Error("a Corefile that can't be served was taken over")
		}
	}
	if err := n.Reload(good); err != nil {
		t.Error(err)
	}
	lab.Until(t, namesLimit, "what has failed follows no file any more", func() error {
		if now := n.Metric("process_open_fds"); now > files+3 {
			return fmt.Errorf("%v open files, %v before", now, files)
		}
		return nil
	})
	if strings.Count(n.Output(), "names "+path+": ") == 0 {
		t.Error("no change was taken over: there was nothing to see")
	}

	swap(t, path, names("three", "one", "two", "three"))
	line := "names " + path + ": 4 patterns"
	lab.Until(t, namesLimit, "the last change counts", func() error {
		ask(l, "three.open.test.", dns.TypeA)
		return sameKeys(l, "open4", "198.51.100.1", "198.51.100.3")
	})
	swap(t, path, names("three", "three"))
	lab.Until(t, namesLimit, "the name that has gone loses its element", func() error { return sameKeys(l, "open4", "198.51.100.3") })
	if got := strings.Count(n.Output(), line); got != 1 {
		t.Errorf("the last change was taken over %d times", got)
	}
	if strings.Contains(n.Output(), "panic") {
		t.Error("something panicked")
	}
}
