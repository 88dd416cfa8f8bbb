package gate

import (
	"errors"
	"time"

	"github.com/namewall/namewall/internal/nft"
	"github.com/namewall/namewall/internal/set"
)

// Traffic is what the kernel has counted of an element, since it was written.
type Traffic struct{ Packets, Bytes uint64 }

var errNoSession = errors.New("nftables can't be reached")

// Live brings entries up to date with what the kernel has of their elements at this
// moment, asked for each set once: for how long it holds them and, if the set counts
// (`counter` in its declaration), their traffic. Nothing that the gate believes
// changes. If the kernel can't be asked, the entries stay as they are.
func (g *Gate) Live(entries []Entry) error {
	l := g.session.Load()
	if l == nil {
		return errNoSession
	}
	of := make(map[set.ID][]*Entry)
	for i := range entries {
		e := &entries[i]
		of[e.Set] = append(of[e.Set], e)
	}
	for id, all := range of {
		info, err := l.Set(id)
		if errors.Is(err, nft.ErrNoSet) {
			err = nil
			for _, e := range all {
				e.Held, e.Permanent = 0, false
			}
		} else if err == nil {
			err = live(l.Session, info, all)
		}
		if err != nil {
			return err // the session may be over
		}
	}
	return nil
}

// live does it for the entries of one set.
func live(s Session, info nft.Set, all []*Entry) error {
	keys := make([]set.Key, len(all))
	for i, e := range all {
		keys[i] = e.Layout.Key(e.Client, e.Addr, e.Service)
	}
	found, err := s.Get(info, keys...)
	if err != nil {
		return err
	}
	there := make(map[set.Key]nft.Element, len(found))
	for _, el := range found {
		there[el.Key] = el
	}
	for i, e := range all {
		el, ok := there[keys[i]]
		e.Held, e.Permanent, e.Traffic = 0, ok && el.Permanent(), nil
		if ok && !e.Permanent {
			e.Held = max(el.Expires, time.Millisecond) // the kernel gives no expired ones
		}
		if ok && el.Counted {
			e.Traffic = &Traffic{Packets: el.Packets, Bytes: el.Bytes}
		}
	}
	return nil
}
