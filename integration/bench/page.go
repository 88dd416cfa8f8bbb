//go:build linux

package main

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"text/template"
	"time"

	"golang.org/x/sys/unix"
)

//go:embed page.tmpl
var pageText string

// page is what docs/benchmarks.md is made of.
type page struct {
	Quick    bool
	Rows     []row
	Peers    []peerRate
	Care     []care
	Machine  []fact
	Took     time.Duration
	Failures []string
}

// fact is something about the machine, or a version.
type fact struct{ Name, Value string }

func (p *page) add(rows ...row) { p.Rows = append(p.Rows, rows...) }

// missed are the rows whose floor was not reached.
func (p *page) missed() []row {
	var missed []row
	for _, r := range p.Rows {
		if !r.reaches(r.Floor) {
			missed = append(missed, r)
		}
	}
	return missed
}

// write writes the page to a file.
func (p *page) write(path string) error {
	text, err := template.New("page").Funcs(template.FuncMap{
		"yes": func(b bool) string {
			if b {
				return "yes"
			}
			return "**no**"
		},
		"thousands": func(e estimate) string { return fmt.Sprintf("%.1f", e.Median/1000) },
	}).Parse(pageText)
	if err != nil {
		return err
	}
	var b strings.Builder
	if err := text.Execute(&b, p); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(b.String()), 0o644)
}

// machine tells where the figures come from.
func machine() []fact {
	var name unix.Utsname
	_ = unix.Uname(&name) // it can't fail
	facts := []fact{
		{"date", time.Now().UTC().Format("2006-01-02 15:04 MST")},
		{"namewall", first(run("git", "describe", "--tags", "--always", "--dirty"))},
		{"processors", fmt.Sprintf("%d × %s", runtime.NumCPU(), processor())},
		{"kernel", unix.ByteSliceToString(name.Release[:])},
		{"Go", runtime.Version()},
	}
	for _, pkg := range []string{"dnsmasq-base", "dnsperf"} {
		facts = append(facts, fact{strings.TrimSuffix(pkg, "-base"), first(run("dpkg-query", "-W", "-f", "${Version}", pkg))})
	}
	return append(facts, fact{"SmartDNS", strings.TrimPrefix(first(run(smartdnsCommand, "-v")), "smartdns ")})
}

func run(command ...string) string {
	out, err := exec.Command(command[0], command[1:]...).Output()
	if err != nil {
		return "unknown"
	}
	return string(out)
}

func first(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}

// processor is the model in /proc/cpuinfo.
func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}
