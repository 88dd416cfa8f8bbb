package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/namewall/namewall/internal/control"
)

const (
	// eventRate is how many events of each kind are shown a second: more than
	// anybody can read.
	eventRate = 25
	// eventLimit is how long a browser may take for one before it is given up. It
	// comes again by itself.
	eventLimit = 5 * time.Second
)

// events streams what happens, in the form of the HTML standard's section 9.2
// (server-sent events): each is an item of the page's list.
func (s *site) events(w http.ResponseWriter, r *http.Request) {
	select {
	case s.listeners <- struct{}{}:
		defer func() { <-s.listeners }()
	default:
		http.Error(w, "too many are looking on already", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	send := func(text []byte) error {
		deadline := out.SetWriteDeadline(time.Now().Add(eventLimit))
		_, err := w.Write(text)
		return errors.Join(deadline, err, out.Flush())
	}
	if send([]byte(": what happens from now on\n\n")) != nil {
		return
	}
	// It ends when one of the two goes; neither wants to know why.
	_ = s.api.Stream(r.Context(), "/events?rate="+strconv.Itoa(eventRate), func(line []byte) error {
		var e control.Event
		if err := json.Unmarshal(line, &e); err != nil {
			return err
		}
		text, err := item(&e)
		if err != nil {
			return err
		}
		return send(text)
	})
}

// item is an event as the stream has it.
func item(e *control.Event) ([]byte, error) {
	var html, text bytes.Buffer
	if err := pages.ExecuteTemplate(&html, "event", e); err != nil {
		return nil, err
	}
	for line := range bytes.Lines(html.Bytes()) {
		text.WriteString("data: ")
		text.Write(bytes.TrimRight(line, "\r\n"))
		text.WriteByte('\n')
	}
	text.WriteByte('\n')
	return text.Bytes(), nil
}
