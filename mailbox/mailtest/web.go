package mailtest

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Web is a small internet inside the process: names in a DNS of its own, web
// servers and mail servers at them, over net.Pipe, so that it also works inside a
// bubble of testing/synctest. It is an access.Dialer; DNS is its resolver, and
// ClientTLS trusts its certificates:
//
//	web := mailtest.NewWeb(t)
//	web.Autoconfig("example.org", document)
//	result, err := discover.Lookup(ctx, "ann@example.org", &discover.Options{
//		Resolver: &web.DNS, Dialer: web, TLSConfig: web.ClientTLS(), ISPDB: web.ISPDBURL(),
//	})
//
// It writes down all requests and dials. All methods are safe for concurrent use;
// set Latency first.
type Web struct {
	// DNS has the names.
	DNS DNS
	// Latency is how long every octet is under way in each direction.
	Latency time.Duration

	t     testing.TB
	https *webServer
	http  *webServer

	mu        sync.Mutex
	hosts     map[string]string // the addresses that Host gave
	next      int
	listeners map[string]listener
	holes     map[string]bool
	dials     []string
	dialing   int
	most      int
	certs     map[string]*tls.Certificate
	handlers  map[string]http.Handler // by scheme://host/path
	requests  []WebRequest
}

// WebRequest is a request that a Web got.
type WebRequest struct {
	// URL is the whole URL, with the query.
	URL string
	// Method and Header are as in http.Request.
	Method string
	Header http.Header
	// Body is the request's body.
	Body string
}

// NewWeb makes a Web that ends with the test. Its list of providers is there and
// empty.
func NewWeb(t testing.TB) *Web {
	w := StartWeb()
	w.t = t
	t.Cleanup(func() {
		w.Close()
		if w.Latency > 0 {
			// What is under way arrives before a bubble of testing/synctest ends.
			<-time.After(4 * w.Latency)
		}
	})
	return w
}

// StartWeb is NewWeb for a program that is no test. Close ends it. It has no Serve,
// and panics where NewWeb's fails the test.
func StartWeb() *Web {
	w := &Web{hosts: map[string]string{}, listeners: map[string]listener{}, holes: map[string]bool{},
		certs: map[string]*tls.Certificate{}, handlers: map[string]http.Handler{}}
	w.https = newWebServer(w, "https")
	w.http = newWebServer(w, "http")
	w.open("https", ispdbHost)
	return w
}

// Close ends the web servers. It is idempotent.
func (w *Web) Close() {
	w.https.close()
	w.http.close()
}

// misused is for a call that makes no sense.
func (w *Web) misused(format string, args ...any) {
	if w.t == nil {
		panic(fmt.Sprintf("mailtest: "+format, args...))
	}
	w.t.Helper()
	w.t.Fatalf("mailtest: "+format, args...)
}

const ispdbHost = "ispdb.example.net"

// ISPDBURL is where its list of providers is.
func (w *Web) ISPDBURL() string { return "https://" + ispdbHost + "/v1.1/" }

// Handle answers a URL, "https://host/path" or "http://host/path", without its
// query. The host gets an address and a good certificate if it has none; its other
// paths are not found.
func (w *Web) Handle(url string, h http.HandlerFunc) {
	scheme, rest, ok := strings.Cut(url, "://")
	host, _, path := strings.Cut(rest, "/")
	if !ok || !path {
		w.misused("%q is not scheme://host/path", url)
	}
	w.open(scheme, host)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.handlers[url] = h
}

// open has a host listen.
func (w *Web) open(scheme, host string) {
	name, port := host, map[string]string{"https": "443", "http": "80"}[scheme]
	if h, p, err := net.SplitHostPort(host); err == nil {
		name, port = h, p
	}
	server := w.https
	if scheme == "http" {
		server = w.http
	}
	w.listen(w.at(net.JoinHostPort(name, port)), server.serve)
}

// SetCertificate gives a host's web server a certificate, or if the host is "*"
// all those that were not asked for one yet. See WebBadCertificate.
func (w *Web) SetCertificate(host string, cert *tls.Certificate) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.certs[fold(host)] = cert
}

// WebDocument answers with a document.
func WebDocument(doc string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/xml; charset=utf-8")
		_, _ = io.WriteString(w, doc)
	}
}

// Autoconfig publishes a document at the first of the two places of a domain,
// autoconfig.DOMAIN.
func (w *Web) Autoconfig(domain, doc string) {
	w.Handle("https://autoconfig."+domain+"/mail/config-v1.1.xml", WebDocument(doc))
}

