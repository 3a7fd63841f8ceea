package web

import (
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// policy is what a browser may do with the page: only what comes from here.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; font-src 'self'; connect-src 'self'; " +
	"manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// csrfHeader proves that a request which changes something comes from the page.
const csrfHeader = "Sensed-CSRF"

// guard answers requests that may not come through to h.
func (s *Server) guard(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		head := w.Header()
		head.Set("Content-Security-Policy", policy)
		head.Set("X-Content-Type-Options", "nosniff")
		head.Set("X-Frame-Options", "DENY")
		head.Set("Referrer-Policy", "no-referrer")
		head.Set("Cross-Origin-Resource-Policy", "same-origin")
		head.Set("Cross-Origin-Opener-Policy", "same-origin")
		head.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		head.Set("Cache-Control", "no-store")
		if r.TLS != nil {
			head.Set("Strict-Transport-Security", "max-age=31536000")
		}
		if !s.hosted(r.Host) {
			refuse(w, http.StatusMisdirectedRequest, fmt.Sprintf("this page is not to be reached as %.80q; add the name to web.hosts in the configuration", r.Host))
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody+smallBody) // some more, so that a little too much can still be answered
		h.ServeHTTP(w, r)
	})
}

// hosted tells whether the page may be reached under that name. An address cannot
// be made to point here by whoever owns a name (DNS rebinding), names can.
func (s *Server) hosted(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.TrimSuffix(strings.Trim(name, "[]"), "."))
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	return slices.Contains(s.hosts, name)
}

// foreign tells whether a browser sends a request for another site.
func foreign(r *http.Request) bool {
	switch site := r.Header.Get("Sec-Fetch-Site"); site {
	case "same-origin", "none":
		return false
	case "":
	default:
		return true
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false // no browser, or nothing that changes something
	}
	u, err := url.Parse(origin)
	return err != nil || u.Host != r.Host
}

// api lets a request through to a handler of the API.
func (s *Server) api(rt *Route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if foreign(r) {
			refuse(w, http.StatusForbidden, "another site may not use this page")
			return
		}
		if rt.open {
			rt.serve(s, w, r)
			return
		}
		l, ok := s.auth.find(r)
		if !ok {
			refuse(w, http.StatusUnauthorized, "log in first")
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead &&
			subtle.ConstantTimeCompare([]byte(r.Header.Get(csrfHeader)), []byte(l.csrf())) != 1 {
			refuse(w, http.StatusForbidden, "the header "+csrfHeader+" is missing or wrong; GET api/v1/session says what it has to be")
			return
		}
		rt.serve(s, w, r)
	}
}
