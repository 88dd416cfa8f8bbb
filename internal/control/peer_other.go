//go:build !linux

package control

import (
	"errors"
	"net"
)

func peer(net.Conn) (Caller, error) { return Caller{}, errors.ErrUnsupported }
