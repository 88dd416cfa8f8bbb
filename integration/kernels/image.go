//go:build linux && amd64

package kernels

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// image is a file system for a kernel to start with, in the form of cpio's
// "newc" that it unpacks (Documentation/driver-api/early-userspace/buffer-format.rst).
// As with a bufio.Writer, the first error ends the work, and is write's.
type image struct {
	buf  bytes.Buffer
	seen map[string]bool // paths that are in it
	err  error
}

// add puts in a file with the folders that it is in. What is there already stays.
func (i *image) add(name string, mode fs.FileMode, content []byte) {
	name = strings.TrimPrefix(path.Clean(name), "/")
	if i.seen[name] {
		return
	}
	if folder := path.Dir(name); folder != "." {
		i.add(folder, fs.ModeDir|0o755, nil)
	}
	if i.seen == nil {
		i.seen = make(map[string]bool)
	}
	i.seen[name] = true
	i.entry(name, mode, content)
}

// entry writes one member of the archive: a header of numbers in hexadecimal
// digits, the name and the content, both filled up to a multiple of four bytes.
func (i *image) entry(name string, mode fs.FileMode, content []byte) {
	const regular, folder = 0o100000, 0o040000
	typ := regular
	if mode.IsDir() {
		typ = folder
	}
	fields := [...]int{
		len(i.seen),                  // inode
		typ | int(mode.Perm()), 0, 0, // owner and group
		1, 0, // links, time
		len(content), 0, 0, 0, 0, // devices
		len(name) + 1, 0, // checksum
	}
	i.buf.WriteString("070701")
	for _, field := range fields {
		fmt.Fprintf(&i.buf, "%08X", field)
	}
	i.buf.WriteString(name + "\x00")
	i.pad()
	i.buf.Write(content)
	i.pad()
}

func (i *image) pad() {
	for i.buf.Len()%4 != 0 {
		i.buf.WriteByte(0)
	}
}

// write completes the image and writes it to a file.
func (i *image) write(file string) error {
	i.entry("TRAILER!!!", 0, nil)
	if i.err != nil {
		return i.err
	}
	return os.WriteFile(file, i.buf.Bytes(), 0o600)
}

// addFile puts in a file of this machine, under a name of its own.
func (i *image) addFile(name, file string) {
	content, err := os.ReadFile(file)
	if err != nil {
		i.fail(err)
		return
	}
	info, err := os.Stat(file)
	if err != nil {
		i.fail(err)
		return
	}
	i.add(name, info.Mode(), content)
}

// addFolder puts in a folder of this machine with all that is in it; nothing if
// there is none.
func (i *image) addFolder(name, folder string) {
	if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
		return
	}
	i.fail(filepath.WalkDir(folder, func(file string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			i.addFile(path.Join(name, strings.TrimPrefix(file, folder)), file)
		}
		return err
	}))
}

// addCommand puts in a command of this machine with the libraries that it is
// linked with.
func (i *image) addCommand(command string) {
	file, err := exec.LookPath(command)
	if err != nil {
		i.fail(err)
		return
	}
	i.addFile(path.Join("/usr/sbin", command), file)
	out, err := exec.Command("ldd", file).Output()
	if err != nil {
		i.fail(fmt.Errorf("libraries of %s: %w", command, err))
		return
	}
	for word := range strings.FieldsSeq(string(out)) {
		if strings.HasPrefix(word, "/") {
			i.addFile(word, word)
		}
	}
}

func (i *image) fail(err error) { i.err = cmp.Or(i.err, err) }
