package main

import (
	"net/http"
	"path/filepath"
	"testing"

	"github.com/namewall/namewall/internal/control"
)

// Who reads along is spared what nobody can read; who chooses, and a program, gets
// all of it.
func TestWatchAsksForWhatCanBeRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	asked := make(chan string, 1)
	server, err := control.Listen(path, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.URL.RequestURI() }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, test := range []struct {
		flags []string
		want  string
	}{
		{nil, "/v1/events?rate=100"},
		{[]string{"--json"}, "/v1/events"},
		{[]string{"--rule", "web"}, "/v1/events"},
		{[]string{"--kind", "healed"}, "/v1/events"},
	} {
		if code, _, stderr := namewall(append([]string{"watch", "--socket", path}, test.flags...)...); code != exitWrong {
			t.Errorf("%v: exit code %d: %s", test.flags, code, stderr)
		}
		if got := <-asked; got != test.want {
			t.Errorf("%v asks for %s", test.flags, got)
		}
	}
}
