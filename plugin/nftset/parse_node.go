package nftset

import (
	"path/filepath"
	"strconv"

	"github.com/namewall/namewall/internal/control"
)

// controlOff is what the Corefile says for no control socket.
const controlOff = "off"

// node reads the block without a name.
func (p *parser) node() (Node, error) {
	n := Node{Place: p.head, Control: control.DefaultPath()}
	err := p.block(options{
		"allow": func(args []string) error { return p.policy("allow", &n.Lines.Allow, args) },
		"pass":  func(args []string) error { return p.policy("pass", &n.Lines.Pass, args) },
		"mode": func(args []string) (err error) {
			n.Feed, err = p.choice("mode", args, "enforce", "feed")
			return err
		},
		"control": func(args []string) (err error) {
			n.Control, err = p.control(args)
			return err
		},
		"drops": func(args []string) (err error) {
			n.Drops, err = p.group(args)
			return err
		},
		"log": func(args []string) (err error) {
			n.Log, err = p.path("log", "/var/log/namewall/grants.log", args)
			return err
		},
		"web": func(args []string) (err error) {
			n.Web, err = p.web(args)
			return err
		},
		"state": func(args []string) (err error) {
			n.State, err = p.path("state", "/var/lib/namewall", args)
			return err
		},
	})
	return n, err
}

// control reads where the control socket is, if it is.
func (p *parser) control(args []string) (string, error) {
	if len(args) == 1 && args[0] == controlOff {
		return "", p.once("control")
	}
	return p.path("control", "/run/namewall/control.sock", args)
}

// group reads the number of an NFLOG group.
func (p *parser) group(args []string) (*uint16, error) {
	word, err := p.single("drops", args)
	if err != nil {
		return nil, err
	}
	n, err := strconv.ParseUint(word, 10, 16)
	if err != nil {
		return nil, p.c.Errf("'%s' is no NFLOG group: use the number of the ruleset's 'log group', from 0 to 65535", word)
	}
	group := uint16(n)
	return &group, nil
}

// path reads an option whose value is an absolute path, such as example: a
// relative one would depend on where the process was started.
func (p *parser) path(option, example string, args []string) (string, error) {
	path, err := p.single(option, args)
	if err != nil {
		return "", err
	}
	if !filepath.IsAbs(path) {
		return "", p.c.Errf("'%s' is no absolute path: write it like %s", path, example)
	}
	return filepath.Clean(path), nil
}
