package file

import (
	"os"
	"syscall"
)

// versionOf is a file's version. With the time of the last change to the inode it
// tells apart what has the same size and a copied time of modification.
func versionOf(info os.FileInfo) Version {
	v := Version{size: info.Size(), modified: info.ModTime().UnixNano()}
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		v.device, v.inode, v.changed = s.Dev, s.Ino, s.Ctim.Nano()
	}
	return v
}
