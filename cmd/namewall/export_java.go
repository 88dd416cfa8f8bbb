package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

// javaPolicy is a grant for a JVM's security manager, of the form that vendors
// document (java.net.SocketPermission): the exact names and the addresses that are
// written out, with their ports.
// Protocols have no place in it.
func (e *exporter) javaPolicy(*holdings) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "// %s\ngrant {\n", e.title())
	for _, r := range e.rules {
		var hosts []string
		for _, n := range exactNames(e.rules) {
			if n.rule == r {
				hosts = append(hosts, socketHosts(strings.TrimSuffix(n.name, "."), n.services)...)
			}
		}
		for _, line := range r.Statics {
			for _, p := range line.Prefixes {
				if !p.IsSingleIP() {
					continue // of which a JVM knows nothing
				}
				hosts = append(hosts, socketHosts(socketAddress(p.Addr()), line.Services)...)
			}
		}
		if len(hosts) == 0 {
			return "", fmt.Errorf("rule %s has no exact name: a JVM takes only such, write the names out", r.Name)
		}
		fmt.Fprintf(&b, "    // rule %s\n", r.Name)
		for _, host := range slices.Compact(hosts) {
			fmt.Fprintf(&b, "    permission java.net.SocketPermission %q, \"connect, accept, resolve\";\n", host)
		}
		if wild := append(wildcards(r.Names), networks(r.Statics)...); len(wild) > 0 {
			fmt.Fprintf(&b, "    // left out: %s\n", list(wild))
		}
	}
	b.WriteString("};\n")
	return b.String(), nil
}

// socketAddress is an address as a permission has it.
func socketAddress(a netip.Addr) string {
	if a.Is6() {
		return "[" + a.String() + "]"
	}
	return a.String()
}

// socketHosts are the targets of permissions for a name: all of its ports, or the
// name alone, which is every port.
func socketHosts(name string, services []set.Service) []string {
	if len(services) == 0 {
		return []string{name}
	}
	var ports []int
	for _, s := range services {
		ports = append(ports, int(s.Port))
	}
	slices.Sort(ports)
	var hosts []string
	for _, port := range slices.Compact(ports) {
		hosts = append(hosts, name+":"+strconv.Itoa(port))
	}
	return hosts
}

// networks are the prefixes that are no single addresses.
func networks(lines []rule.Static) []string {
	var all []string
	for _, line := range lines {
		for _, p := range line.Prefixes {
			if !p.IsSingleIP() {
				all = append(all, p.String())
			}
		}
	}
	return all
}

// wildcards are the patterns that are no exact names.
func wildcards(lines []rule.Names) []string {
	var all []string
	for _, line := range lines {
		for _, p := range line.Patterns {
			if _, exact := p.Exact(); !exact {
				all = append(all, p.String())
			}
		}
	}
	return all
}
