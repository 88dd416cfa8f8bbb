package web

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// policy lets a page load its own style, script and icon, ask its own server, and
// nothing else; no other site may frame it.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// guard turns away what a page of another site can have a browser ask for, and
// tells browsers what this one may do.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer") // what was searched for is nobody else's to know
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "this page can only be looked at", http.StatusMethodNotAllowed)
		case !literal(r.Host):
			http.Error(w, "ask for this page by its address, as in http://127.0.0.1:8480/: a name could be anybody's", http.StatusMisdirectedRequest)
		case foreign(r):
			http.Error(w, "another site's page asks for this", http.StatusForbidden)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// literal tells whether a host is an address, or this machine's own name for
// itself. A name of anybody's can be made to lead here, after which the browser
// takes this page for that site's own (DNS rebinding).
func literal(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true
	}
	return strings.EqualFold(host, "localhost")
}

// foreign tells whether a page of another origin has the browser ask, other than by
// a link that was followed (Fetch Metadata, W3C).
func foreign(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
		return false
	}
	return r.Header.Get("Sec-Fetch-Mode") != "navigate"
}
