package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Reply writes v as the answer.
func Reply(w http.ResponseWriter, v any) { reply(w, http.StatusOK, v) }

// Refuse says why there is no answer to a request that is wrong.
func Refuse(w http.ResponseWriter, err error) {
	reply(w, http.StatusBadRequest, Problem{Error: err.Error()})
}

// TooMany says why there is no answer now, and that there may be one soon.
func TooMany(w http.ResponseWriter, err error) {
	reply(w, http.StatusServiceUnavailable, Problem{Error: err.Error()})
}

// NotFound says that there is nothing of that path and method.
func NotFound(w http.ResponseWriter, r *http.Request) {
	reply(w, http.StatusNotFound, Problem{Error: fmt.Sprintf(
		"there is no %s %s: the namewall that runs may be older than what asks", r.Method, r.URL.Path)})
}

// lineLimit is how long a line of a Stream may take to be taken.
const lineLimit = time.Second

// Stream is an answer that goes on until the client goes: a JSON value a line.
type Stream struct {
	out   *http.ResponseController
	lines *json.Encoder
}

// NewStream begins a Stream. It fails if the client has gone.
func NewStream(w http.ResponseWriter) (*Stream, error) {
	s := &Stream{out: http.NewResponseController(w), lines: json.NewEncoder(w)}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	return s, s.flush() // so that the client knows that it listens
}

// Send writes a line. It fails if the client has gone, or takes none for a second.
func (s *Stream) Send(v any) error { return errors.Join(s.limit(), s.lines.Encode(v), s.flush()) }

func (s *Stream) limit() error { return s.out.SetWriteDeadline(time.Now().Add(lineLimit)) }
func (s *Stream) flush() error { return errors.Join(s.limit(), s.out.Flush()) }

// reply writes v. That the client has gone meanwhile is its own matter.
func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
