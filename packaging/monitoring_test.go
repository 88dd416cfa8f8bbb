package packaging

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/namewall/namewall/integration/lab"
)

const (
	rulesFile = "prometheus/namewall.rules.yml"
	dashboard = "grafana/namewall.json"
)

// Each alert says what it should when it should, and none says anything of what is
// normal.
func TestAlerts(t *testing.T) {
	t.Parallel()
	for _, command := range [][]string{
		{"promtool", "check", "rules", rulesFile},
		{"promtool", "test", "rules", "prometheus/namewall.test.yml"},
	} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", command, err, out)
		}
	}
	tests := read(t, "prometheus/namewall.test.yml")
	for _, m := range regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(read(t, rulesFile), -1) {
		if !strings.Contains(tests, "- alertname: "+m[1]+"\n") {
			t.Errorf("%s is not tested", m[1])
		}
	}
}

// query is a question of the dashboard.
type query struct{ panel, expr string }

// queries are all questions of the dashboard, as Grafana would ask them.
func queries(t *testing.T) (all []query) {
	t.Helper()
	var board struct {
		Templating struct {
			List []struct{ Name, Type string }
		}
		Panels []struct {
			ID         int
			Type       string
			Title      string
			GridPos    struct{ X, Y, W, H int }
			Datasource *struct{ UID string }
			Targets    []struct {
				RefID      string
				Expr       string
				Datasource struct{ UID string }
			}
		}
	}
	if err := json.Unmarshal([]byte(read(t, dashboard)), &board); err != nil {
		t.Fatal(err)
	}
	if list := board.Templating.List; len(list) != 2 || list[0].Name != "datasource" || list[0].Type != "datasource" || list[1].Name != "instance" {
		t.Errorf("variables %+v", list)
	}
	ids := make(map[int]bool)
	for i, p := range board.Panels {
		if ids[p.ID] || p.Title == "" || p.GridPos.W < 1 || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %+v", p)
		}
		ids[p.ID] = true
		for _, other := range board.Panels[:i] {
			a, b := p.GridPos, other.GridPos
			if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				t.Errorf("panels %s and %s overlap", p.Title, other.Title)
			}
		}
		if p.Type != "row" && (p.Datasource == nil || p.Datasource.UID != "${datasource}" || len(p.Targets) == 0) {
			t.Errorf("panel %s has another source, or no question", p.Title)
		}
		for _, target := range p.Targets {
			if target.Datasource.UID != "${datasource}" || !strings.Contains(target.Expr, `instance=~"$instance"`) {
				t.Errorf("panel %s asks somebody else, or of all gateways: %s", p.Title, target.Expr)
			}
			all = append(all, query{p.Title, strings.NewReplacer("$__rate_interval", "10s", "$instance", ".*").Replace(target.Expr)})
		}
	}
	return all
}

// busyCorefile has a rule for everything that is measured.
func busyCorefile(names string) string {
	return ". {" + lab.Node + `
	nftset {
		` + lab.AllowWide + `
		state /var/lib/namewall
		log   /var/log/namewall/grants.log
		drops 7
	}
	nftset open {
		set   inet filter open4
		names ` + names + `
	}
	nftset tiny {
		set  inet filter tiny4
		name *.tiny.test
	}
	nftset vendor {
		set       inet filter vendor4
		resolve   fe.vendor.test
		lifetime  1s 1m 1s
		on_change /bin/true
	}
	forward . ` + lab.Scripted + `
}`
}

