package state

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
)

// generation is one of the two files, open and unharmed: it is the owner's alone,
// its header is right and its payload is the one that was written.
type generation struct {
	name   string
	file   *os.File
	header header
}

// generations finds those that can be used, newest first, and tells of each other
// one why not, in a line that names it. One that is missing is no problem. The
// caller closes what is found, with closeAll.
func (d *Dir) generations(in *visit) (found []*generation, problems []error) {
	now := d.clock.Now()
	for _, name := range []string{newest, previous} {
		g, err := d.open(in, name, now)
		if err == nil {
			found = append(found, g)
		} else if !errors.Is(err, fs.ErrNotExist) {
			problems = append(problems, d.problem(name, err))
		}
	}
	if len(found) == 2 && found[1].header.newer(&found[0].header) {
		slices.Reverse(found) // somebody has moved them
	}
	return found, problems
}

// problem is why a generation can't be used.
func (d *Dir) problem(name string, err error) error {
	return fmt.Errorf("%s: %w", d.file(name), err)
}

func (d *Dir) open(in *visit, name string, now Instant) (*generation, error) {
	// A link can't take the file's place between the two calls: nobody else may
	// write here.
	info, err := in.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: it is no regular file: run 'rm -r %s'", ErrUnsafe, d.file(name))
	}
	file, err := in.root.Open(name)
	if err != nil {
		return nil, err
	}
	g := &generation{name: name, file: file}
	if err = checkOwner(file, d.uid); err == nil {
		err = g.check(now)
	}
	if err != nil {
		g.close()
		return nil, err
	}
	return g, nil
}

func (g *generation) close() { _ = g.file.Close() }

func closeAll(found []*generation) {
	for _, g := range found {
		g.close()
	}
}

// check reads the file once and leaves it at the payload's beginning.
func (g *generation) check(now Instant) error {
	info, err := g.file.Stat()
	if err != nil {
		return err
	}
	var b [headerSize]byte
	n, err := io.ReadFull(g.file, b[:])
	if err != nil && !ended(err) {
		return err
	}
	if g.header, err = parseHeader(b[:n], info.Size()); err != nil {
		return err
	}
	if _, _, err := now.since(g.header.taken()); err != nil {
		return err
	}
	sum := g.header.hash()
	if _, err := io.Copy(sum, g.file); err != nil {
		return err
	}
	if [len(g.header.Sum)]byte(sum.Sum(nil)) != g.header.Sum {
		return damaged("its checksum does not match")
	}
	_, err = g.file.Seek(headerSize, io.SeekStart)
	return err
}

// snapshot reads the snapshot as it was saved, once.
func (g *generation) snapshot() (Snapshot, error) {
	payload := make([]byte, g.header.Length) // as long as the file is
	if _, err := io.ReadFull(g.file, payload); err != nil {
		return Snapshot{}, err
	}
	s, err := decode(payload)
	s.Taken = g.header.taken()
	return s, err
}

// ended tells whether a file was shorter than was asked for.
func ended(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
