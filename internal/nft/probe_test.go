//go:build linux

package nft

import (
	"errors"
	"testing"
	"time"

	"github.com/namewall/namewall/internal/set"
	"golang.org/x/sys/unix"
)

// probed is what the probe makes of a kernel, which has expires left in the
// probe's element.
func probed(k *fakeKernel, expires time.Duration) (Features, error) {
	k.held = func(key set.Key) (Element, bool) {
		return Element{Key: key, Timeout: time.Hour, Expires: expires}, true
	}
	b := batch{link: newLink(k)}
	return probe(&b)
}

func TestProbe(t *testing.T) {
	ownerless := func(_, _ int, m message) unix.Errno {
		family, a, _ := m.nf()
		for m.typ == nfType(unix.NFT_MSG_NEWTABLE) && family == uint8(set.IP) && a.next() {
			if a.typ == unix.NFTA_TABLE_FLAGS && a.uint32() != 0 {
				return unix.EINVAL // as before 5.12
			}
		}
		if m.typ == nfType(msgDestroySetElem) {
			return unix.EINVAL // as before 6.3
		}
		return 0
	}
	brokenDestroy := func(_, _ int, m message) unix.Errno {
		if m.typ == nfType(msgDestroySetElem) {
			return unix.ENOENT // as before 6.7
		}
		return 0
	}
	for _, test := range []struct {
		name    string
		refuse  func(int, int, message) unix.Errno
		expires time.Duration
		want    Features
	}{
		{"5.10", ownerless, time.Hour - time.Second, Features{}},
		{"6.6", brokenDestroy, time.Hour - time.Second, Features{}},
		{"6.12", nil, time.Hour/2 - time.Second, Features{Update: true, Destroy: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			k := &fakeKernel{refuse: test.refuse}
			f, err := probed(k, test.expires)
			if err != nil || f != test.want {
				t.Errorf("%+v, %v", f, err)
			}
			if last := k.committed[len(k.committed)-2]; last.typ != nfType(unix.NFT_MSG_DELTABLE) {
				t.Error("the table is not deleted")
			}
		})
	}
}

func TestProbeFails(t *testing.T) {
	for name, test := range map[string]struct {
		kernel *fakeKernel
		is     error
	}{
		"no capability": {&fakeKernel{refuse: ofBegin(unix.EPERM)}, unix.EPERM},
		"no tables": {&fakeKernel{refuse: func(_, _ int, m message) unix.Errno {
			if m.typ == nfType(unix.NFT_MSG_NEWTABLE) {
				return unix.EAFNOSUPPORT
			}
			return 0
		}}, unix.EAFNOSUPPORT},
		"table can't be deleted": {&fakeKernel{refuse: func(_, _ int, m message) unix.Errno {
			if m.typ == nfType(unix.NFT_MSG_DELTABLE) {
				return unix.ENOENT
			}
			return 0
		}}, unix.ENOENT},
		"silence": {&fakeKernel{answer: saying()}, ErrBroken},
	} {
		t.Run(name, func(t *testing.T) {
			if f, err := probed(test.kernel, time.Hour); !errors.Is(err, test.is) {
				t.Errorf("%+v, %v", f, err)
			}
		})
	}
}
