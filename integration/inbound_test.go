//go:build linux

package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/integration/lab"
)

// The vendor's DNS: two front-ends that connect in, the environment's name, which
// leads to the load balancer, and another tenant.
const (
	fe1Name   = "fe1.outsystemsenterprise.com."
	fe2Name   = "fe2.outsystemsenterprise.com."
	fe1       = "203.0.113.1"
	fe1second = "203.0.113.11"
	fe1six    = "2001:db8:100::f1"
	fe2       = "203.0.113.2"
	balancer  = "203.0.113.80"
	tenant    = "203.0.113.66"
)

// The TTL is the shortest that names are asked for in, and a life lasts a few
// seconds longer, so that a test can wait for its end.
func inboundRecords() []string {
	return []string{
		fe1Name + " 5 IN A " + fe1,
		fe1Name + " 5 IN AAAA " + fe1six,
		fe2Name + " 5 IN A " + fe2,
		"acme.outsystemsenterprise.com. 5 IN A " + balancer,
		"other.outsystemsenterprise.com. 5 IN A " + tenant,
	}
}

const (
	inboundTTL = 5 * time.Second
	// inboundLife is how long the kernel holds an element after its answer.
	inboundLife = inboundTTL + 2*time.Second + time.Second + 5*time.Second
	// late is what a busy machine may need beyond that.
	late = 20 * time.Second
)

const inboundPort = 443

// inboundLab is a gateway that lets in who is in a set, and a server inside.
func inboundLab(t *testing.T) (*lab.Lab, *lab.Unbound) {
	t.Helper()
	l := lab.New(t)
	l.Load(lab.Ruleset(`
	set outsystems4 { type ipv4_addr; flags timeout; size 65535; }
	set outsystems6 { type ipv6_addr; flags timeout; size 65535; }
	set out4 { type ipv4_addr; flags timeout; size 65535; }`, `
		iifname "wan" ip saddr @outsystems4 tcp dport 443 accept
		iifname "wan" ip6 saddr @outsystems6 tcp dport 443 accept
		iifname "clients" ip daddr @out4 accept`))
	l.AcceptInside(inboundPort)
	return l, l.Unbound(inboundRecords()...)
}

// inboundCorefile has a rule with these lines, and one for clients beside it.
func inboundCorefile(state string, lines ...string) string {
	return ". {" + lab.Node + `
	nftset {
		state ` + state + `
		` + lab.AllowWide + `
	}
	nftset outsystems-in {
		set      inet filter outsystems4 ipv4_addr
		set      inet filter outsystems6 ipv6_addr
		lifetime 1s 1h 1s
		` + strings.Join(lines, "\n\t\t") + `
	}
	nftset outsystems-out {
		set  inet filter out4 ipv4_addr
		name *.outsystemsenterprise.com
	}
	cache
	forward . ` + lab.Real + ` {
		max_fails 0
	}
}`
}

// getsIn fails unless the address can connect, at once.
func getsIn(t *testing.T, l *lab.Lab, addr string) {
	t.Helper()
	if err := l.ComeIn(addr, inboundPort); err != nil {
		t.Errorf("%s doesn't get in: %v", addr, err)
	}
}

// staysOut fails if it can.
func staysOut(t *testing.T, l *lab.Lab, addr string) {
	t.Helper()
	if err := l.ComeIn(addr, inboundPort); err == nil {
		t.Errorf("%s gets in", addr)
	}
}

// notice is what a command of on_change reads.
type notice struct {
	Rule, Name                string
	Added, Removed, Addresses []string
}

// notices are those that a command has appended to a file.
func notices(t *testing.T, file string) []notice {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var all []notice
	for line := range strings.Lines(string(text)) {
		var n notice
		if err := json.Unmarshal([]byte(line), &n); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		all = append(all, n)
	}
	return all
}