// WellKnown publishes a document at the second of the two places.
func (w *Web) WellKnown(domain, doc string) {
	w.Handle("https://"+domain+"/.well-known/autoconfig/mail/config-v1.1.xml", WebDocument(doc))
}

// ISPDB lists a document in the list of providers.
func (w *Web) ISPDB(domain, doc string) { w.Handle(w.ISPDBURL()+domain, WebDocument(doc)) }

// PACC publishes a document as draft-ietf-mailmaint-pacc says, with its digest in
// DNS.
func (w *Web) PACC(domain, doc string) {
	w.Handle("https://ua-auto-config."+domain+"/.well-known/user-agent-configuration.json", WebDocument(doc))
	w.DNS.SetTXT("_ua-auto-config."+domain, PACCRecord(doc))
}

// PACCRecord is the TXT record with the digest of a document.
func PACCRecord(doc string) string {
	sum := sha256.Sum256([]byte(doc))
	return "v=UAAC1; a=sha256; d=" + base64.StdEncoding.EncodeToString(sum[:])
}

// Autodiscover publishes a response of Autodiscover, for requests that post to
// autodiscover.DOMAIN.
func (w *Web) Autodiscover(domain, doc string) {
	w.Handle("https://autodiscover."+domain+"/autodiscover/autodiscover.xml", func(rw http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			http.Error(rw, "post", http.StatusMethodNotAllowed)
			return
		}
		WebDocument(doc)(rw, r)
	})
}

// Requests are the requests so far, in order.
func (w *Web) Requests() []WebRequest {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.requests)
}

// webServer is one HTTP server for all hosts.
type webServer struct {
	w      *Web
	scheme string
	conns  chan net.Conn
	done   chan struct{}
	server *http.Server
	wg     sync.WaitGroup

	mu    sync.Mutex
	given []net.Conn // all of them
	over  bool
}

func newWebServer(w *Web, scheme string) *webServer {
	s := &webServer{w: w, scheme: scheme, conns: make(chan net.Conn, 64), done: make(chan struct{})}
	s.server = &http.Server{Handler: s, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: time.Hour,
		TLSConfig: &tls.Config{GetCertificate: w.certificate, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}}
	var ln net.Listener = s
	if scheme == "https" {
		ln = tls.NewListener(s, s.server.TLSConfig)
	}
	s.wg.Go(func() { _ = s.server.Serve(ln) })
	return s
}

// certificate is the host's own, or a good one.
func (w *Web) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	name := fold(hello.ServerName)
	if w.certs[name] == nil {
		if c := w.certs["*"]; c != nil {
			return c, nil
		}
		w.certs[name] = WebCertificate(name)
	}
	return w.certs[name], nil
}

func (s *webServer) serve(nc net.Conn) {
	s.mu.Lock()
	s.given = append(s.given, nc)
	over := s.over
	s.mu.Unlock()
	if over {
		_ = nc.Close()
		return
	}
	select {
	case s.conns <- nc:
	case <-s.done:
	}
}

func (s *webServer) close() {
	_ = s.server.Close()
	s.wg.Wait()
	// Those, too, that the server has not come to, or takes just now.
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	for _, nc := range s.given {
		_ = nc.Close()
	}
}

// Accept, Close and Addr make it a net.Listener.
func (s *webServer) Accept() (net.Conn, error) {
	select {
	case nc := <-s.conns:
		return nc, nil
	case <-s.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (s *webServer) Close() error {
	select {
	case <-s.done:
	default:
		close(s.done)
	}
	return nil
}

// Addr is a made-up address.
func (s *webServer) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(203, 0, 113, 0)} }

func (s *webServer) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	r.Body = io.NopCloser(bytes.NewReader(body))
	url := s.scheme + "://" + r.Host + r.URL.Path
	full := url
	if r.URL.RawQuery != "" {
		full += "?" + r.URL.RawQuery
	}
	s.w.mu.Lock()
	s.w.requests = append(s.w.requests, WebRequest{URL: full, Method: r.Method, Header: r.Header.Clone(), Body: string(body)})
	h := s.w.handlers[url]
	if h == nil {
		h = s.w.handlers[s.scheme+"://*/"]
	}
	s.w.mu.Unlock()
	if h == nil {
		http.NotFound(rw, r)
		return
	}
	h.ServeHTTP(rw, r)
}
