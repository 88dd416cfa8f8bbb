//go:build linux

package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Ruleset is the gateway's ruleset: a forward chain that drops what neither an
// established connection nor one of the given rules accepts. Sets and rules
// are lines in nft's syntax. What is dropped is counted, SYNs apart: Drops
// reads the counters.
func Ruleset(sets, rules string) string {
	return `table inet filter {
	counter dropped_syn { }
	counter dropped { }
` + sets + `
	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state established,related accept
` + rules + `
		tcp flags & (syn | ack) == syn counter name dropped_syn
		counter name dropped
	}
}
`
}

// Drops is what the gateway's forward chain has dropped so far.
type Drops struct {
	SYNs, Packets int
}

// Sub is what was dropped since earlier.
func (d Drops) Sub(earlier Drops) Drops {
	return Drops{SYNs: d.SYNs - earlier.SYNs, Packets: d.Packets - earlier.Packets}
}

// Load gives the gateway a ruleset, as `nft -f` does: in one transaction.
func (l *Lab) Load(ruleset string) {
	l.t.Helper()
	if _, err := l.Gateway.Run(Stdin(ruleset), "nft", "-f", "-"); err != nil {
		l.t.Fatalf("loading the ruleset: %v\n%s", err, ruleset)
	}
}

// NFT runs one nft command in the gateway and returns what it prints.
func (l *Lab) NFT(command string) string {
	l.t.Helper()
	out, err := l.Gateway.Run(nil, "nft", command)
	if err != nil {
		l.t.Fatalf("%v", err)
	}
	return out
}

// Drops reads the counters of the ruleset.
func (l *Lab) Drops() Drops {
	l.t.Helper()
	var d Drops
	for _, object := range l.list("list counters table inet filter") {
		if c := object.Counter; c != nil {
			switch c.Name {
			case "dropped_syn":
				d.SYNs = c.Packets
			case "dropped":
				d.Packets = c.Packets
			}
		}
	}
	return d
}

// Element is one element of a set.
type Element struct {
	Key              string // parts joined by " . ", as nft prints them
	Timeout, Expires time.Duration
}

// Elements reads a set of table inet filter.
func (l *Lab) Elements(set string) []Element {
	l.t.Helper()
	return l.elements("inet filter " + set)
}

// elements reads the set of this family, table and name.
func (l *Lab) elements(set string) []Element {
	l.t.Helper()
	var elements []Element
	for _, object := range l.list("list set " + set) {
		if object.Set == nil {
			continue
		}
		for _, raw := range object.Set.Elem {
			e, err := parseElement(raw)
			if err != nil {
				l.t.Fatalf("element %s: %v", raw, err)
			}
			elements = append(elements, e)
		}
	}
	return elements
}

// Keys reads the keys of a set of table inet filter.
func (l *Lab) Keys(set string) []string {
	l.t.Helper()
	return l.KeysOf("inet filter " + set)
}

// KeysOf reads the keys of the set of this family, table and name.
func (l *Lab) KeysOf(set string) []string {
	l.t.Helper()
	var keys []string
	for _, e := range l.elements(set) {
		keys = append(keys, e.Key)
	}
	return keys
}

// object is what of `nft -j` is read here (libnftables-json(5)).
type object struct {
	Counter *struct {
		Name    string
		Packets int
	}
	Set *struct {
		Elem []json.RawMessage
	}
}

func (l *Lab) list(command string) []object {
	l.t.Helper()
	out, err := l.Gateway.Run(nil, "nft", "-j", command)
	if err != nil {
		l.t.Fatalf("%v", err)
	}
	var answer struct{ Nftables []object }
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		l.t.Fatalf("nft -j %s: %v", command, err)
	}
	return answer.Nftables
}

// parseElement reads {"elem": {"val": KEY, "timeout": …}} or a bare KEY, where a
// key is a value or {"concat": [value…]}.
func parseElement(raw json.RawMessage) (Element, error) {
	var wrapped struct {
		Elem *struct {
			Val              json.RawMessage
			Timeout, Expires int64
		}
	}
	var e Element
	if json.Unmarshal(raw, &wrapped) == nil && wrapped.Elem != nil {
		raw = wrapped.Elem.Val
		e.Timeout = time.Duration(wrapped.Elem.Timeout) * time.Second
		e.Expires = time.Duration(wrapped.Elem.Expires) * time.Second
	}
	var concat struct{ Concat []any }
	if json.Unmarshal(raw, &concat) != nil || concat.Concat == nil {
		var value any
		if err := json.Unmarshal(raw, &value); err != nil {
			return e, err
		}
		concat.Concat = []any{value}
	}
	parts := make([]string, len(concat.Concat))
	for i, part := range concat.Concat {
		parts[i] = fmt.Sprint(part)
	}
	e.Key = strings.Join(parts, " . ")
	return e, nil
}

// Owner starts an nft that owns the tables of this ruleset (`flags owner`) for
// as long as it runs: nobody else may change them, and they vanish with it.
func (l *Lab) Owner(ruleset string) *Process {
	l.t.Helper()
	file := filepath.Join(l.t.TempDir(), "owned.nft")
	if err := os.WriteFile(file, []byte(ruleset), 0o600); err != nil {
		l.t.Fatalf("%v", err)
	}
	// Interactive, nft keeps its socket until its input ends.
	input, keep, err := os.Pipe()
	if err != nil {
		l.t.Fatalf("%v", err)
	}
	l.t.Cleanup(func() { keep.Close() })
	defer input.Close() // nft has its own
	p := l.Gateway.Start(l.t, func(c *exec.Cmd) { c.Stdin = input }, "nft", "nft", "-i")
	if _, err := fmt.Fprintf(keep, "include \"%s\"\n", file); err != nil {
		l.t.Fatalf("%v", err)
	}
	Until(l.t, startLimit, "nft owns its tables", func() error {
		if out := l.NFT("list ruleset"); !strings.Contains(out, "flags owner") {
			return errors.New("no such table")
		}
		return nil
	})
	return p
}
