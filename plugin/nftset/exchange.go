package nftset

import (
	"context"
	"time"

	"github.com/miekg/dns"
)

// exchange keeps an answer back. To the plugins below it is the writer, and, as
// marked, the context, which tells their own look-ups from clients' questions.
//
// Plugins may hold on to either after they have returned (cache does, when it
// verifies a stale answer in the background), so an exchange is never used
// twice.
type exchange struct {
	dns.ResponseWriter
	ctx context.Context
	msg *dns.Msg
}

func (q *work) exchange(ctx context.Context, w dns.ResponseWriter) *exchange {
	x := q.exchanges.take()
	x.ResponseWriter, x.ctx = w, ctx
	return x
}

// WriteMsg keeps the message.
func (x *exchange) WriteMsg(m *dns.Msg) error {
	x.msg = m
	return nil
}

// Write keeps a message that was packed already, so that it can't get past.
func (x *exchange) Write(b []byte) (int, error) {
	m := new(dns.Msg)
	if err := m.Unpack(b); err != nil {
		return 0, err
	}
	x.msg = m
	return len(b), nil
}

// marked is an exchange as a context: its parent's, with the mark.
type marked exchange

type markKey struct{}

var _ context.Context = (*marked)(nil)

// isSubQuery tells whether a question is a look-up that a plugin below makes to
// answer another one, whose answer is kept back already. Taking it for a
// client's would trim what dns64, say, needs to synthesise from.
func isSubQuery(ctx context.Context) bool { return ctx.Value(markKey{}) != nil }

// Value implements context.Context.
func (m *marked) Value(key any) any {
	if _, ok := key.(markKey); ok {
		return m
	}
	return m.ctx.Value(key)
}

// Deadline implements context.Context.
func (m *marked) Deadline() (time.Time, bool) { return m.ctx.Deadline() }

// Done implements context.Context.
func (m *marked) Done() <-chan struct{} { return m.ctx.Done() }

// Err implements context.Context.
func (m *marked) Err() error { return m.ctx.Err() }
