//go:build linux

package nft

import (
	"encoding/binary"
	"errors"
	"testing"

	"golang.org/x/sys/unix"
)

// setReply is a declaration of web4 as a kernel sends it.
func setReply(seq uint32) []byte {
	var e encoder
	e.begin(nfType(unix.NFT_MSG_NEWSET), 0, seq, web4.Family, 1)
	e.text(unix.NFTA_SET_TABLE, web4.Table)
	e.text(unix.NFTA_SET_NAME, web4.Name)
	e.uint32(unix.NFTA_SET_FLAGS, unix.NFT_SET_TIMEOUT)
	e.uint32(unix.NFTA_SET_KEY_TYPE, keyTypeV4)
	e.uint32(unix.NFTA_SET_KEY_LEN, 4)
	e.end()
	return e.buf
}

// counting is a declaration with the number of elements, as since Linux 6.16.
func counting(declaration []byte) []byte {
	e := encoder{buf: declaration}
	e.uint32(attrSetCount, 1)
	e.end()
	return e.buf
}

// doneReply ends a list, with an error if there is one.
func doneReply(seq uint32, errno unix.Errno) []byte {
	var e encoder
	e.begin(unix.NLMSG_DONE, unix.NLM_F_MULTI, seq, 0, 0)
	binary.NativeEndian.PutUint32(e.buf[headerLen:], uint32(-int32(errno)))
	e.end()
	return e.buf
}

func TestReaderRecoversFromABrokenSocket(t *testing.T) {
	request := func(b []byte) uint32 { m, _, _ := nextMessage(b); return m.seq }
	for name, answer := range map[string]func(try int, b []byte) [][]byte{
		"silence":          saying(),
		"empty":            saying([]byte{}),
		"garbage":          saying([]byte("something else")),
		"half a message":   func(_ int, b []byte) [][]byte { return [][]byte{setReply(request(b))[:30]} },
		"strange sequence": func(_ int, b []byte) [][]byte { return [][]byte{errorReply(request(b)+7, 0)} },
		"no end":           func(_ int, b []byte) [][]byte { return [][]byte{setReply(request(b))} },
		"malformed set": func(_ int, b []byte) [][]byte {
			return [][]byte{shortened(setReply(request(b)), 34)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var opened []*fakeKernel
			r, err := newReader(func() (socket, error) {
				k := &fakeKernel{answer: answer}
				if len(opened) > 0 {
					k.answer = func(_ int, b []byte) [][]byte {
						return [][]byte{setReply(request(b)), doneReply(request(b), 0)}
					}
				}
				opened = append(opened, k)
				return k, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if sets, err := r.Sets(); err == nil {
				t.Errorf("got %v", sets)
			}
			if sets, err := r.Sets(); err != nil || len(sets) != 1 {
				t.Errorf("the second time: %v, %v", sets, err)
			}
			if name != "malformed set" && (len(opened) != 2 || !opened[0].closed) {
				t.Errorf("%d sockets opened", len(opened))
			}
		})
	}
}

func TestReaderErrors(t *testing.T) {
	answering := func(reply func(seq uint32) [][]byte) *Reader {
		r, err := newReader(func() (socket, error) {
			return &fakeKernel{answer: func(_ int, b []byte) [][]byte {
				m, _, _ := nextMessage(b)
				return reply(m.seq)
			}}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	s := Set{ID: web4, Known: true, Timeout: true}
	ends := answering(func(seq uint32) [][]byte { return [][]byte{doneReply(seq, unix.ENOMEM)} })
	if err := ends.Elements(s, nil); !errors.Is(err, unix.ENOMEM) {
		t.Errorf("list that ends with ENOMEM: %v", err)
	}
	refused := answering(func(seq uint32) [][]byte { return [][]byte{errorReply(seq, unix.EPERM)} })
	if err := refused.Elements(s, nil); !errors.Is(err, unix.EPERM) {
		t.Errorf("refused list: %v", err)
	}
	if _, err := refused.Get(s, key4(1)); !errors.Is(err, unix.EPERM) {
		t.Errorf("refused element: %v", err)
	}
	mute := answering(func(uint32) [][]byte { return nil })
	if _, err := mute.Set(web4); !errors.Is(err, ErrBroken) {
		t.Errorf("no answer: %v", err)
	}
	if _, err := mute.Get(s, key4(1)); !errors.Is(err, ErrBroken) {
		t.Errorf("no answer about an element: %v", err)
	}
	few := answering(func(seq uint32) [][]byte { return [][]byte{setReply(seq)} })
	if _, err := few.Get(s, key4(1)); !errors.Is(err, ErrBroken) {
		t.Errorf("no answer about an element of a set: %v", err)
	}

	fail := errors.New("no socket")
	if _, err := newReader(func() (socket, error) { return nil, fail }); !errors.Is(err, fail) {
		t.Errorf("opening: %v", err)
	}
	opened := false
	r, _ := newReader(func() (socket, error) {
		if opened {
			return nil, fail
		}
		opened = true
		return &fakeKernel{answer: saying()}, nil
	})
	if _, err := r.Set(web4); !errors.Is(err, ErrBroken) {
		t.Errorf("no answer: %v", err)
	}
	if _, err := r.Set(web4); !errors.Is(err, fail) {
		t.Errorf("opening again: %v", err)
	}
}
