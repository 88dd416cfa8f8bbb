//go:build !linux

package control

import (
	"errors"
	"net"
)

func peer(net.Conn) (uint32, error) { return 0, errors.ErrUnsupported }
