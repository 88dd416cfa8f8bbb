package state

import (
	"fmt"
	"os"
	"syscall"
)

// View is Load for a user other than the one who saves, such as root: it makes
// no directory and removes nothing. Everything has to be the directory owner's.
func View(path string) (Loaded, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Loaded{}, fmt.Errorf("viewing the state: %w", err)
	}
	d := &Dir{path: path, clock: System()}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		d.uid = int(stat.Uid)
	}
	return d.Load()
}
