// Package hook runs an administrator's command when the addresses behind a name
// have changed, so that another firewall, or a person, hears of it.
//
// What it promises: who tells of a change never waits. Of one rule's command one
// runs at a time, for as long as runMax at most; what changes meanwhile is told
// to the next one, as one change of each name. The command runs without a shell,
// with none of this process's capabilities nor a way to new ones, in a process
// group of its own that ends with it when its time is over, with nothing in its
// environment but a PATH, and with / as its directory.
//
// It reads on its standard input one JSON object a line for each name:
//
//	{"rule":"in","name":"fe1.example.com","added":["192.0.2.2"],"removed":[],"addresses":["192.0.2.1","192.0.2.2"]}
//
// A command that fails isn't run again for the same change: the addresses that
// there are now stand in every line, so that the next one puts right what one
// has missed.
package hook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// runMax is how long a command may take: time for a request to a busy server,
// and so little that a name which changes often can't pile changes up.
const runMax = 30 * time.Second

// Notice is a change of the addresses behind a name. All lists are in order.
type Notice struct {
	Rule      string       `json:"rule"`
	Name      string       `json:"name"`
	Added     []netip.Addr `json:"added"`
	Removed   []netip.Addr `json:"removed"`
	Addresses []netip.Addr `json:"addresses"` // that there are now
}

// Run is what became of a command.
type Run struct {
	Rule    string
	Command string // its path
	// Exit is the exit code in decimals, or `timeout`, `signal` or `not_run`.
	Exit   string
	Err    error  // nil if the exit code is 0
	Output string // the last line that it wrote
}

// Runner runs the commands of all rules. Its methods are safe for concurrent
// use.
type Runner struct {
	told  func(Run)
	start func(ctx context.Context, command []string, input []byte) (output []byte, err error)

	mu    sync.Mutex // guards rules
	rules map[string]*pending
}

// pending are the changes of a rule of which no command has heard, while one is
// running.
type pending struct {
	command []string
	names   []string // in the order of their first change
	changes map[string]*change
}

// change is the difference between what a command was told last and what there
// is now.
type change struct{ before, now []netip.Addr }

// New makes a Runner. told is called at the end of every command, for each rule
// from one goroutine at a time.
func New(told func(Run)) *Runner {
	return &Runner{told: told, start: run, rules: make(map[string]*pending)}
}

// Tell has the command run with the notice, now or when the one that is running
// for the rule has ended.
func (r *Runner) Tell(command []string, n Notice) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.rules[n.Rule]
	if p == nil {
		p = &pending{changes: make(map[string]*change)}
		r.rules[n.Rule] = p
		go r.work(n.Rule, p)
	}
	p.command = command
	c := p.changes[n.Name]
	if c == nil {
		c = &change{before: union(minus(n.Addresses, n.Added), n.Removed)}
		p.changes[n.Name] = c
		p.names = append(p.names, n.Name)
	}
	c.now = n.Addresses
}

// work runs the rule's command until it has been told everything.
func (r *Runner) work(rule string, p *pending) {
	for {
		command, notices := r.take(rule, p)
		if notices == nil {
			return
		}
		if input := encode(notices); len(input) > 0 {
			r.told(r.run(rule, command, input))
		}
	}
}

// take takes what is to be told. If there is nothing left the rule is done with.
func (r *Runner) take(rule string, p *pending) (command []string, notices []Notice) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(p.names) == 0 {
		delete(r.rules, rule)
		return nil, nil
	}
	for _, name := range p.names {
		c := p.changes[name]
		notices = append(notices, Notice{
			Rule: rule, Name: name,
			Added: minus(c.now, c.before), Removed: minus(c.before, c.now), Addresses: union(c.now, nil),
		})
	}
	p.names, p.changes = nil, make(map[string]*change)
	return p.command, notices
}

// encode writes the notices that tell of a change: one that was taken back in
// the meantime is none.
func encode(notices []Notice) []byte {
	var b bytes.Buffer
	lines := json.NewEncoder(&b)
	for _, n := range notices {
		if len(n.Added) > 0 || len(n.Removed) > 0 {
			_ = lines.Encode(n) // strings and addresses can all be written
		}
	}
	return b.Bytes()
}

func (r *Runner) run(rule string, command []string, input []byte) Run {
	ctx, cancel := context.WithTimeout(context.Background(), runMax)
	defer cancel()
	output, err := r.start(ctx, command, input)
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("killed after %v with all its children, which is how long it may take: %w", runMax, err)
	}
	return Run{Rule: rule, Command: command[0], Exit: exit(ctx, err), Err: err, Output: lastLine(output)}
}

// lastLine is the last line that isn't empty.
func lastLine(output []byte) string {
	output = bytes.TrimSpace(output)
	return string(output[bytes.LastIndexByte(output, '\n')+1:])
}

// Check tells whether a command can be run, as far as that is known now.
func Check(path string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("command '%s' has no absolute path, and none is searched: write it like /usr/local/bin/%s", path, filepath.Base(path))
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no command '%s': install it, or correct its path", path)
	case err != nil:
		return fmt.Errorf("command '%s' can't be run: %w", path, err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("command '%s' is no file: name a program, or a script with a #! line", path)
	case info.Mode().Perm()&0o111 == 0:
		return fmt.Errorf("command '%s' may not be executed by anybody: chmod +x it", path)
	}
	return nil
}

func minus(a, b []netip.Addr) []netip.Addr {
	return slices.DeleteFunc(union(a, nil), func(addr netip.Addr) bool { return slices.Contains(b, addr) })
}

// union is all of both, in order, and never nil.
func union(a, b []netip.Addr) []netip.Addr {
	all := append(append(make([]netip.Addr, 0, len(a)+len(b)), a...), b...)
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}
