package state

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// checkOwner fails with ErrUnsafe, and says what to do, unless the file or
// directory is uid's and nobody else has any permission for it. Access lists
// count: their mask is the group's permissions.
func checkOwner(f *os.File, uid int) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	path := filepath.Clean(f.Name())
	if stat, ok := info.Sys().(*syscall.Stat_t); !ok || int(stat.Uid) != uid {
		return fmt.Errorf("%w: its owner is not the user that namewall runs as: run 'chown -R %d %s'", ErrUnsafe, uid, path)
	}
	if perm := info.Mode().Perm(); perm&0o077 != 0 {
		remedy := fmt.Sprintf("run 'chmod 0600 %s'", path)
		if info.IsDir() {
			remedy = fmt.Sprintf("run 'chmod 0700 %s', or set StateDirectoryMode=0700 if systemd makes it", path)
		}
		return fmt.Errorf("%w: others than its owner may use it, by its mode %04o: %s", ErrUnsafe, perm, remedy)
	}
	return nil
}
