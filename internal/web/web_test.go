package web

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/namewall/namewall/internal/control"
)

const hostile = `"><img src=x onerror=alert(1)>` + "\u202e"

// fake is an API whose every string is hostile. It fails the test if it is asked
// for anything else than to tell.
func fake(t *testing.T) http.Handler {
	now, packets := time.Now(), uint64(4711)
	reasons := []control.Reason{{Rule: hostile, Name: hostile, Client: hostile, TTL: 60}, {Rule: hostile, Name: hostile, Chain: []string{hostile, hostile}}, {Rule: hostile}, {Rule: hostile, Origin: "static"}, {Rule: hostile, Origin: "hand"}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, _ *http.Request) {
		control.Reply(w, control.Status{
			Version: hostile, Started: now, Problems: []string{hostile},
			Rules: []control.Rule{
				{Name: hostile, Mode: hostile, Sets: []string{hostile, hostile}, Problems: []string{hostile}, Static: 3, Resolve: map[string]int{hostile: 1}},
				{Name: hostile, Mode: "feed", Braked: true},
			},
			Sets: []control.Set{
				{Set: hostile, Type: hostile, Ready: true, Elements: 900, Size: 1000, Healed: &control.Heal{At: now, Elements: 3, Process: hostile, PID: 4711}},
				{Set: hostile, Elements: 1, Healed: &control.Heal{At: now}},
			},
			Budgets: []control.Budget{{Name: hostile, Used: 1, Limit: 1000}, {Name: "unused", Limit: 1}},
		})
	})
	mux.HandleFunc("GET /v1/why", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("name") == "wrong" {
			control.Refuse(w, errors.New(hostile))
			return
		}
		control.Reply(w, control.Why{
			Elements: []control.Element{
				{Set: hostile, Client: hostile, Address: hostile, Service: hostile, Held: &now, Own: true, Packets: &packets, Reasons: reasons},
				{Set: hostile, Address: hostile, Permanent: true, Ending: true},
				{Set: hostile, Address: hostile},
			},
			Findings: []control.Finding{{Cause: hostile, Text: hostile, At: &now}, {Cause: control.CauseNeverAsked, Text: hostile}},
		})
	})
	mux.HandleFunc("GET /v1/drops", func(w http.ResponseWriter, _ *http.Request) {
		group := uint16(7)
		control.Reply(w, control.Drops{Group: &group, Problem: hostile, Lost: 3, More: true, Drops: []control.Drop{
			{
				Direction: control.DirectionOut, Client: hostile, Addresses: []string{hostile, hostile}, Service: hostile, Name: hostile, Rule: hostile,
				Cause: hostile, Text: hostile, Covered: hostile, Count: 12, First: now, Last: now, From: hostile, AskedBy: hostile,
			},
			{Direction: control.DirectionIn, Client: hostile, Addresses: []string{hostile}, Cause: control.CauseNeverAsked, Text: hostile, Count: 1},
		}})
	})
	mux.HandleFunc("GET /v1/top", func(w http.ResponseWriter, _ *http.Request) {
		busy := []control.Busy{{Name: hostile, Answers: 48_211, Refused: 2}, {Name: hostile, Answers: 1}}
		control.Reply(w, control.Top{Seconds: 431.2, Answers: 48_212, Refused: 2, Names: busy, Rules: busy, Clients: busy})
	})
	mux.HandleFunc("GET /v1/events", func(w http.ResponseWriter, r *http.Request) {
		lines := json.NewEncoder(w)
		for _, kind := range []string{
			control.EventAdmitted, control.EventExtended, control.EventRevoked, control.EventRefused, control.EventHealed,
			control.EventHeld, control.EventByHand, control.EventDropped, control.EventLost, hostile,
		} {
			_ = lines.Encode(control.Event{
				At: now, Kind: kind, Rule: hostile, Name: hostile, Client: hostile, Set: hostile, Address: hostile, Service: hostile + "\n\ndata: x",
				Until: &now, Cause: hostile, Text: hostile + "\r\ndata: x", Feed: true, Count: 2, Process: hostile, PID: 1, Held: 1,
			})
		}
		_ = lines.Encode(control.Event{At: now, Kind: control.EventAdmitted, Address: hostile})
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	mux.HandleFunc("/", func(_ http.ResponseWriter, r *http.Request) { t.Errorf("asked for %s %s", r.Method, r.URL) })
	return mux
}

// serve serves the page over the fake.
func serve(t *testing.T) string {
	t.Helper()
	s, err := Listen("127.0.0.1:0", fake(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return "http://" + s.Addr().String()
}

func get(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

// Whatever strings the API tells, in each part of each page, they are text.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	at := serve(t)
	for path, status := range map[string]int{
		"/": http.StatusOK, "/why?about=a&service=" + "%22%3E%3Cimg%20src=x%3E&client=%22%3E%3Cimg%20src=x%3E": http.StatusOK,
		"/why?about=wrong": http.StatusBadRequest,
	} {
		r, body := get(t, at+path)
		if r.StatusCode != status || r.Header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s: %s %s", path, r.Status, body)
		}
		if !strings.HasSuffix(strings.TrimSpace(body), "</html>") {
			t.Errorf("%s is not whole:\n%s", path, body)
		}
		if strings.Contains(body, "<img") || strings.Contains(body, "ZgotmplZ") || !strings.Contains(body, "&lt;img") {
			t.Errorf("%s isn't escaped:\n%s", path, body)
		}
	}
	r, err := http.Get(at + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if r.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("%v", r.Header)
	}
	items := 0
	lines := bufio.NewScanner(r.Body)
	for items < 11 && lines.Scan() {
		line := lines.Text()
		switch {
		case strings.Contains(line, "<img") || strings.HasPrefix(line, "data: x"):
			t.Errorf("not escaped: %s", line)
		case line == "data: </li>":
			items++
		case line != "" && !strings.HasPrefix(line, "data: ") && !strings.HasPrefix(line, ": "):
			t.Errorf("not of the stream: %s", line)
		}
	}
	if items != 11 {
		t.Errorf("%d items: %v", items, lines.Err())
	}
}

// What a page of another site can have a browser ask for is turned away, and so is
// everything that could change something.
func TestGuard(t *testing.T) {
	t.Parallel()
	client, end := control.Local(fake(t))
	t.Cleanup(end)
	h := handler(client)
	for _, test := range []struct {
		method, path, host, site, mode string
		want                           int
	}{
		{"GET", "/", "127.0.0.1:8480", "", "", 200},
		{"HEAD", "/", "127.0.0.1:8480", "none", "navigate", 200},
		{"GET", "/", "[::1]:8480", "same-origin", "cors", 200},
		{"GET", "/", "[2001:db8::1]", "", "", 200},
		{"GET", "/", "localhost:8480", "", "", 200},
		{"GET", "/static/style.css", "192.0.2.1", "same-origin", "no-cors", 200},
		{"GET", "/why?about=a", "127.0.0.1:8480", "cross-site", "navigate", 200}, // a link on another page
		{"GET", "/", "evil.example:8480", "", "", 421},
		{"GET", "/", "localhost.evil.example", "", "", 421},
		{"GET", "/", "127.0.0.1.evil.example:8480", "same-origin", "cors", 421},
		{"GET", "/", "", "", "", 421},
		{"GET", "/events", "127.0.0.1:8480", "cross-site", "cors", 403},
		{"GET", "/", "127.0.0.1:8480", "same-site", "no-cors", 403},
		{"POST", "/", "127.0.0.1:8480", "", "", 405},
		{"DELETE", "/why", "127.0.0.1:8480", "", "", 405},
		{"GET", "/v1/status", "127.0.0.1:8480", "", "", 404},
		{"GET", "/static/../web.go", "127.0.0.1:8480", "", "", 307},
		{"GET", "/static/web.go", "127.0.0.1:8480", "", "", 404},
		{"GET", "/why", "127.0.0.1:8480", "", "", 303},
	} {
		r := httptest.NewRequest(test.method, "http://host"+test.path, nil)
		r.Host = test.host
		r.Header.Set("Sec-Fetch-Site", test.site)
		r.Header.Set("Sec-Fetch-Mode", test.mode)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != test.want {
			t.Errorf("%+v: got %d", test, w.Code)
		}
		if got := w.Header().Get("Content-Security-Policy"); got != policy {
			t.Errorf("%+v: policy %q", test, got)
		}
	}
}

// So many and no more look on; who leaves makes room.
func TestListenersAreBounded(t *testing.T) {
	t.Parallel()
	at := serve(t)
	var leave []context.CancelFunc
	look := func() (int, context.CancelFunc) {
		ctx, cancel := context.WithCancel(t.Context())
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, at+"/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = response.Body.Close() })
		return response.StatusCode, cancel
	}
	for range listenersMax {
		status, cancel := look()
		defer cancel()
		if status != http.StatusOK {
			t.Fatalf("%d of them: %d", len(leave), status)
		}
		leave = append(leave, cancel)
	}
	if status, cancel := look(); status != http.StatusServiceUnavailable {
		t.Errorf("one too many: %d", status)
		cancel()
	}
	if r, _ := get(t, at+"/"); r.StatusCode != http.StatusOK {
		t.Errorf("the page itself: %s", r.Status)
	}
	leave[0]()
	for deadline := time.Now().Add(10 * time.Second); ; {
		status, cancel := look()
		defer cancel()
		if status == http.StatusOK {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("who has left still takes the place")
		}
	}
}

// Who connects and says nothing is let go of.
func TestSilentConnection(t *testing.T) {
	t.Parallel()
	conn, err := net.Dial("tcp", strings.TrimPrefix(serve(t), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetReadDeadline(time.Now().Add(4 * requestLimit)); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: 127"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, conn); err != nil {
		t.Errorf("not let go of: %v", err)
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		number(0): "0", number(1000): "1\u202f000", number(1234567): "1\u202f234\u202f567",
		percent(0, 5): "0\u202f%", percent(1, 1000): "under 1\u202f%", percent(4, 5): "80\u202f%",
		asking("a b.test."): "/why?about=a+b.test",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
