package nftset

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/coredns/caddy"
)

// directive is the plugin's name in the Corefile and in plugin.cfg.
const directive = "nftset"

// parse reads all nftset directives of one server block into cfg. Files whose
// paths are relative are below root, the block's `root`. Every error names the
// file and line that it is about, and what to write instead.
func parse(c *caddy.Controller, cfg *Config, root string) (*Block, error) {
	block := &Block{Keys: slices.Clone(c.ServerBlockKeys)}
	for c.Next() {
		p := &parser{c: c, cfg: cfg, root: root, head: placeOf(c), seen: make(map[string]bool), policies: make(map[netip.Prefix]string)}
		if block.Place == (Place{}) {
			block.Place = p.head
		}
		if err := p.directive(block); err != nil {
			return nil, err
		}
	}
	cfg.Blocks = append(cfg.Blocks, block)
	return block, nil
}

// placeOf is the place of the current token.
func placeOf(c *caddy.Controller) Place { return Place{File: c.File(), Line: c.Line()} }

// parser reads one nftset directive.
type parser struct {
	c        *caddy.Controller
	cfg      *Config
	root     string
	head     Place
	seen     map[string]bool         // options that may stand only once
	policies map[netip.Prefix]string // allow or pass
}

// options are the lines that a block may have, by their first word.
type options map[string]func(args []string) error

func (p *parser) directive(block *Block) error {
	cfg := p.cfg
	args := p.c.RemainingArgs()
	switch len(args) {
	case 0:
		node, err := p.node()
		if err != nil {
			return err
		}
		if cfg.Node.Place != (Place{}) {
			return p.head.Errorf("the settings of the node already stand at %s: nftset without a name may stand only once in a Corefile", cfg.Node.Place)
		}
		cfg.Node = node
		return nil
	case 1:
		s, err := p.rule(args[0])
		if err != nil {
			return err
		}
		r, err := cfg.add(s)
		if err != nil {
			return err
		}
		if !slices.Contains(block.Rules, r) {
			block.Rules = append(block.Rules, r)
		}
		return nil
	default:
		return p.c.Errf("unexpected '%s': nftset takes one name, and what the rule says stands between '{' and '}'", args[1])
	}
}

// block reads the lines between the braces.
func (p *parser) block(known options) error {
	for p.c.NextBlock() {
		option := p.c.Val()
		read, ok := known[option]
		if !ok {
			return p.c.Errf("unknown option '%s': known are %s", option, strings.Join(known.names(), ", "))
		}
		args := p.c.RemainingArgs()
		if p.c.NextArg() { // RemainingArgs stops at a brace
			return p.c.Errf("unexpected '{' after '%s': an option is one line", option)
		}
		if len(args) == 0 {
			return p.c.Errf("'%s' needs a value", option)
		}
		if err := read(args); err != nil {
			return err
		}
	}
	if p.c.Val() != "}" {
		return p.head.Errorf("this nftset has no block: open it with '{' on the same line and close it with '}' on a line of its own")
	}
	if p.c.NextArg() {
		return p.c.Errf("unexpected '%s' after '}'", p.c.Val())
	}
	return nil
}

func (o options) names() []string {
	names := make([]string, 0, len(o))
	for name := range o {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// once fails if the option has been read before in this block.
func (p *parser) once(option string) error {
	if p.seen[option] {
		return p.c.Errf("'%s' may stand only once in a block", option)
	}
	p.seen[option] = true
	return nil
}

// single reads an option that stands only once and has a single value.
func (p *parser) single(option string, args []string) (string, error) {
	if err := p.once(option); err != nil {
		return "", err
	}
	if len(args) > 1 {
		return "", p.c.Errf("unexpected '%s': '%s' takes one value", args[1], option)
	}
	return args[0], nil
}

// choice reads an option whose single value is one of two words. It reports
// whether it is the second.
func (p *parser) choice(option string, args []string, first, second string) (bool, error) {
	word, err := p.single(option, args)
	if err != nil {
		return false, err
	}
	if word != first && word != second {
		return false, p.c.Errf("'%s' is neither '%s' nor '%s'", word, first, second)
	}
	return word == second, nil
}
