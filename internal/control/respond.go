package control

import (
	"encoding/json"
	"net/http"
)

// Reply writes v as the answer.
func Reply(w http.ResponseWriter, v any) { reply(w, http.StatusOK, v) }

// Refuse says why there is no answer to a request that is wrong.
func Refuse(w http.ResponseWriter, err error) {
	reply(w, http.StatusBadRequest, Problem{Error: err.Error()})
}

// reply writes v. That the client has gone meanwhile is its own matter.
func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
