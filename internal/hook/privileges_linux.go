package hook

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// unprivileged calls start, which starts a process, on a thread that has given
// up all that this process may do: the child gets what its thread has. Threads
// have credentials of their own, and one that has changed its own is nobody's
// to use afterwards, so it ends with its goroutine (runtime.LockOSThread).
func unprivileged(start func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == os.Getpid() {
			// The main thread can't end, and is the one that /proc shows. While
			// it is locked here, another goroutine gets another.
			defer runtime.UnlockOSThread()
			done <- unprivileged(start)
			return
		}
		err := drop()
		if err == nil {
			err = start()
		}
		done <- err
	}()
	return <-done
}

// drop takes from the thread every capability, and from what it executes every
// way to get one: by a file's capabilities or its set-user-ID bit, and, for root,
// by being root (with PR_SET_NO_NEW_PRIVS a program permits no more than its
// parent had: cap_bprm_creds_from_file in security/commoncap.c).
func drop() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("prctl PR_SET_NO_NEW_PRIVS: %w", err)
	}
	// Only who has CAP_SETPCAP may empty the bounding set. For others it stays,
	// and gives nothing by itself.
	for c := uintptr(0); c <= unix.CAP_LAST_CAP; c++ {
		err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
		if errors.Is(err, unix.EPERM) {
			break
		}
		if err != nil && !errors.Is(err, unix.EINVAL) { // one that this kernel doesn't have
			return fmt.Errorf("prctl PR_CAPBSET_DROP: %w", err)
		}
	}
	// With the permitted and inheritable ones the ambient ones go, too.
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData // 64 bits
	if err := unix.Capset(&header, &none[0]); err != nil {
		return fmt.Errorf("capset: %w", err)
	}
	return nil
}