// Front-ends connect in without anybody's having asked for them. They follow the
// vendor's DNS: one that is added gets in, one that is removed stays out after its
// life, and none is lost while DNS is down, nor over a restart or a reload.
func TestFrontEndsConnectIn(t *testing.T) {
	t.Parallel()
	l, vendor := inboundLab(t)
	dir := t.TempDir()
	state, told := filepath.Join(dir, "state"), filepath.Join(dir, "told")
	lines := []string{
		"resolve fe1.outsystemsenterprise.com fe2.outsystemsenterprise.com",
		`on_change /bin/sh -c "cat >> ` + told + `"`,
	}
	corefile := inboundCorefile(state, lines...)
	n := l.Namewall(corefile)
	lab.Until(t, healLimit, "the gateway is ready", func() error {
		if ok, who := n.Ready(); !ok {
			return errors.New(who)
		}
		return nil
	})
	getsIn(t, l, fe1)
	getsIn(t, l, fe1six)
	getsIn(t, l, fe2)

	// An inside client opens what it asks for, and nothing inbound.
	answers(t, l, "other.outsystemsenterprise.com.", dns.TypeA, tenant)
	answers(t, l, "acme.outsystemsenterprise.com.", dns.TypeA, balancer)
	holds(t, l, "out4", tenant, balancer)
	staysOut(t, l, tenant)
	staysOut(t, l, balancer)

	vendor.Records(fe1Name, fe1Name+" 5 IN A "+fe1, fe1Name+" 5 IN A "+fe1second, fe1Name+" 5 IN AAAA "+fe1six)
	vendor.Records(fe2Name)
	lab.Until(t, inboundTTL+late, "the front-end that was added gets in", func() error { return l.ComeIn(fe1second, inboundPort) })
	lab.Until(t, inboundTTL+inboundLife+late, "the front-end that was removed stays out", func() error {
		if err := l.ComeIn(fe2, inboundPort); err == nil {
			return errors.New("it gets in")
		}
		return nil
	})
	lab.Until(t, late, "the command has heard of it", func() error {
		all := notices(t, told)
		if len(all) != 2 {
			return fmt.Errorf("%d notices", len(all))
		}
		for _, n := range all {
			added := n.Name == "fe1.outsystemsenterprise.com" && slices.Equal(n.Added, []string{fe1second}) && len(n.Removed) == 0 &&
				slices.Equal(n.Addresses, []string{fe1, fe1second, fe1six})
			removed := n.Name == "fe2.outsystemsenterprise.com" && slices.Equal(n.Removed, []string{fe2}) && len(n.Added)+len(n.Addresses) == 0
			if n.Rule != "outsystems-in" || !added && !removed {
				t.Fatalf("told %+v", n)
			}
		}
		return nil
	})
	if n := n.Metric("coredns_nftset_on_change_runs_total", `exit="0"`); n < 1 {
		t.Errorf("%v commands counted", n)
	}

	// DNS is down for longer than any life, and nobody notices.
	vendor.Kill()
	down := time.Now()
	for time.Since(down) < inboundLife+5*time.Second {
		getsIn(t, l, fe1)
		getsIn(t, l, fe1second)
		getsIn(t, l, fe1six)
		<-time.After(500 * time.Millisecond)
	}
	if got := n.Metric("coredns_nftset_resolve_names", `state="kept"`); got != 1 {
		t.Errorf("%v names are kept", got)
	}
	if out := n.Output(); strings.Count(out, "fe1.outsystemsenterprise.com can't be resolved") != 1 {
		t.Error("the failure isn't logged once")
	}

	// A reload with DNS down keeps them, and so does a restart, with empty sets.
	if err := n.Reload(inboundCorefile(state, append(lines, "stale 3d")...)); err != nil {
		t.Fatal(err)
	}
	getsIn(t, l, fe1)
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	l.NFT("flush set inet filter outsystems4")
	n = l.Namewall(corefile)
	down = time.Now()
	for time.Since(down) < inboundLife+time.Second {
		getsIn(t, l, fe1)
		getsIn(t, l, fe1second)
		<-time.After(500 * time.Millisecond)
	}
	staysOut(t, l, fe2)

	// DNS is back, and says what it said before.
	l.Unbound(fe1Name+" 5 IN A "+fe1, fe1Name+" 5 IN A "+fe1second, fe1Name+" 5 IN AAAA "+fe1six)
	lab.Until(t, time.Minute+late, "the name resolves again", func() error {
		if n.Metric("coredns_nftset_resolve_names", `state="resolved"`) != 1 {
			return errors.New("not yet")
		}
		return nil
	})
	if all := notices(t, told); len(all) != 2 {
		t.Errorf("a change without one: %+v", all)
	}

	// The rule leaves the configuration, and the door is closed.
	if err := n.Reload(strings.Replace(corefile, fe1Name[:3]+".outsystems", "gone.outsystems", 1)); err != nil {
		t.Fatal(err)
	}
	lab.Until(t, healLimit, "what is no longer resolved is revoked", func() error { return sameKeys(l, "outsystems4") })
	staysOut(t, l, fe1)
}

