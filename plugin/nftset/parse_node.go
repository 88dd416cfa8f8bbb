package nftset

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
	})
	return n, err
}
