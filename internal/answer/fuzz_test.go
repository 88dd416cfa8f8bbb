package answer

import (
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// seed adds the answers of the tests, on the wire.
func seed(f *testing.F, add func(packed []byte)) {
	messages := []*dns.Msg{chain(f, maxLinks), chain(f, maxLinks+1)}
	for _, bench := range benchmarks[:4] {
		m := &dns.Msg{Answer: records(f, bench.answer)}
		m.SetQuestion(question(f, bench.question))
		messages = append(messages, m)
	}
	for i := range 40 {
		messages = append(messages, someMessage.Example(i))
	}
	for _, m := range messages {
		if len(m.Question) == 0 {
			m.SetQuestion("n0.", dns.TypeA)
		}
		if packed, err := m.Pack(); err == nil {
			add(packed)
		}
	}
}

// unpackAnswer is the message that a plugin would be given, nil if it wouldn't.
func unpackAnswer(packed []byte) *dns.Msg {
	m := new(dns.Msg)
	if err := m.Unpack(packed); err != nil || len(m.Question) != 1 {
		return nil
	}
	return m
}

func FuzzRead(f *testing.F) {
	seed(f, func(packed []byte) { f.Add(packed) })
	var w Walk
	f.Fuzz(func(t *testing.T, packed []byte) {
		if m := unpackAnswer(packed); m != nil {
			checkRead(t, &w, m, m.Question[0].Name, m.Question[0].Qtype)
		}
	})
}

func FuzzShape(f *testing.F) {
	seed(f, func(packed []byte) {
		f.Add(packed, uint64(0), uint32(0), "")
		f.Add(packed, ^uint64(0), uint32(60), "reason")
		f.Add(packed, uint64(0b0101), uint32(0), "reason")
	})
	f.Fuzz(func(t *testing.T, packed []byte, keep uint64, seconds uint32, reason string) {
		m := unpackAnswer(packed)
		if m == nil {
			return
		}
		cut := Cut{Max: time.Duration(seconds) * time.Second, Client: Client{OPT: strings.HasPrefix(reason, "r")}}
		for ; keep != 0; keep >>= 1 {
			cut.Keep = append(cut.Keep, keep&1 != 0)
		}
		if reason != "" {
			cut.EDE = Failed(reason)
		}
		checkShape(t, m, m.Question[0].Name, m.Question[0].Qtype, cut)
	})
}
