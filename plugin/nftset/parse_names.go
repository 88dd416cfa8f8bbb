package nftset

import (
	"errors"
	"io/fs"
	"path/filepath"

	"github.com/namewall/namewall/internal/rule"
	"github.com/namewall/namewall/internal/set"
)

// namesFile reads FILE [PROTO/PORT...], and the file. Its path is as in CoreDNS's
// own plugins: below the block's `root` if it is relative, or else below the
// directory in which the process was started.
func (p *ruleParser) namesFile(args []string) error {
	path := args[0]
	if !filepath.IsAbs(path) {
		path = filepath.Join(p.root, path)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return p.c.Errf("'%s': %v", args[0], err)
	}
	n := rule.Names{File: path}
	for _, word := range args[1:] {
		service, err := set.ParseService(word)
		if err != nil {
			return p.c.Errf("'names' takes one file, and what its names open: %v", err)
		}
		n.Services = append(n.Services, service)
	}
	l, err := p.cfg.list(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return placeOf(p.c).Errorf("%w: 'names' takes a file with a pattern a line, 'name' takes patterns", err)
	case err != nil:
		return placeOf(p.c).Errorf("names: %w", err)
	}
	n.Patterns = l.patterns
	p.add(n)
	return nil
}
