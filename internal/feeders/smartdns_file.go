package feeders

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// smartReader goes through SmartDNS's files as SmartDNS does.
type smartReader struct {
	config *Config
	read   []string            // each file is read once (conf_file.c)
	lists  map[string][]string // domain-sets, as they are written
	group  string              // in which the lines stand
}

func (r *smartReader) file(path string) error {
	if slices.Contains(r.read, path) {
		return nil
	}
	r.read = append(r.read, path)
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()

	lines := newLines(f)
	at, text := Place{File: path}, ""
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if text == "" {
			at.Line = n
		}
		// A set begins with # too, and may stand on a line that goes on.
		if text == "" && strings.HasPrefix(line, "#") || strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		if part, more := strings.CutSuffix(line, `\`); more {
			text += part
			continue
		}
		text += line
		if words := smartWords(text); len(words) > 0 {
			if err := r.line(at, text, words); err != nil {
				return fmt.Errorf("%s: %w", at, err)
			}
		}
		text = ""
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// smartWords are the words of a line. They may stand in quotes, and end at a # of
// their own (lib/conf.c, conf_parse_args).
func smartWords(text string) []string {
	var words []string
	for text = strings.TrimLeft(text, " \t"); text != ""; text = strings.TrimLeft(text, " \t") {
		end := " \t"
		if text[0] == '"' || text[0] == '\'' {
			end, text = text[:1], text[1:]
		}
		i := strings.IndexAny(text, end)
		if i < 0 {
			i = len(text)
		}
		if text[:i] == "#" {
			break
		}
		words = append(words, text[:i])
		text = text[min(i+1, len(text)):]
	}
	return words
}

// flag is the value of a flag, written -name value or --name=value.
func flag(args []string, name string) string {
	for i, arg := range args {
		word, value, ok := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		if !strings.HasPrefix(arg, "-") || word != name && word != name[:1] {
			continue
		}
		if ok {
			return value
		}
		if i+1 < len(args) {
			return args[i+1]
		}
	}
	return ""
}

// beside is a path as a line of a file has it.
func beside(file, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(file), path)
}

// include reads the files of conf-file PATTERN [-group NAME].
func (r *smartReader) include(at Place, text string, args []string) error {
	if len(args) == 0 {
		return nil
	}
	files, err := filepath.Glob(beside(at.File, args[0]))
	if err != nil || len(files) == 0 {
		r.config.problem(at, text, "no file %s can be read: correct the path, or take the line out", beside(at.File, args[0]))
		return nil
	}
	outer := r.group
	if group := flag(args[1:], "group"); group != "" {
		r.group = group
	}
	defer func() { r.group = outer }()
	for _, file := range files {
		if err := r.file(file); err != nil {
			return err
		}
	}
	return nil
}

// domainSet reads domain-set -name NAME -type list -file FILE, a domain a line.
func (r *smartReader) domainSet(at Place, text string, args []string) error {
	name, file := flag(args, "name"), flag(args, "file")
	switch {
	case name == "" || file == "":
		r.config.problem(at, text, "a domain-set needs -name and -file: correct it, or take it out")
		return nil
	case flag(args, "type") == "geosite":
		r.config.problem(at, text, "a geosite file can't be read: write its domains into a file of -type list")
		return nil
	}
	b, err := os.ReadFile(beside(at.File, file))
	if err != nil {
		return err
	}
	r.config.Others++
	for line := range strings.Lines(strings.TrimPrefix(string(b), "\ufeff")) {
		if words := strings.Fields(line); len(words) > 0 && !strings.HasPrefix(words[0], "#") {
			r.lists[name] = append(r.lists[name], words[0])
		}
	}
	return nil
}
