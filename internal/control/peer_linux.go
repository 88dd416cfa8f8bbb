package control

import (
	"net"
	"syscall"
)

// peer is who is at the other end (SO_PEERCRED, unix(7)).
func peer(conn net.Conn) (Caller, error) {
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return Caller{}, err
	}
	var cred *syscall.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); err != nil {
		return Caller{}, err
	}
	if credErr != nil {
		return Caller{}, credErr
	}
	return Caller{UID: cred.Uid, PID: int(cred.Pid)}, nil
}
