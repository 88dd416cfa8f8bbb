package nftset

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/namewall/namewall/internal/control"
)

// mode holds rules to feeding, or lets them enforce again.
func (a *api) mode(w http.ResponseWriter, r *http.Request) {
	var m control.Mode
	if err := body(w, r, &m); err != nil {
		control.Refuse(w, err)
		return
	}
	whose := "rule " + m.Rule
	if m.Rule == "" {
		whose = "all rules"
	}
	g := a.process.gate
	var err error
	var did string
	switch m.Mode {
	case "feed":
		err, did = g.Brake(m.Rule), whose+" held to feeding until the process ends or 'namewall mode enforce'"
	case "enforce":
		err, did = g.Release(m.Rule), whose+" no longer held to feeding: the Corefile's mode counts"
	default:
		err = fmt.Errorf("'%s' is neither 'feed' nor 'enforce'", m.Mode)
	}
	if err != nil {
		control.Refuse(w, err)
		return
	}
	a.byHand(r, did)
	control.Reply(w, control.Done{Done: did})
}

// byHand logs what somebody has changed, and tells whoever watches.
func (a *api) byHand(r *http.Request, did string) {
	who := control.CallerOf(r)
	log.Warningf("by hand (uid %d, pid %d): %s", who.UID, who.PID, did)
	a.process.gate.TellByHand(who.UID, did)
}

// body reads the body of a request.
func body(w http.ResponseWriter, r *http.Request, v any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("the request can't be read: %w", err)
	}
	return nil
}
