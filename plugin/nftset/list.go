package nftset

import (
	"fmt"

	"github.com/namewall/namewall/internal/file"
	"github.com/namewall/namewall/internal/rule"
)

// list is what a file of patterns said when it was read.
type list struct {
	patterns []rule.Pattern
	version  file.Version
}

// readList reads a file of patterns. The error is a *ListError if it is about the
// content, and names the file in any case.
func readList(path string) (list, error) {
	text, version, err := file.Read(path, rule.MaxListBytes)
	if err != nil {
		return list{}, err
	}
	patterns, bad := rule.ParseList(text)
	if len(bad) > 0 {
		return list{}, &ListError{Path: path, Bad: bad}
	}
	return list{patterns, version}, nil
}

// ListError tells that a file of patterns is bad.
type ListError struct {
	Path string
	Bad  []rule.BadLine // the first ones, at least one
}

// Error is about the first bad line.
func (e *ListError) Error() string {
	text := e.line(e.Bad[0])
	if more := len(e.Bad) - 1; more > 0 {
		text += fmt.Sprintf(" (and %d more bad lines)", more)
	}
	return text
}

// Lines tells of each bad line.
func (e *ListError) Lines() []string {
	var all []string
	for _, b := range e.Bad {
		all = append(all, e.line(b))
	}
	return all
}

func (e *ListError) line(b rule.BadLine) string {
	return fmt.Sprintf("%s:%d: %v", e.Path, b.Number, b.Err)
}

// list is what the file at path says. It is read once for all rules and server
// blocks.
func (cfg *Config) list(path string) (list, error) {
	if l, ok := cfg.lists[path]; ok {
		return l, nil
	}
	l, err := readList(path)
	if err == nil {
		if cfg.lists == nil {
			cfg.lists = make(map[string]list)
		}
		cfg.lists[path] = l
	}
	return l, err
}
