package gate

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/namewall/namewall/internal/conntrack"
	"github.com/namewall/namewall/internal/nft"
	"github.com/namewall/namewall/internal/set"
)

// NFT is the kernel of this machine, or of the network namespace that the
// options name.
type NFT struct {
	Options nft.Options

	features atomic.Pointer[nft.Features] // found out by the first session

	mu    sync.Mutex       // guards what follows
	table *conntrack.Table // opened by the first Kill, as few ever need it; it outlives sessions
}

// Open opens a watcher, a writer and a reader, which together are a session.
// The watcher comes first, so that no change goes unnoticed between a read and
// the events that follow it; of the writer's own changes it hears nothing.
func (k *NFT) Open(events func(nft.Event)) (Session, error) {
	s := new(nftSession)
	o := k.Options
	o.Features = k.features.Load()
	var err error
	if s.watcher, err = nft.Watch(o, nil, events); err != nil {
		return nil, err
	}
	if s.Writer, err = nft.OpenWriter(o); err != nil {
		return nil, errors.Join(err, s.watcher.Close())
	}
	if s.reader, err = nft.OpenReader(o); err != nil {
		return nil, errors.Join(err, s.watcher.Close(), s.Writer.Close())
	}
	if err := s.watcher.Ignore(s.Portid()); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.kernel = k
	features := s.Features()
	k.features.Store(&features)
	return s, nil
}

type nftSession struct {
	*nft.Writer
	ranges  *nft.Writer // of Swap, which may be called beside Commit; opened by the first one, as few ever need it
	reader  *nft.Reader
	watcher *nft.Watcher
	kernel  *NFT
}

// connections is the table of connections.
func (k *NFT) connections() (*conntrack.Table, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.table == nil {
		table, err := conntrack.Open(k.Options.NetNS)
		if err != nil {
			return nil, err
		}
		k.table = table
	}
	return k.table, nil
}

func (s *nftSession) Kill(flows []conntrack.Flow) (int, error) {
	table, err := s.kernel.connections()
	if err != nil {
		return 0, err
	}
	return table.Kill(flows)
}

func (s *nftSession) Set(id set.ID) (nft.Set, error) { return s.reader.Set(id) }

func (s *nftSession) Elements(of nft.Set, yield func(nft.Element) error) error {
	return s.reader.Elements(of, yield)
}

func (s *nftSession) Get(of nft.Set, keys ...set.Key) ([]nft.Element, error) {
	return s.reader.Get(of, keys...)
}

func (s *nftSession) Ranges(of nft.Set) ([]nft.Range, error) { return s.reader.Ranges(of) }

func (s *nftSession) Swap(in nft.Set, remove, add []nft.Range) error {
	if s.ranges == nil {
		o := s.kernel.Options
		o.Features = s.kernel.features.Load()
		w, err := nft.OpenWriter(o)
		if err != nil {
			return err
		}
		if err := s.watcher.Ignore(s.Portid(), w.Portid()); err != nil {
			return errors.Join(err, w.Close())
		}
		s.ranges = w
	}
	return s.ranges.Swap(in, remove, add)
}

// Close closes them all. A Kill that is under way isn't waited for.
func (s *nftSession) Close() error {
	err := errors.Join(s.watcher.Close(), s.reader.Close(), s.Writer.Close())
	if s.ranges != nil {
		err = errors.Join(err, s.ranges.Close())
	}
	return err
}
