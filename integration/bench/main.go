//go:build linux

// Command bench measures what namewall costs and how it compares with its peers,
// in one run, and writes docs/benchmarks.md.
//
// It measures in network namespaces of its own, with the real kernel, real
// servers and dnsperf, and needs root or a user namespace. A line that can't be
// measured is reported, on the page and by the exit status, and the others go on.
package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"time"

	"github.com/namewall/namewall/integration/lab"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == "upstream" {
		fmt.Fprintln(os.Stderr, upstream(os.Args[2]))
		os.Exit(1)
	}
	short := flag.Bool("quick", false, "measure for two minutes")
	path := flag.String("o", "docs/benchmarks.md", "the page to write; empty: none")
	only := flag.String("only", "", "measure only the sections that match this expression")
	flag.StringVar(&smartdnsCommand, "smartdns", "smartdns", "SmartDNS's binary")
	flag.Parse()
	sections, err := regexp.Compile(*only)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	p := full
	if *short {
		p = quick
	}
	os.Exit(lab.Main(func() int { return measure(p, *short, sections, *path) }))
}

// section is something that is measured, and fails, as a whole.
type section struct {
	name    string
	measure func(lab.T, plan, *page)
}

func sectionsOf(p plan) []section {
	var all []section
	for _, of := range []load{hot, cold} {
		for _, ttl := range p.ttls {
			all = append(all, section{fmt.Sprintf("%s, TTL %d", of.name, ttl), compare(of, ttl)})
		}
	}
	return append(all,
		section{"ServeDNS", serving},
		section{"match", matching},
		section{"added time", delay},
		section{"watched", watched},
		section{"steady state", steady},
		section{"a large gateway", large},
		section{"bindings", scaling},
		section{"what is left undone", undone},
	)
}

// measure measures the sections, writes the page, and returns the exit status.
func measure(p plan, short bool, sections *regexp.Regexp, path string) int {
	start := time.Now()
	out := &page{Quick: short, Machine: machine()}
	if err := lab.RunAlone("", func(a *lab.Alone) { lab.Build(a) }); err != nil {
		return 1
	}
	for _, s := range sectionsOf(p) {
		if !sections.MatchString(s.name) {
			continue
		}
		began := time.Now()
		fmt.Printf("== %s\n", s.name)
		if err := lab.RunAlone("   ", func(a *lab.Alone) { s.measure(a, p, out) }); err != nil {
			out.Failures = append(out.Failures, fmt.Sprintf("%s: %v", s.name, err))
		}
		fmt.Printf("   in %v\n", time.Since(began).Round(100*time.Millisecond))
	}
	out.Took = time.Since(start).Round(time.Second)
	for _, r := range out.Rows {
		fmt.Printf("%-80s %12s  %-24s %s\n", r.What, r.Figure(), r.Interval(), r.Verdict())
	}
	for _, failure := range out.Failures {
		fmt.Println("NOT MEASURED:", failure)
	}
	fmt.Printf("%d figures, %d below their floors, %d sections not measured, in %v\n", len(out.Rows), len(out.missed()), len(out.Failures), out.Took)
	if path != "" {
		if err := out.write(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	if len(out.Failures) > 0 {
		return 1
	}
	return 0
}
