package discover

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

const userAgent = "postroom-discover/1"

// document is what a URL gave.
type document struct {
	body []byte
	url  string // where it was in the end, without the query
	// away is the host to which redirects led, if that belongs to others than
	// the host that was asked.
	away string
}

var (
	errRedirects = errors.New("it redirects too often")
	errScheme    = errors.New("it redirects to what is not https")
	errLocation  = errors.New("it redirects to what is no URL")
	errStatus    = errors.New("it answers with HTTP status")
	errTooLong   = errors.New("its answer is too long")
	errLogin     = errors.New("it wants a login, which discovery never sends")
)

// request is what to ask of an HTTP server.
type request struct {
	url       string
	body      string // of a POST; empty is GET
	redirects int    // how many are followed
	plain     bool   // http is allowed
	// stop, if not nil, gets the URL to which the server redirects, and nothing
	// is followed.
	stop *string
}

// fetch gets a document by the rules: HTTPS with a verified certificate, status
// 200, few redirects and those to HTTPS, a bounded body in bounded time; no
// cookies, no Referer, no credentials, whatever the server asks for.
func (q *query) fetch(ctx context.Context, r request) (*document, error) {
	ctx, cancel := context.WithTimeout(ctx, q.set.SourceTimeout)
	defer cancel()
	method, body := http.MethodGet, io.Reader(nil)
	if r.body != "" {
		method, body = http.MethodPost, strings.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(ctx, method, r.url, body)
	if err != nil {
		return nil, err
	}
	if why := badURL(req.URL, r.plain); why != nil {
		return nil, why
	}
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set("Accept", "application/xml, text/xml, application/json")
	if r.body != "" {
		req.Header.Set("Content-Type", "text/xml; charset=utf-8")
	}
	first := req.URL.Hostname()
	doc := &document{}
	client := *q.client
	client.CheckRedirect = func(next *http.Request, via []*http.Request) error {
		next.Header.Del("Referer") // the query may hold the address
		next.Header.Del("Authorization")
		if r.stop != nil {
			*r.stop = next.URL.String()
			return http.ErrUseLastResponse
		}
		if len(via) > r.redirects {
			return errRedirects
		}
		if why := badURL(next.URL, r.plain && via[len(via)-1].URL.Scheme == "http"); why != nil {
			return why
		}
		if !related(first, next.URL.Hostname()) {
			doc.away = safeHost(next.URL)
		}
		return nil
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, httpError(err)
	}
	defer func() { _ = resp.Body.Close() }()
	doc.url = withoutQuery(resp.Request.URL)
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusUnauthorized:
		return nil, errLogin
	default:
		return nil, fmt.Errorf("%w %d", errStatus, resp.StatusCode)
	}
	doc.body, err = io.ReadAll(io.LimitReader(resp.Body, q.set.lim.body+1))
	if err != nil {
		return nil, httpError(err)
	}
	if int64(len(doc.body)) > q.set.lim.body {
		return nil, fmt.Errorf("%w: more than %d octets", errTooLong, q.set.lim.body)
	}
	return doc, nil
}

// badURL says why a URL is not asked.
func badURL(u *url.URL, plain bool) error {
	switch {
	case u.Scheme != "https" && (u.Scheme != "http" || !plain):
		return errScheme
	case u.User != nil:
		return errors.New("its URL holds a user name")
	case u.Hostname() == "":
		return errors.New("its URL has no host")
	}
	return nil
}

// httpError takes the URL, which may hold the address, out of an error, and gives
// failures of certificates their sentinel.
func httpError(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if strings.Contains(err.Error(), "Location header") {
		return errLocation // whose text repeats what the server says, the address perhaps
	}
	return certificateError(err)
}

// withoutQuery is a URL for logs: what stands in the query may be the address,
// and a host's name beyond ASCII may look like another.
func withoutQuery(u *url.URL) string {
	bare := url.URL{Scheme: u.Scheme, Host: safeHost(u), Path: u.Path}
	if port := u.Port(); port != "" {
		bare.Host = net.JoinHostPort(safeHost(u), port)
	}
	return text(bare.String())
}

// safeHost is the host of a URL in A-labels, or in quotes if it has none.
func safeHost(u *url.URL) string {
	if _, err := netip.ParseAddr(u.Hostname()); err == nil {
		return u.Hostname()
	}
	name, err := hostName(strings.ToLower(u.Hostname()))
	if err != nil {
		return strconv.QuoteToASCII(u.Hostname())
	}
	return name
}

// newClient makes the HTTP client of one lookup. Its connections serve one
// request each, and are known to sockets. Dials end with ctx, since net/http goes
// on with those of requests that were given up.
func (s *settings) newClient(ctx context.Context, sockets *sockets) *http.Client {
	client := &http.Client{}
	if s.HTTPClient != nil {
		client.Transport = s.HTTPClient.Transport
	}
	base, ours := client.Transport.(*http.Transport)
	switch {
	case client.Transport == nil:
		base = &http.Transport{}
	case !ours || base.Proxy != nil || base.DialContext != nil || base.DialTLSContext != nil:
		return client
	default:
		base = base.Clone()
	}
	tlsConfig := s.tlsConfig("")
	if s.TLSConfig == nil && base.TLSClientConfig != nil {
		tlsConfig = base.TLSClientConfig
		tlsConfig.ServerName = "" // each server proves its own name
		tlsConfig.MinVersion = max(tlsConfig.MinVersion, tls.VersionTLS12)
	}
	base.DialContext = func(_ context.Context, _, addr string) (net.Conn, error) {
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return nil, err
		}
		return sockets.dial(func() (net.Conn, error) { return s.dial(ctx, host, int(n)) })
	}
	base.TLSClientConfig = tlsConfig
	base.TLSHandshakeTimeout = s.SourceTimeout
	base.DisableKeepAlives = true
	base.MaxResponseHeaderBytes = 64 << 10
	base.ForceAttemptHTTP2 = false
	client.Transport = base
	return client
}

// tlsConfig is the TLS configuration for a server of that name.
func (s *settings) tlsConfig(name string) *tls.Config {
	cfg := &tls.Config{}
	if s.TLSConfig != nil {
		cfg = s.TLSConfig.Clone()
	}
	cfg.MinVersion = max(cfg.MinVersion, tls.VersionTLS12)
	cfg.ServerName = name
	return cfg
}
