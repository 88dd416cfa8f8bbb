package nft

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/namewall/namewall/internal/set"
	"golang.org/x/sys/unix"
)

// The probe's element is added with one life and then given half of it.
const (
	probeLife = time.Hour
	probeSet  = "probe"
)

// probe finds out what the kernel can do, with a set in a table that it makes
// for that and deletes again. No rule refers to the table.
func probe(b *batch) (Features, error) {
	// The port is unique in the namespace; a process id is not, where
	// containers share one.
	id := set.ID{Family: set.IP, Table: fmt.Sprintf("namewall-probe-%d", b.sock.portid()), Name: probeSet}
	layout := set.Layout{}
	key := layout.Key(netip.Addr{}, netip.MustParseAddr("192.0.2.1"), set.Service{})
	absent := layout.Key(netip.Addr{}, netip.MustParseAddr("192.0.2.2"), set.Service{})

	// A table with an owner goes away with this socket, whatever happens, and
	// is passed over by `nft flush ruleset`. Linux 5.12 has these.
	err := b.declare(id, key, tableOwner)
	if errors.Is(err, errRefused) {
		err = b.declare(id, key, 0)
	}
	if err != nil {
		return Features{}, probeError(b, err)
	}
	var f Features
	err = b.ask(id, []set.Key{key}, 0, func(e Element) {
		f.Update = e.Expires <= probeLife/2
	})
	if err != nil {
		return Features{}, probeError(b, err)
	}
	s, err := b.set(id)
	if err != nil {
		return Features{}, probeError(b, err)
	}
	f.Count = s.Count >= 0
	switch err := b.destroy(id, absent); {
	case err == nil:
		f.Destroy = true
	case !errors.Is(err, errRefused):
		return Features{}, probeError(b, err)
	}
	b.begin()
	b.enc.begin(nfType(unix.NFT_MSG_DELTABLE), unix.NLM_F_REQUEST, b.message(), id.Family, 0)
	b.enc.text(unix.NFTA_TABLE_NAME, id.Table)
	b.enc.end()
	if err := b.exchange(); err != nil {
		return Features{}, probeError(b, err)
	}
	return f, nil
}

// declare makes the probe's table and set, with an element that is added twice
// with another expiration.
func (b *batch) declare(id set.ID, key set.Key, tableFlags uint32) error {
	const create = unix.NLM_F_REQUEST | unix.NLM_F_CREATE
	b.begin()
	b.enc.begin(nfType(unix.NFT_MSG_NEWTABLE), create, b.message(), id.Family, 0)
	b.enc.text(unix.NFTA_TABLE_NAME, id.Table)
	b.enc.uint32(unix.NFTA_TABLE_FLAGS, tableFlags)
	b.enc.end()

	b.enc.begin(nfType(unix.NFT_MSG_NEWSET), create, b.message(), id.Family, 0)
	b.enc.text(unix.NFTA_SET_TABLE, id.Table)
	b.enc.text(unix.NFTA_SET_NAME, id.Name)
	b.enc.uint32(unix.NFTA_SET_FLAGS, unix.NFT_SET_TIMEOUT)
	b.enc.uint32(unix.NFTA_SET_KEY_TYPE, keyTypeV4)
	b.enc.uint32(unix.NFTA_SET_KEY_LEN, 4)
	b.enc.uint32(unix.NFTA_SET_ID, 1)
	b.enc.end()

	for _, life := range []time.Duration{probeLife, probeLife / 2} {
		list := b.enc.setElems(unix.NFT_MSG_NEWSETELEM, create, b.message(), id)
		b.enc.elemFor(&key, life, true)
		b.enc.close(list)
		b.enc.end()
	}
	return b.exchange()
}

// destroy deletes an element that need not be there.
func (b *batch) destroy(id set.ID, key set.Key) error {
	b.begin()
	list := b.enc.setElems(msgDestroySetElem, unix.NLM_F_REQUEST, b.message(), id)
	b.enc.elem(&key)
	b.enc.close(list)
	b.enc.end()
	return b.exchange()
}

// probeError is the reason for which the probe could not be made.
func probeError(b *batch, err error) error {
	if errors.Is(err, errRefused) {
		r := b.refused[0]
		return fmt.Errorf("probing nf_tables: %s: %w", r.detail, r.errno)
	}
	return fmt.Errorf("probing nf_tables: %w", err)
}