// Prometheus itself, beside a gateway to which everything happens: it takes the
// rules, every metric that an alert or the dashboard asks for is there, every
// question of the dashboard has an answer, and an alert comes when it should.
func TestMonitoring(t *testing.T) {
	t.Parallel()
	l := lab.New(t)
	l.Load(lab.Ruleset(`
	set open4   { type ipv4_addr; flags timeout; size 1024; }
	set tiny4   { type ipv4_addr; flags timeout; size 1; }
	set vendor4 { type ipv4_addr; flags timeout; size 1024; }`, "log group 7"))
	s := l.Script()
	s.Records("a.open.test. 60 IN A 198.51.100.1", "b.open.test. 60 IN A 10.1.2.3",
		"a.tiny.test. 60 IN A 198.51.100.2", "b.tiny.test. 60 IN A 198.51.100.3", "fe.vendor.test. 1 IN A 203.0.113.1")
	names := filepath.Join(t.TempDir(), "open.names")
	if err := os.WriteFile(names, []byte("*.open.test\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	n := l.Namewall(busyCorefile(names))
	p := startPrometheus(t, l)
	for _, name := range []string{"a.open.test.", "b.open.test.", "a.tiny.test.", "b.tiny.test."} {
		l.Ask(lab.Client4(0), "udp", name, dns.TypeA)
	}
	l.NFT("delete element inet filter open4 { 198.51.100.1 }")
	barred(t, l, "203.0.113.99", 443)
	s.Records("fe.vendor.test. 1 IN A 203.0.113.2")
	lab.Until(t, 3*limit, "everything has happened", func() error {
		for _, name := range []string{"refused_addresses_total", "kernel_errors_total", "foreign_changes_total", "healed_elements_total", "on_change_runs_total", "dropped_packets_total"} {
			if n.Metric("coredns_nftset_"+name) == 0 {
				return errors.New(name + " is 0")
			}
		}
		return nil
	})

	_, metrics := p.get(t, "http://127.0.0.1:9153/metrics")
	questions := queries(t)
	asked := read(t, rulesFile)
	for _, q := range questions {
		asked += "\n" + q.expr
	}
	told := regexp.MustCompile(`coredns_nftset_\w+`).FindAllString(asked, -1)
	slices.Sort(told)
	for _, metric := range slices.Compact(told) {
		if !regexp.MustCompile(`(?m)^` + metric + `[ {]`).MatchString(metrics) {
			t.Errorf("%s is asked for and not in /metrics", metric)
		}
	}
	for _, q := range questions {
		lab.Until(t, 3*limit, q.panel+" has an answer to "+q.expr, func() error {
			var out struct{ Result []any }
			p.ask(t, "query?query="+url.QueryEscape(q.expr), &out)
			if len(out.Result) == 0 {
				return errors.New("none")
			}
			return nil
		})
	}

	l.NFT("delete set inet filter open4")
	lab.Until(t, 3*limit, "the alert is on its way", func() error {
		var out struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError, State string }
			}
		}
		p.ask(t, "rules", &out)
		if len(out.Groups) != 1 {
			return fmt.Errorf("%+v", out)
		}
		state := ""
		for _, r := range out.Groups[0].Rules {
			if r.Health != "ok" {
				return fmt.Errorf("%+v", r)
			}
			if r.Name == "NamewallRuleNotReady" {
				state = r.State
			}
			if r.Name == "NamewallDown" && r.State != "inactive" {
				t.Errorf("%+v", r)
			}
		}
		if state != "pending" && state != "firing" {
			return fmt.Errorf("NamewallRuleNotReady is %s", state)
		}
		return nil
	})
}

// prometheus is Prometheus in a gateway.
type prometheus struct{ client http.Client }

// startPrometheus starts Prometheus with the rules of this directory, configured as
// they say.
func startPrometheus(t *testing.T, l *lab.Lab) *prometheus {
	t.Helper()
	dir := t.TempDir()
	lines := regexp.MustCompile(`(?m)^#     (.*)$`).FindAllStringSubmatch(read(t, rulesFile), -1)
	config := "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
	for _, line := range lines {
		config += strings.ReplaceAll(line[1], "192.0.2.1", "127.0.0.1") + "\n"
	}
	for name, text := range map[string]string{"prometheus.yml": config, "namewall.rules.yml": read(t, rulesFile)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	process := l.Gateway.Start(t, nil, "prometheus", "prometheus", "--config.file="+dir+"/prometheus.yml",
		"--storage.tsdb.path="+dir+"/data", "--web.listen-address=127.0.0.1:9090")
	p := &prometheus{http.Client{Timeout: limit, Transport: &http.Transport{DialContext: l.Gateway.DialContext}}}
	t.Cleanup(p.client.CloseIdleConnections)
	lab.Until(t, limit, "prometheus is there", func() error {
		if err := process.Running(); err != nil {
			t.Fatalf("%v\n%s", err, process.Output())
		}
		r, err := p.client.Get("http://127.0.0.1:9090/-/ready")
		if err != nil {
			return err
		}
		defer r.Body.Close()
		if r.StatusCode != http.StatusOK {
			return errors.New(r.Status)
		}
		return nil
	})
	return p
}

func (p *prometheus) get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	r, err := p.client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(text)
}

// ask asks the API and decodes its data.
func (p *prometheus) ask(t *testing.T, path string, v any) {
	t.Helper()
	status, body := p.get(t, "http://127.0.0.1:9090/api/v1/"+path)
	if status != http.StatusOK {
		t.Fatalf("%s: %d %s", path, status, body)
	}
	if err := json.Unmarshal([]byte(body), &struct{ Data any }{v}); err != nil {
		t.Fatalf("%s: %v in %s", path, err, body)
	}
}
