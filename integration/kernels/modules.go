//go:build linux && amd64

package kernels

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// modules are what the tests need of a kernel.
var modules = []string{
	"nf_tables", "nft_quota", "veth", // sets, interfaces
	"nf_conntrack_netlink", "nft_ct", "nft_nat", "nft_chain_nat", "nft_reject_inet", // connections
}

// kernel is an unpacked Debian package of a kernel.
type kernel struct {
	image   string
	modules map[string]string // files, by the modules' names
	builtin map[string]bool   // modules that the image has in it
}

// openKernel looks through the folder that a package was unpacked into.
func openKernel(folder string) (*kernel, error) {
	images, err := filepath.Glob(filepath.Join(folder, "boot/vmlinuz-*"))
	if err != nil || len(images) != 1 {
		return nil, fmt.Errorf("%s has kernels %q, want one", folder, images)
	}
	k := &kernel{image: images[0], modules: make(map[string]string), builtin: make(map[string]bool)}
	err = filepath.WalkDir(filepath.Join(folder, "lib/modules"), func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name, ok := moduleName(path); ok {
			k.modules[name] = path
		}
		if filepath.Base(path) != "modules.builtin" {
			return nil
		}
		list, err := os.ReadFile(path)
		for line := range strings.Lines(string(list)) {
			if name, ok := moduleName(strings.TrimSpace(line)); ok {
				k.builtin[name] = true
			}
		}
		return err
	})
	return k, err
}

// moduleName is the name of the module in a file, which may be compressed. File
// names have a dash where some modules' names have an underscore.
func moduleName(path string) (name string, ok bool) {
	name, ok = strings.CutSuffix(strings.TrimSuffix(filepath.Base(path), ".xz"), ".ko")
	return strings.ReplaceAll(name, "-", "_"), ok
}

// module is a module to load.
type module struct {
	name string
	code []byte
}

// load adds to list the modules that are named, each after those that it needs,
// but for what the image has in it.
func (k *kernel) load(list []module, names ...string) ([]module, error) {
	for _, name := range names {
		if k.builtin[name] || slices.ContainsFunc(list, func(m module) bool { return m.name == name }) {
			continue
		}
		path, ok := k.modules[name]
		if !ok {
			return nil, fmt.Errorf("%s has no module %s", k.image, name)
		}
		code, err := readModule(path)
		if err != nil {
			return nil, fmt.Errorf("module %s: %w", name, err)
		}
		needed, err := dependencies(code)
		if err != nil {
			return nil, fmt.Errorf("module %s: %w", name, err)
		}
		if list, err = k.load(list, needed...); err != nil {
			return nil, err
		}
		list = append(list, module{name, code})
	}
	return list, nil
}

// readModule is a module as it is loaded.
func readModule(path string) ([]byte, error) {
	if filepath.Ext(path) == ".xz" {
		return exec.Command("xz", "-dc", path).Output()
	}
	return os.ReadFile(path)
}

// dependencies are the modules that have to be loaded before a module, which
// says so itself. What depmod makes of that is not in the package.
func dependencies(code []byte) ([]string, error) {
	f, err := elf.NewFile(bytes.NewReader(code))
	if err != nil {
		return nil, err
	}
	section := f.Section(".modinfo")
	if section == nil {
		return nil, errors.New("it doesn't say what it needs")
	}
	info, err := section.Data()
	if err != nil {
		return nil, err
	}
	for field := range strings.SplitSeq(string(info), "\x00") {
		if list, ok := strings.CutPrefix(field, "depends="); ok && list != "" {
			return strings.Split(list, ","), nil
		}
	}
	return nil, nil
}
