package nftset

import (
	"fmt"

	"github.com/coredns/caddy"

	"github.com/namewall/namewall/internal/control"
	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

// Config is what one Corefile says about namewall, over all its server blocks.
//
// CoreDNS sets plugins up one server block at a time, so a Config grows by
// parse and is complete, and its rules usable, only after finish. From then on
// nothing in it changes.
type Config struct {
	// Rules are the distinct rules in the order of their first appearance.
	// Rules[i].Index is i.
	Rules []*rule.Rule

	// Blocks are the server blocks that have nftset directives.
	Blocks []*Block

	Node Node

	sources map[string]*source // by rule name
	lists   map[string]list    // the files of `names` lines, by path
}

// Node holds the settings of the block without a name.
type Node struct {
	Place Place // zero if the Corefile has no such block
	Lines rule.Lines

	// Feed is true if the block says `mode feed`: every rule is then a mere
	// feeder, whatever it says itself. `mode enforce` here says nothing that a
	// rule could not take back, as it is what rules do anyway.
	Feed bool

	// Control is the path of the control socket; "": none.
	Control string

	// Drops is the NFLOG group with what the firewall drops; nil: none.
	Drops *uint16

	// Log is the path of the grant log; "": none.
	Log string

	// Web is the address and port of the page to look at; "": none.
	Web string

	// State is the directory of the state file, an absolute path; "": none.
	State string
}

// Block is one server block.
type Block struct {
	Place Place        // of its first nftset directive
	Keys  []string     // what the block is headed with, as CoreDNS normalises it
	Rules []*rule.Rule // in the order of the text, each of them once
}

// Place is a line of the configuration, or a whole file if it has no number.
type Place struct {
	File string
	Line int
}

// String is the place as CoreDNS writes it in its own errors.
func (p Place) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// Errorf is an error of this place, in the form of caddy's Dispenser.Errf.
func (p Place) Errorf(format string, args ...any) error {
	return fmt.Errorf("%s - Error during parsing: %w", p, fmt.Errorf(format, args...))
}

// source is a rule with what is known of it beyond what it says.
type source struct {
	rule  *rule.Rule
	lines rule.Lines // its own allow and pass
	text  string     // canonical, to tell whether two blocks say the same

	place                               Place
	setPlaces, namePlaces, staticPlaces []Place // of rule.Sets, rule.Names and rule.Statics
}

// configKey is where an instance keeps its Config.
type configKey struct{}

// configOf returns the Config of the instance that c belongs to, the same one
// for all its server blocks.
func configOf(c *caddy.Controller) *Config {
	if cfg, ok := c.Get(configKey{}).(*Config); ok {
		return cfg
	}
	cfg := new(Config)
	c.Set(configKey{}, cfg)
	return cfg
}

// add takes the rule of a block into the configuration. A rule that is there
// already with the same content is returned instead of the new one.
func (cfg *Config) add(s *source) (*rule.Rule, error) {
	if first, ok := cfg.sources[s.rule.Name]; ok {
		if first.text != s.text {
			return nil, s.place.Errorf("rule %s differs from the rule of this name at %s: give one of them another name, or import the same text into both server blocks",
				s.rule.Name, first.place)
		}
		return first.rule, nil
	}
	if cfg.sources == nil {
		cfg.sources = make(map[string]*source)
	}
	cfg.sources[s.rule.Name] = s
	s.rule.Index = len(cfg.Rules)
	cfg.Rules = append(cfg.Rules, s.rule)
	return s.rule, nil
}

// Place tells where r stands; where it stands several times, the first one.
func (cfg *Config) Place(r *rule.Rule) Place { return cfg.sources[r.Name].place }

// Lines are the allow and pass lines of r itself.
func (cfg *Config) Lines(r *rule.Rule) rule.Lines { return cfg.sources[r.Name].lines }

// SetPlace tells where r.Sets[i] stands.
func (cfg *Config) SetPlace(r *rule.Rule, i int) Place { return cfg.sources[r.Name].setPlaces[i] }

// oneKindEach checks that a set that several rules feed is either for ranges or for
// addresses.
func (cfg *Config) oneKindEach() error {
	type use struct {
		interval bool
		place    Place
	}
	uses := make(map[set.ID]use)
	for _, r := range cfg.Rules {
		for i, s := range r.Sets {
			place := cfg.SetPlace(r, i)
			first, known := uses[s.ID]
			if known && first.interval != s.Interval {
				return place.Errorf("set '%s' is for ranges in one rule and for addresses in another (%s): a set with 'flags interval' needs 'interval' in each, and another none", s.ID, first.place)
			}
			if !known {
				uses[s.ID] = use{s.Interval, place}
			}
		}
	}
	return nil
}

// finish applies the node's settings, which may stand anywhere in the Corefile,
// to all rules. It is called once, after the last block has been parsed.
func (cfg *Config) finish() error {
	if cfg.Node.Place == (Place{}) {
		cfg.Node.Control = control.DefaultPath()
	}
	if err := cfg.oneKindEach(); err != nil {
		return err
	}
	for _, r := range cfg.Rules {
		s := cfg.sources[r.Name]
		policy, err := rule.NewPolicy(s.lines, cfg.Node.Lines)
		if err != nil {
			return s.place.Errorf("rule %s: %w", r.Name, err)
		}
		r.Policy = policy
		if cfg.Node.Feed {
			r.Mode = rule.Feed
		}
	}
	return nil
}
