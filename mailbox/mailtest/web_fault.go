package mailtest

import (
	"compress/gzip"
	"crypto/tls"
	"io"
	"net/http"
	"strconv"
	"time"
)

// WebRedirect redirects to a URL.
func WebRedirect(to string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) }
}

// WebLoop redirects to itself for ever, by URLs that are all different.
func WebLoop() http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Query().Get("n"))
		http.Redirect(w, r, r.URL.Path+"?n="+strconv.Itoa(n+1), http.StatusFound)
	}
}

// WebSlow sends a document octet by octet, with a pause after each.
func WebSlow(doc string, pause time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := range len(doc) {
			if _, err := io.WriteString(w, doc[i:i+1]); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
				panic(http.ErrAbortHandler) // a return would end the document properly
			case <-time.After(pause):
			}
		}
	}
}

// WebGzipBomb sends a document followed by size spaces, which gzip makes a
// thousand times smaller.
func WebGzipBomb(doc string, size int64) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, err := io.WriteString(z, doc)
		spaces := make([]byte, 32<<10)
		for i := range spaces {
			spaces[i] = ' '
		}
		for left := size; left > 0 && err == nil; left -= int64(len(spaces)) {
			_, err = z.Write(spaces)
		}
		_ = z.Close()
	}
}

// WebLogin wants a login by the schemes, such as "Basic" or "NTLM".
func WebLogin(schemes ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for _, s := range schemes {
			w.Header().Add("WWW-Authenticate", s)
		}
		http.Error(w, "log in", http.StatusUnauthorized)
	}
}

// CaptivePortal has the Web behave as a hotspot before one has logged in: each
// name leads to it, whatever is asked over HTTP gets a page with status 200, and
// HTTPS has a certificate that nobody trusts.
func (w *Web) CaptivePortal() {
	const portal = "portal.hotspot.example"
	w.Handle("http://*/", func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(rw, "<html><body>Accept our terms</body></html>")
	})
	addr := w.Host(portal)
	w.listen(addr+":80", w.http.serve)
	w.listen(addr+":443", w.https.serve)
	w.mu.Lock()
	w.certs = map[string]*tls.Certificate{"*": WebBadCertificate(CertSelfSigned, portal)}
	w.mu.Unlock()
	w.DNS.captive(addr)
}

// captive has all names lead to one address.
func (d *DNS) captive(addr string) {
	d.mu.Lock()
	d.addrs, d.turns, d.cnames = nil, nil, nil
	d.mu.Unlock()
	for _, top := range []string{"com", "net", "org", "example", "test"} {
		d.SetWildcard(top, addr)
	}
}
