package nftset

import "path/filepath"

// node reads the block without a name.
func (p *parser) node() (Node, error) {
	n := Node{Place: p.head}
	err := p.block(options{
		"allow": func(args []string) error { return p.policy("allow", &n.Lines.Allow, args) },
		"pass":  func(args []string) error { return p.policy("pass", &n.Lines.Pass, args) },
		"mode": func(args []string) (err error) {
			n.Feed, err = p.choice("mode", args, "enforce", "feed")
			return err
		},
		"state": func(args []string) (err error) {
			n.State, err = p.directory("state", args)
			return err
		},
	})
	return n, err
}

// directory reads an option whose value is an absolute path: a relative one
// would depend on where the process was started.
func (p *parser) directory(option string, args []string) (string, error) {
	path, err := p.single(option, args)
	if err != nil {
		return "", err
	}
	if !filepath.IsAbs(path) {
		return "", p.c.Errf("'%s' is no absolute path: write it like /var/lib/namewall", path)
	}
	return filepath.Clean(path), nil
}
