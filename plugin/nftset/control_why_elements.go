package nftset

import (
	"context"
	"time"

	"github.com/namewall/namewall/internal/control"
	"github.com/namewall/namewall/internal/gate"
)

// liveMax is how many elements are read from the kernel for an explanation: more
// than a name has, and each is a few hundred bytes of netlink.
const liveMax = 256

// present are the elements that let the subject through.
func (e *explanation) present(ctx context.Context) {
	found, more, _ := e.entries(ctx, e.filter(), elementsUsual)
	if err := e.process.gate.Live(found[:min(liveMax, len(found))]); err != nil {
		e.find(control.CauseNotReady, "", time.Time{}, "what the kernel holds could not be read, this is what it held: %v", err)
	}
	for i := range found {
		e.out.Elements = append(e.out.Elements, element(&found[i], e.now))
		for _, why := range found[i].Reasons {
			e.involve(why.Rule)
		}
	}
	if more {
		e.find(control.CauseMore, "", time.Time{}, "there are more elements than are shown: ask for one client or service")
	}
	if len(found) == 0 {
		e.nearly(ctx)
	}
}

// filter chooses what is asked about.
func (e *explanation) filter() gate.Filter {
	return gate.Filter{Addr: e.addr, Name: e.name, Where: e.concerns}
}

// nearly tells of elements that let others through, or to other services.
func (e *explanation) nearly(ctx context.Context) {
	f := e.filter()
	f.Where = func(entry *gate.Entry) bool { return !e.concerns(entry) }
	others, _, _ := e.entries(ctx, f, pastShown)
	for i := range others {
		o := &others[i]
		cause, what := control.CauseOtherService, "another service"
		if e.isForAnother(o) {
			cause, what = control.CauseOtherClient, "another client"
		}
		for _, why := range o.Reasons {
			e.involve(why.Rule)
		}
		e.find(cause, "", time.Time{}, "%s is in %s: that is %s", keyOf(o), o.Set, what)
	}
}

// isForAnother tells whether an element is for another client than the one asked
// about.
func (e *explanation) isForAnother(entry *gate.Entry) bool {
	return e.client.IsValid() && entry.Layout.Pair && entry.Client != e.client
}

// concerns tells whether an element is for the service and client asked about.
func (e *explanation) concerns(entry *gate.Entry) bool {
	if e.isForAnother(entry) {
		return false
	}
	return e.service.Port == 0 || !entry.Layout.Port ||
		entry.Service.Port == e.service.Port && (!entry.Layout.Proto || entry.Service.Proto == e.service.Proto)
}
