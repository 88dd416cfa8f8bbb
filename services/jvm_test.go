package services

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/namewall/namewall/integration/lab"
)

// jvm is testdata/Agent.java, running under a security manager.
type jvm struct {
	*lab.Process
	t     *testing.T
	input io.Writer
}

// startJVM starts the agent among the clients, with the gateway as its resolver and
// a policy as its only one. An agent that connects to nowhere else needs nothing of
// the machine but its own class.
func startJVM(t *testing.T, l *lab.Lab, policy string) *jvm {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("ecj", "-17", "-proc:none", "-d", dir, "testdata/Agent.java").CombinedOutput(); err != nil {
		t.Fatalf("ecj: %v\n%s", err, out)
	}
	file := filepath.Join(dir, "agent.policy")
	if err := os.WriteFile(file, []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	input, output, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer input.Close() // the JVM has its own
	resolving := l.Resolving(lab.Gateway4)
	p := l.Client.Start(t, func(c *exec.Cmd) {
		c.Stdin = input
		resolving(c)
	}, "java", "java", "-XX:TieredStopAtLevel=1", "-Djava.security.manager", "-Djava.security.policy=="+file, "-cp", dir, "Agent")
	t.Cleanup(func() {
		output.Close() // it ends by itself
		lab.Until(t, limit, "the JVM ends", func() error {
			if p.Running() == nil {
				return errors.New("it still runs")
			}
			return nil
		})
	})
	return &jvm{p, t, output}
}

// connect has the agent connect, and returns the address that it has reached, or
// the name of its exception.
func (j *jvm) connect(to string) string {
	j.t.Helper()
	prefix := to + ": "
	before := strings.Count(j.Output(), prefix)
	if _, err := io.WriteString(j.input, to+"\n"); err != nil {
		j.t.Fatal(err)
	}
	var result string
	lab.Until(j.t, limit, "the agent connects to "+to, func() error {
		if err := j.Running(); err != nil {
			j.t.Fatalf("%v\n%s", err, j.Output())
		}
		out := j.Output()
		if strings.Count(out, prefix) == before {
			return errors.New("no result")
		}
		line, _, whole := strings.Cut(out[strings.LastIndex(out, prefix)+len(prefix):], "\n")
		if !whole {
			return errors.New("half a result")
		}
		result = line
		return nil
	})
	return result
}

// An agent under the policy that `export` makes reaches the endpoints and nothing
// else, by the JVM's own doing. It remembers addresses for ever: after their first
// life it reconnects without a question, and gets through, because the rule keeps
// its names resolved. To a name that the gateway has only been asked for it doesn't.
func TestJVM(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	l.Load(ruleset(t, "fusionreactor"))
	l.Load(`table inet filter {
	set forgotten4 { type ipv4_addr . inet_proto . inet_service; flags timeout; }
}
insert rule inet filter forward ip daddr . meta l4proto . th dport @forgotten4 accept
`)
	for _, port := range []int{80, 443, 2804} {
		l.AcceptTCP(port)
	}
	// The shortest TTL in which names are asked for again.
	l.Script().Records(
		"cc.fusionreactor.io. 5 IN A 198.51.100.1",
		"api.fusionreactor.io. 5 IN A 198.51.100.3",
		"www.fusionreactor.io. 5 IN A 198.51.100.5",
		"forgotten.test. 5 IN A 198.51.100.6",
	)
	const shortLife = "    lifetime 5s 24h 1s\n"
	text := corefile(t, lab.Scripted, fill(t, "fusionreactor.corefile", "    resolve cc", shortLife+"    resolve cc"))
	text = strings.Replace(text, "\tcache\n", "\tnftset forgotten {\n\t\tset inet filter forgotten4\n\t\tname forgotten.test tcp/80\n"+shortLife+"\t}\n\tcache\n", 1)
	n := start(t, l, text)
	policy, err := l.Command(text, "export", "--all", "--format", "java-policy")
	if err != nil {
		t.Fatal(err)
	}
	j := startJVM(t, l, policy)

	for to, want := range map[string]string{
		"cc.fusionreactor.io 2804": "198.51.100.1",
		"api.fusionreactor.io 443": "198.51.100.3",
		"forgotten.test 80":        "198.51.100.6",
		"cc.fusionreactor.io 443":  "AccessControlException",
		"www.fusionreactor.io 443": "AccessControlException",
		"198.51.100.5 443":         "AccessControlException",
	} {
		if got := j.connect(to); got != want {
			t.Errorf("%s: %s, want %s", to, got, want)
		}
	}

	// A JVM that judges an address asks for its name, too, by PTR.
	questions := func() float64 {
		return n.Metric("coredns_dns_requests_total", `type="A"`) + n.Metric("coredns_dns_requests_total", `type="AAAA"`)
	}
	asked := questions()
	lab.Until(t, limit, "the first lives are over", func() error {
		if keys := l.Keys("forgotten4"); len(keys) > 0 {
			return errors.New(strings.Join(keys, ", "))
		}
		return nil
	})
	for to, want := range map[string]string{
		"cc.fusionreactor.io 2804": "198.51.100.1",
		"api.fusionreactor.io 443": "198.51.100.3",
		"forgotten.test 80":        "SocketTimeoutException",
	} {
		if got := j.connect(to); got != want {
			t.Errorf("after the first life: %s: %s, want %s", to, got, want)
		}
	}
	if again := questions(); again != asked {
		t.Errorf("the JVM has asked %v times more", again-asked)
	}
}
