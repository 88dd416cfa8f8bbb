//go:build linux

package lab

import (
	"net/netip"

	"github.com/namewall/namewall/internal/nft"
	"github.com/namewall/namewall/internal/set"
)

// Holder tells whether the gateway's sets hold addresses. It asks the kernel
// each time. It may be used by several goroutines.
type Holder struct {
	reader *nft.Reader
	v4, v6 nft.Set
}

// Holder is of two sets of table inet filter, one a family, with whole addresses
// for keys. It is to be closed.
func (l *Lab) Holder(set4, set6 string) (*Holder, error) {
	reader, err := nft.OpenReader(nft.Options{NetNS: int(l.Gateway.handle)})
	if err != nil {
		return nil, err
	}
	id := func(name string) set.ID { return set.ID{Family: set.Inet, Table: "filter", Name: name} }
	return &Holder{reader: reader, v4: nft.Set{ID: id(set4)}, v6: nft.Set{ID: id(set6)}}, nil
}

// Close closes its socket.
func (h *Holder) Close() error { return h.reader.Close() }

// Missing is those of the addresses that the sets don't hold: all of a set that
// is not there, or is of another type.
func (h *Holder) Missing(addrs ...netip.Addr) []netip.Addr {
	var missing []netip.Addr
	for _, v6 := range []bool{false, true} {
		of, layout := h.v4, set.Layout{V6: v6}
		if v6 {
			of = h.v6
		}
		keys := make(map[set.Key]netip.Addr)
		var asked []set.Key
		for _, addr := range addrs {
			if addr.Is6() == v6 {
				key := layout.Key(netip.Addr{}, addr, set.Service{})
				keys[key] = addr
				asked = append(asked, key)
			}
		}
		if len(asked) == 0 {
			continue
		}
		found, _ := h.reader.Get(of, asked...) // what can't be read is missing
		for _, e := range found {
			delete(keys, e.Key)
		}
		for _, addr := range keys {
			missing = append(missing, addr)
		}
	}
	return missing
}
