package nftset

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/namewall/namewall/internal/control"
	"github.com/namewall/namewall/internal/gate"
	"github.com/namewall/namewall/internal/set"
)

// pastShown is how many endings and refusals an explanation tells of.
const pastShown = 5

// subject is what is asked about.
type subject struct {
	addr    netip.Addr  // or
	name    string      // in lower case, with its final dot
	service set.Service // zero: any
	client  netip.Addr  // invalid: anybody
}

func (a *api) why(w http.ResponseWriter, r *http.Request) {
	s, err := subjectOf(r.URL.Query())
	if err != nil {
		control.Refuse(w, err)
		return
	}
	e := explanation{api: a, subject: s, now: time.Now(), out: control.Why{
		Elements: []control.Element{}, Findings: []control.Finding{},
	}}
	e.present(r.Context())
	if s.name != "" {
		e.matching()
	} else {
		e.admissible()
	}
	e.readiness()
	e.past()
	e.dropped()
	control.Reply(w, e.out)
}

// subjectOf reads the parameters of a request for an explanation.
func subjectOf(q url.Values) (s subject, err error) {
	for name, values := range q {
		value := values[0]
		switch name {
		case "address":
			if s.addr, err = netip.ParseAddr(value); err == nil {
				s.addr = s.addr.Unmap()
			}
		case "name":
			s.name, err = nameOf(value)
		case "service":
			s.service, err = set.ParseService(value)
		case "client":
			s.client, err = clientOf(value)
		default:
			err = fmt.Errorf("unknown parameter '%s'", name)
		}
		if err != nil {
			return s, err
		}
	}
	if s.addr.IsValid() == (s.name != "") {
		return s, errors.New("ask about one address or one name")
	}
	return s, nil
}

// explanation is an answer in the making.
type explanation struct {
	*api
	subject
	now   time.Time
	out   control.Why
	rules []string // that the name falls under, or of the elements
}

func (e *explanation) find(cause, ruleName string, at time.Time, format string, args ...any) {
	f := control.Finding{Cause: cause, Rule: ruleName, Text: fmt.Sprintf(format, args...)}
	if !at.IsZero() {
		f.At = &at
	}
	e.out.Findings = append(e.out.Findings, f)
}

// involve notes that a rule has to do with it.
func (e *explanation) involve(name string) {
	if !slices.Contains(e.rules, name) {
		e.rules = append(e.rules, name)
	}
}

// whoAsked is a client in words: none asks for what is under `resolve`.
func whoAsked(client netip.Addr) string {
	if !client.IsValid() {
		return "namewall itself"
	}
	return client.String()
}

// keyOf is an entry's key as nft has it.
func keyOf(e *gate.Entry) string {
	text := e.Span().String()
	if e.Layout.Pair {
		text = e.Client.String() + " . " + text
	}
	if e.Layout.Proto {
		text += " . " + set.ProtocolName(e.Service.Proto)
	}
	if e.Layout.Port {
		text += " . " + strconv.Itoa(int(e.Service.Port))
	}
	return text
}
