package web

import (
	"bytes"
	"embed"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/namewall/namewall/internal/control"
)

//go:embed static pages
var files embed.FS

// pages are the templates, by the names of their files.
var pages = template.Must(template.New("").Funcs(functions).ParseFS(files, "pages/*.html"))

// dropsShown is how many drops the page has, the latest: what somebody who calls has
// just tried is among them.
const dropsShown = 25

// topShown is how many names and clients are listed as the busiest.
const topShown = 8

// site answers requests.
type site struct {
	api       *control.Client
	listeners chan struct{} // as many as there are
}

func handler(api *control.Client) http.Handler {
	s := &site{api: api, listeners: make(chan struct{}, listenersMax)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.overview)
	mux.HandleFunc("GET /why", s.why)
	mux.HandleFunc("GET /events", s.events)
	mux.Handle("GET /static/", http.FileServerFS(files))
	return guard(mux)
}

// question is what the search box holds.
type question struct{ About, Service, Client string }

// overview is everything at a glance.
func (s *site) overview(w http.ResponseWriter, _ *http.Request) {
	var page struct {
		Question question
		Now      time.Time
		Status   control.Status
		Drops    control.Drops
		Top      control.Top
	}
	page.Now = time.Now()
	most := func(n int) url.Values { return url.Values{"limit": {strconv.Itoa(n)}} }
	if err := errors.Join(
		s.api.Get("/status", nil, &page.Status),
		s.api.Get("/drops", most(dropsShown), &page.Drops),
		s.api.Get("/top", most(topShown), &page.Top),
	); err != nil {
		fail(w, http.StatusBadGateway, page.Question, err)
		return
	}
	render(w, http.StatusOK, "overview.html", &page)
}

// why answers what is asked in the search box.
func (s *site) why(w http.ResponseWriter, r *http.Request) {
	var page struct {
		Question question
		Now      time.Time
		Why      control.Why
	}
	word := func(name string) string { return strings.TrimSpace(r.URL.Query().Get(name)) }
	q := question{word("about"), word("service"), word("client")}
	if q.About == "" {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	page.Question, page.Now = q, time.Now()
	if err := s.api.Get("/why", control.Subject(q.About, q.Service, q.Client), &page.Why); err != nil {
		fail(w, http.StatusBadRequest, q, err)
		return
	}
	render(w, http.StatusOK, "why.html", &page)
}

// fail says why there is nothing to show.
func fail(w http.ResponseWriter, status int, q question, err error) {
	render(w, status, "error.html", struct {
		Question question
		Error    error
	}{q, err})
}

// render writes a page as a whole or not at all. That the browser has gone meanwhile
// is its own matter.
func render(w http.ResponseWriter, status int, name string, page any) {
	var text bytes.Buffer
	if err := pages.ExecuteTemplate(&text, name, page); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(text.Bytes())
}
