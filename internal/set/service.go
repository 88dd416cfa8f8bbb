package set

import (
	"fmt"
	"strconv"
	"strings"
)

// Service is a transport protocol (IANA number) and a port. The zero Service
// stands for "no ports": the whole address.
type Service struct {
	Proto uint8
	Port  uint16
}

// Protocols that have ports and that nft(8) knows by these names.
var protocols = map[string]uint8{"tcp": 6, "udp": 17, "dccp": 33, "sctp": 132, "udplite": 136}

// ParseService reads PROTO/PORT, "tcp/443".
func ParseService(s string) (Service, error) {
	proto, port, ok := strings.Cut(s, "/")
	if !ok {
		return Service{}, fmt.Errorf("'%s' is no PROTO/PORT such as tcp/443", s)
	}
	number, ok := protocols[proto]
	if _, swapped := protocols[port]; !ok && swapped {
		return Service{}, fmt.Errorf("'%s' has the port first: write %s/%s", s, port, proto)
	}
	if !ok {
		return Service{}, fmt.Errorf("unknown protocol in '%s': use tcp, udp, sctp, dccp or udplite", s)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return Service{}, fmt.Errorf("port in '%s' must be a number from 1 to 65535", s)
	}
	return Service{Proto: number, Port: uint16(n)}, nil
}

// String is the service as the Corefile writes it.
func (s Service) String() string {
	return ProtocolName(s.Proto) + "/" + strconv.Itoa(int(s.Port))
}

// ProtocolName is the protocol's name, or its number where it has none here.
func ProtocolName(number uint8) string {
	for name, n := range protocols {
		if n == number {
			return name
		}
	}
	return strconv.Itoa(int(number))
}
