package state

import "fmt"

// Load reads the newest generation that can be used, and fails with ErrNone if
// there is none. One that is missing is no problem: there is none before the
// first save, and a save that was killed may leave one only.
//
// Durations are as of the return, but for the few milliseconds that it takes to
// go through the bindings.
func (d *Dir) Load() (Loaded, error) {
	in, err := d.enter()
	if err != nil {
		return Loaded{}, fmt.Errorf("loading the state: %w", err)
	}
	defer in.leave()
	found, problems := d.generations(in)
	defer closeAll(found)
	l := Loaded{Problems: problems}
	for _, g := range found {
		err := d.read(g, &l)
		if err == nil {
			return l, nil
		}
		l.Problems = append(l.Problems, d.problem(g.name, err))
	}
	return l, ErrNone
}

// read fills l with what is left of a generation.
func (d *Dir) read(g *generation, l *Loaded) error {
	s, err := g.snapshot()
	if err != nil {
		return err
	}
	now := d.clock.Now() // after what takes long
	passed, by, err := now.since(s.Taken)
	if err != nil {
		return err
	}
	l.Path, l.Saved, l.Passed, l.By = d.file(g.name), s.Taken.Wall, passed, by
	l.Expired = s.age(passed)
	s.Taken = now
	l.Snapshot = s
	return nil
}
