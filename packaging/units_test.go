package packaging

import (
	"debug/elf"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/integration/lab"
)

// systemd reads the unit without a complaint.
func TestUnit(t *testing.T) {
	dir := t.TempDir()
	binary := filepath.Join(dir, "namewall") // systemd asks whether it can be run
	if err := os.WriteFile(binary, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	const unit = "namewall.service"
	text := strings.ReplaceAll(read(t, unit), "/usr/bin/namewall", binary)
	file := filepath.Join(dir, unit)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	// Of what it doesn't know it only warns.
	out, err := exec.Command("systemd-analyze", "verify", "--man=no", file).CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

// The unit's system calls are enough to run a command without privileges
// (internal/hook).
func TestUnitRunsCommands(t *testing.T) {
	allowed := make(map[string]bool)
	groups := command(t, "namewall.service", "SystemCallFilter")
	for len(groups) > 0 {
		group := groups[0]
		groups = groups[1:]
		out, err := exec.Command("systemd-analyze", "syscall-filter", group).Output()
		if err != nil {
			t.Fatalf("%s: %v", group, err)
		}
		for line := range strings.Lines(string(out)) {
			switch word := strings.TrimSpace(line); {
			case strings.HasPrefix(word, "#"), word == group, allowed[word]:
			case strings.HasPrefix(word, "@"):
				groups = append(groups, word)
			default:
				allowed[word] = true
			}
		}
	}
	for _, call := range []string{"prctl", "capget", "capset", "clone", "vfork", "execve", "setpgid", "kill", "wait4", "waitid", "pidfd_open", "chdir"} {
		if !allowed[call] {
			t.Errorf("%s is not allowed", call)
		}
	}
}

// Unbound takes its configuration, and validates.
func TestUnboundConfiguration(t *testing.T) {
	out, err := exec.Command("unbound-checkconf", "unbound.conf").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err = exec.Command("unbound-checkconf", "-o", "module-config", "unbound.conf").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "validator ") {
		t.Errorf("modules %s, %v", out, err)
	}
}

// The sets of the ruleset are those that corefile.example needs, and `check`
// has nothing to say about the two together.
func TestRulesetFitsCorefile(t *testing.T) {
	l := lab.New(t)
	file := filepath.Join(t.TempDir(), "nftables.conf")
	if err := os.WriteFile(file, []byte(read(t, "nftables.conf")), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := l.Command(read(t, "../corefile.example"), "check", "--nft", file)
	if err != nil || !strings.HasSuffix(out, "\nnothing is wrong\n") {
		t.Errorf("%v\n%s", err, out)
	}
	declared, err := l.Command(read(t, "../corefile.example"), "nft")
	if err != nil {
		t.Fatal(err)
	}
	text := read(t, "nftables.conf")
	for set := range strings.SplitSeq(declared, "\n\n") {
		// Without the comment that says for which rules the set is.
		_, set, _ = strings.Cut(set, "\tset ")
		set = strings.TrimSuffix(strings.TrimSpace(set), "\n}")
		if !strings.Contains(text, "\tset "+set) {
			t.Errorf("nftables.conf doesn't declare\n%s", set)
		}
	}
}

// What the Dockerfile builds is static, and with the two capabilities of the
// service and nothing else of root's it fills sets and serves port 53.
func TestStaticBinaryWithoutRoot(t *testing.T) {
	binary := build(t)
	f, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		t.Error("the binary needs a dynamic loader")
	}

	l := lab.New(t)
	l.Load(ruleset(t))
	unbound(t, l)
	dir := t.TempDir()
	conf := filepath.Join(dir, "Corefile")
	if err := os.WriteFile(conf, []byte(corefile(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	p := l.Gateway.Start(t, nil, "namewall", append(confined(t), binary, "serve", "-conf", conf)...)
	lab.Until(t, limit, "a set is filled", func() error {
		if err := p.Running(); err != nil {
			t.Fatalf("%v\n%s", err, p.Output())
		}
		m, err := l.Client.Ask("udp", lab.Gateway4+":53", new(dns.Msg).SetQuestion("api.fusionreactor.io.", dns.TypeA))
		if err != nil {
			return err
		}
		if len(lab.Addrs(m)) == 0 || len(l.Keys("fusionreactor4")) != 2 {
			return errors.New(m.String())
		}
		return nil
	})
}

// confined is a command that starts another as the unit does: as nobody's root,
// with the unit's capabilities alone.
func confined(t *testing.T) []string {
	t.Helper()
	var sets [2]string
	for n, setting := range []string{"AmbientCapabilities", "CapabilityBoundingSet"} {
		sets[n] = "-all"
		for _, name := range command(t, "namewall.service", setting) {
			sets[n] += ",+" + strings.ToLower(strings.TrimPrefix(name, "CAP_"))
		}
	}
	ambient, bounding := sets[0], sets[1]
	return []string{
		"setpriv", "--securebits", "+noroot,+noroot_locked", "--no-new-privs",
		"--bounding-set", bounding, "--inh-caps", ambient, "--ambient-caps", ambient, "--",
	}
}
