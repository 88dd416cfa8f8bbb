package state

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/google/renameio/v2"
)

// besideMax bounds a file beside the state: what is kept there is evidence, and far
// smaller.
const besideMax = 64 << 20

// Keep writes a file of its own beside the state, as a whole: whatever happens
// meanwhile, it is what it was before or content. name has small
// letters only and is none of the generations'.
// Nobody but the owner can read it, nor is it written where others could.
func (d *Dir) Keep(name string, content []byte) error {
	d.saving.Lock()
	defer d.saving.Unlock()
	in, err := d.enter()
	if err != nil {
		return err
	}
	defer in.leave()
	if err := in.lock(); err != nil {
		return fmt.Errorf("%s: %w", d.file(name), err)
	}
	p, err := renameio.NewPendingFile(name, renameio.WithRoot(in.root), renameio.WithStaticPermissions(0o600))
	if err != nil {
		return err
	}
	// What can't be removed now is when the directory is opened the next time.
	defer func() { _ = p.Cleanup() }()
	if _, err := p.Write(content); err != nil {
		return err
	}
	if err := p.CloseAtomicallyReplace(); err != nil { // syncs the file
		return err
	}
	return in.self.Sync()
}

// Recall reads what Keep has written; nil if there is nothing.
func (d *Dir) Recall(name string) ([]byte, error) {
	in, err := d.enter()
	if err != nil {
		return nil, err
	}
	defer in.leave()
	info, err := in.root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: %w: it is no regular file: run 'rm -r %s'", d.file(name), ErrUnsafe, d.file(name))
	}
	f, err := in.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := checkOwner(f, d.uid); err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.LimitReader(f, besideMax+1))
	if err == nil && len(content) > besideMax {
		err = damaged("it has more than %d bytes", besideMax)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.file(name), err)
	}
	return content, nil
}
