package feeders

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

// AdGuardHome reads configuration files of AdGuard Home: the ipsets of `dns:`,
// or if that names an ipset_file those of the file. An error is of a file that
// can't be read.
//
// Of a name and those above it the closest that a line speaks of decides, and
// several lines for one name add up (ipset_linux.go, lookupHost).
func AdGuardHome(files ...string) (*Config, error) {
	c := &Config{Program: "AdGuard Home"}
	for _, file := range files {
		if err := c.adGuardHome(file); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *Config) adGuardHome(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var settings struct {
		DNS struct {
			IPSet     []yaml.Node `yaml:"ipset"`
			IPSetFile string      `yaml:"ipset_file"`
		} `yaml:"dns"`
	}
	if err := yaml.Unmarshal(text, &settings); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if path := settings.DNS.IPSetFile; path != "" {
		return c.ipsetFile(path)
	}
	for _, node := range settings.DNS.IPSet {
		c.ipsetLine(Place{file, node.Line}, node.Value)
	}
	return nil
}

func (c *Config) ipsetFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := newLines(f)
	for n := 1; lines.Scan(); n++ {
		if text := strings.TrimSpace(lines.Text()); text != "" && text[0] != '#' {
			c.ipsetLine(Place{path, n}, text)
		}
	}
	return lines.Err()
}

// ipsetLine reads DOMAIN[,DOMAIN...]/IPSET[,IPSET...].
func (c *Config) ipsetLine(at Place, text string) {
	a := &Assignment{Place: at, Text: text, IPSets: true}
	c.take(a, adGuardSets(a, text))
}

func adGuardSets(a *Assignment, text string) error {
	domains, sets, ok := strings.Cut(strings.TrimSpace(text), "/")
	if !ok || strings.Contains(sets, "/") {
		return errors.New("it is no DOMAIN[,DOMAIN...]/IPSET[,IPSET...], and AdGuard Home doesn't start with it: correct it")
	}
	return a.read(strings.Split(domains, ","), adGuardDomain, strings.Split(sets, ","), ipset)
}

// adGuardDomain reads a domain; none is every name.
func adGuardDomain(word string) (Domain, error) {
	d := Domain{Apex: true, Below: true}
	if word = strings.TrimSpace(word); word == "" {
		return d, nil
	}
	var err error
	d.Name, err = domain(word)
	return d, err
}
