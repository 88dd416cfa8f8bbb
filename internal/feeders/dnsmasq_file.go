package feeders

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// dnsmasqReader goes through dnsmasq's files as dnsmasq does.
type dnsmasqReader struct {
	config *Config
	read   []os.FileInfo // each file is read once (option.c, one_file)
}

func (r *dnsmasqReader) file(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if slices.ContainsFunc(r.read, func(other os.FileInfo) bool { return os.SameFile(info, other) }) {
		return nil
	}
	r.read = append(r.read, info)

	at := Place{File: path}
	lines := newLines(f)
	for lines.Scan() {
		at.Line++
		text, err := dnsmasqLine(lines.Text())
		if err != nil {
			r.config.problem(at, lines.Text(), "%v", err)
			continue
		}
		name, value, _ := strings.Cut(text, "=")
		if name = strings.TrimRight(name, " "); name == "" {
			continue
		}
		if err := r.option(at, strings.TrimSpace(lines.Text()), name, strings.TrimLeft(value, " ")); err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// newLines goes through a text line by line. A line may list thousands of names.
func newLines(f *os.File) *bufio.Scanner {
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	return lines
}

// dnsmasqLine is a line without its comment and the blanks around it, and with
// what stands in quotes as it is meant (option.c, read_file). Where dnsmasq lets
// quoted separators be no separators, names and sets have none.
func dnsmasqLine(line string) (string, error) {
	var b strings.Builder
	white, quoted := true, false
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case c == '"':
			quoted = !quoted
			white = false
			continue
		case quoted && c == '\\' && i+1 < len(line) && strings.IndexByte(`"tnebr\`, line[i+1]) >= 0:
			i++
			c = line[i]
			if at := strings.IndexByte("tnebr", c); at >= 0 {
				c = "\t\n\x1b\b\r"[at]
			}
		case quoted:
		case c == ' ', c == '\t', c == '\r', c == '\v', c == '\f':
			c = ' '
			white = true
			b.WriteByte(c)
			continue
		case c == '#' && white:
			return strings.Trim(b.String(), " "), nil
		}
		white = false
		b.WriteByte(c)
	}
	if quoted {
		return "", fmt.Errorf("a quote isn't closed: add the missing \"")
	}
	return strings.Trim(b.String(), " "), nil
}

// directory reads the files of conf-dir=DIRECTORY[,EXTENSION...], in the order of
// their names: EXTENSION is one to leave out, *EXTENSION one to read (option.c,
// case '7').
func (r *dnsmasqReader) directory(value string) error {
	words := strings.Split(value, ",")
	var wanted, unwanted []string
	for _, word := range words[1:] {
		word = strings.TrimSpace(word)
		if suffix, ok := strings.CutPrefix(word, "*"); !ok {
			unwanted = append(unwanted, word)
		} else if suffix != "" {
			wanted = append(wanted, suffix)
		}
	}
	dir := strings.TrimSpace(words[0])
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	for _, entry := range entries {
		name := entry.Name()
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err != nil {
			return err
		} else if !info.Mode().IsRegular() || leftOver(name) ||
			len(wanted) > 0 && !hasSuffix(name, wanted) || hasSuffix(name, unwanted) {
			continue
		}
		if err := r.file(path); err != nil {
			return err
		}
	}
	return nil
}

// leftOver tells whether an editor has left a file of this name behind.
func leftOver(name string) bool {
	return strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~") ||
		strings.HasPrefix(name, "#") && strings.HasSuffix(name, "#")
}

func hasSuffix(name string, suffixes []string) bool {
	return slices.ContainsFunc(suffixes, func(s string) bool {
		return s != "" && len(name) > len(s) && strings.HasSuffix(name, s)
	})
}