// A thousand names are in the set when the gateway says that it is ready, and
// stay there.
func TestThousandFrontEnds(t *testing.T) {
	t.Parallel()
	const names = 1000
	l := lab.New(t)
	l.Load(lab.Ruleset(openSets, openRules))
	var records []string
	var rule strings.Builder
	for i := range names {
		records = append(records, fmt.Sprintf("fe%d.vendor.test. 5 IN A 198.19.%d.%d", i, i/250, i%250+1))
		fmt.Fprintf(&rule, "\t\tresolve fe%d.vendor.test\n", i)
	}
	l.Unbound(records...)
	n := l.Namewall(`
. {` + lab.Node + `
	nftset {
		` + lab.AllowWide + `
	}
	nftset vendor {
		set inet filter open4 ipv4_addr
` + rule.String() + `
	}
	cache
	forward . ` + lab.Real + `
}`)
	begin := time.Now()
	lab.Until(t, healLimit, "the gateway is ready", func() error {
		if ok, who := n.Ready(); !ok {
			return errors.New(who)
		}
		return nil
	})
	took := time.Since(begin)
	if got := len(l.Keys("open4")); got != names {
		t.Errorf("%d elements, want %d", got, names)
	}
	lab.Until(t, healLimit, "all are asked for again", func() error {
		if asked := n.Metric("coredns_nftset_resolve_questions_total", `outcome="addresses"`); asked < 2*names {
			return fmt.Errorf("%v questions", asked)
		}
		return nil
	})
	if got := n.Metric("coredns_nftset_resolve_names", `state="resolved"`); got != names {
		t.Errorf("%v names resolved", got)
	}
	t.Logf("ready after %v, %v goroutines", took, n.Metric("go_goroutines"))
	if got := n.Metric("go_goroutines"); got > 200 {
		t.Errorf("%v goroutines", got)
	}
}

// Names are resolved as the plugins below resolve them, once these have started:
// by a file of hosts, under another name, from the upstream.
func TestResolveThroughTheChain(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	l.Load(lab.Ruleset(openSets, openRules))
	l.Script().Records("real.vendor.test. 60 IN A 198.51.100.2")
	hosts := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(hosts, []byte("198.51.100.1 own.vendor.test\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	n := l.Namewall(`
. {` + lab.Node + `
	nftset {
		` + lab.AllowWide + `
	}
	nftset vendor {
		set inet filter open4 ipv4_addr
		resolve own.vendor.test alias.vendor.test
	}
	rewrite name exact alias.vendor.test real.vendor.test
	cache
	hosts ` + hosts + ` {
		fallthrough
	}
	forward . ` + lab.Scripted + `
}`)
	lab.Until(t, healLimit, "the gateway is ready", func() error {
		if ok, who := n.Ready(); !ok {
			return errors.New(who)
		}
		return nil
	})
	holds(t, l, "open4", "198.51.100.1", "198.51.100.2")
	if strings.Contains(n.Output(), "vendor.test ") {
		t.Error("a name was not resolved at once")
	}
}
