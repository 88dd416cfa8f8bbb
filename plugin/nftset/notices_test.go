package nftset

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A change reaches the log's counter and the rule's command.
func TestChangeRunsTheCommand(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	z := newZone(t, fe4)
	corefile := strings.Replace(feRule, "resolve", `on_change /bin/sh -c "cat >> `+out+`"`+"\n resolve", 1)
	l := (&lab{t: t}).above(corefile, z)
	l.await("the address", func() bool { return l.holds("web4", "198.51.100.1") })
	z.change(func() {
		z.records["fe.example.com."] = newZone(t, "fe.example.com. 60 IN A 198.51.100.2").records["fe.example.com."]
	})
	// Another process, which knows from the gate what was promised.
	next := newProcess(l.gate, nothing{}, newSaver(l))
	t.Cleanup(next.resolver.Close)
	l.inst.shared = func() *process { return next }
	if err := l.inst.resolve(); err != nil {
		t.Fatal(err)
	}
	const want = `{"rule":"in","name":"fe.example.com","added":["198.51.100.2"],"removed":["198.51.100.1"],"addresses":["198.51.100.2"]}` + "\n"
	l.await("the command", func() bool {
		text, err := os.ReadFile(out)
		return err == nil && string(text) == want
	})
	if !next.saver.touched.Load() {
		t.Error("nobody saves that the addresses have changed")
	}
}
