//go:build linux

package gate

import (
	"fmt"
	"testing"
	"time"

	"github.com/namewall/namewall/internal/nft"
	"github.com/namewall/namewall/internal/set"
)

// deafKernel's sessions hear no events.
type deafKernel struct{ Kernel }

func (k deafKernel) Open(func(nft.Event)) (Session, error) {
	return k.Kernel.Open(func(nft.Event) {})
}

// What nobody has told of is put back after two audits, on the real kernel.
func TestAuditOfTheKernel(t *testing.T) {
	deaf := func(r *realBench) { r.kernel = deafKernel{r.kernel} }
	r := startReal(t, deaf, newRule("web", []set.ID{web4}))
	for i := range 100 {
		r.ask(fmt.Sprintf("www%d.example.com.", i), time.Minute, nthAddr(i))
	}
	k := keeper{Gate: r.gate}
	for range 2 {
		k.audit(k.auditAt)
	}
	if lost := r.seen.get(&r.seen.lost); lost != 0 {
		t.Fatalf("%d losses while nothing is missing", lost)
	}
	r.Nft("flush set inet filter web4")
	for range 2 {
		k.audit(k.auditAt)
	}
	if lost := r.seen.get(&r.seen.lost); lost != 1 {
		t.Fatalf("%d losses, want 1", lost)
	}
	for i := range 100 {
		await(t, "the element", func() bool { return r.life(web4, key4(nthAddr(i))) > 50*time.Minute })
	}
}
