package discover

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

const first = "https://autoconfig.example.org/mail/config-v1.1.xml"

// naive is an HTTP client without our rules.
func (w *world) naive() *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: w.DialContext, TLSClientConfig: w.ClientTLS(), DisableKeepAlives: true}}
}

// get is what a naive client gets, cut at a size.
func (w *world) get(t *testing.T, url string, size int64) string {
	t.Helper()
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet, url, nil)
	require.NoError(t, err)
	resp, err := w.naive().Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, size))
	require.NoError(t, err)
	return string(body)
}

// outcome is what became of the first attempt whose target ends so.
func attemptAt(attempts []Attempt, target string) string {
	for _, a := range attempts {
		if a.Target == target {
			return a.Outcome
		}
	}
	return "was not tried"
}

var httpCases = map[string]func(t *testing.T, w *world){
	"16-redirect-to-http": func(t *testing.T, w *world) {
		w.DNS.SetMX("example.org", "10 mx.example.org.")
		w.Handle(first, mailtest.WebRedirect("http://www.example.org/c.xml"))
		w.Handle("http://www.example.org/c.xml", mailtest.WebDocument(usual("example.org")))
		e := w.fail("ann@example.org", ErrNothing)
		assert.Equal(t, "it redirects to what is not https", attemptAt(e.Attempts, first))
		assert.NotContains(t, urls(w), "http://www.example.org/c.xml")
	},
	"16-redirect-elsewhere": func(t *testing.T, w *world) {
		w.Handle(first, mailtest.WebRedirect("https://www.example.org/c.xml"))
		w.Handle("https://www.example.org/c.xml", mailtest.WebDocument(usual("example.org")))
		assert.Empty(t, w.find("ann@example.org").Incoming[0].Confirm, "the same domain")

		w.Handle("https://www.example.org/c.xml", mailtest.WebRedirect("https://conf.hoster.example/c.xml"))
		w.Handle("https://conf.hoster.example/c.xml", mailtest.WebRedirect("https://back.example.org/c.xml"))
		w.Handle("https://back.example.org/c.xml", mailtest.WebDocument(usual("example.org")))
		s := w.find("ann@example.org").Incoming[0]
		require.Len(t, s.Confirm, 1, "on the way through another domain")
		assert.Contains(t, s.Confirm[0], "conf.hoster.example")
		assert.Equal(t, "https://back.example.org/c.xml", s.Evidence)
	},
	"16-redirect-fourth": func(t *testing.T, w *world) {
		w.DNS.SetMX("example.org", "10 mx.example.org.")
		w.Handle(first, mailtest.WebLoop())
		w.Handle("https://example.org/.well-known/autoconfig/mail/config-v1.1.xml", mailtest.WebRedirect("https://example.org/.well-known/autoconfig/mail/config-v1.1.xml"))
		e := w.fail("ann@example.org", ErrNothing)
		assert.Equal(t, "it redirects too often", attemptAt(e.Attempts, first))
		asked := 0
		for _, u := range urls(w) {
			if strings.HasPrefix(u, first) {
				asked++
			}
		}
		assert.Equal(t, 4, asked, "three redirects")
	},
	"16-redirect-private": func(t *testing.T, w *world) {
		for i, to := range []string{"127.0.0.1", "169.254.169.254", "[fd00::1]", "10.0.0.1", "[::ffff:127.0.0.1]", "0.0.0.0", "100.64.0.1", "[64:ff9b::7f00:1]"} {
			w.DNS.SetMX("example.org", "10 mx.example.org.")
			w.Handle(first, mailtest.WebRedirect("https://"+to+"/latest/meta-data/"))
			e := w.fail("ann@example.org", ErrNothing)
			assert.Contains(t, attemptAt(e.Attempts, first), "private or local address", to)
			for _, d := range w.Dials() {
				assert.True(t, strings.HasPrefix(d, "203.0.113."), "%d: %s", i, d)
			}
		}
	},
	"16-redirect-rebinding": func(t *testing.T, w *world) {
		// The name to which it redirects is public at first, and then this computer.
		w.DNS.SetMX("example.org", "10 mx.example.org.")
		w.Handle(first, mailtest.WebRedirect("https://conf.example.org/c.xml"))
		w.Handle("https://conf.example.org/c.xml", mailtest.WebDocument(usual("example.org")))
		public := w.Host("conf.example.org")
		inside := w.Serve("127.0.0.1:443", overTLS, web)
		w.DNS.SetRebinding("conf.example.org", public, "127.0.0.1")
		w.find("ann@example.org")
		e := w.fail("ann@example.org", ErrNothing)
		assert.Contains(t, attemptAt(e.Attempts, first), "private or local address")
		assert.Zero(t, inside.Accepted())
	},
	"17-too-long": func(t *testing.T, w *world) {
		w.Handle(first, mailtest.WebDocument(strings.Repeat(" ", 300<<10)+usual("example.org")))
		w.WellKnown("example.org", usual("example.org"))
		r := w.find("ann@example.org")
		assert.Equal(t, "well-known", r.Incoming[0].Source, "the other place still answers")
		assert.Equal(t, "its answer is too long: more than 262144 octets", attemptAt(r.Attempts, first))
		w.lim.body = 1 << 20
		assert.Equal(t, "autoconfig", w.find("ann@example.org").Incoming[0].Source)
	},
	"17-slow": func(t *testing.T, w *world) {
		w.Handle(first, mailtest.WebSlow(usual("example.org"), time.Second))
		w.WellKnown("example.org", usual("example.org"))
		began := time.Now()
		r := w.find("ann@example.org")
		assert.Equal(t, "well-known", r.Incoming[0].Source)
		assert.Equal(t, 5*time.Second, time.Since(began), "of the clock of synctest")
		assert.Equal(t, "timed out", attemptAt(r.Attempts, first))
		w.opts.SourceTimeout, w.opts.Timeout = time.Hour, 2*time.Hour
		assert.Equal(t, "autoconfig", w.find("ann@example.org").Incoming[0].Source, "with patience")
	},
	"17-gzip-bomb": func(t *testing.T, w *world) {
		w.Handle(first, mailtest.WebGzipBomb(usual("example.org"), 4<<20))
		w.WellKnown("example.org", usual("example.org"))
		r := w.find("ann@example.org")
		assert.Equal(t, "well-known", r.Incoming[0].Source)
		assert.Equal(t, "its answer is too long: more than 262144 octets", attemptAt(r.Attempts, first))
		assert.Len(t, w.get(t, first, 1<<20), 1<<20, "who reads on gets it all")
	},
	"20-login": func(t *testing.T, w *world) {
		w.DNS.SetMX("example.org", "10 mx.example.org.")
		w.Handle("https://autodiscover.example.org/autodiscover/autodiscover.xml", mailtest.WebLogin("Basic realm=x", "NTLM", "Bearer"))
		w.Handle("https://example.org/autodiscover/autodiscover.xml", mailtest.WebLogin("Negotiate"))
		w.Handle(first, mailtest.WebRedirect("https://user:password@conf.example.org/c.xml"))
		w.Handle("https://conf.example.org/c.xml", mailtest.WebDocument(usual("example.org")))
		e := w.fail("ann@example.org", ErrNothing) // which checks all headers
		assert.Equal(t, "it wants a login, which discovery never sends", attemptAt(e.Attempts, "https://autodiscover.example.org/autodiscover/autodiscover.xml"))
		n := 0
		for _, r := range w.Requests() {
			if r.Method == http.MethodPost {
				n++
				assert.Contains(t, r.Body, "<EMailAddress>ann@example.org</EMailAddress>")
			}
		}
		assert.Equal(t, 2, n, "each was asked once")
	},
	"exchange": func(t *testing.T, w *world) {
		// Who has Exchange is told so, and not only that nothing was found.
		w.DNS.SetMX("a.example", "10 mx.a.example.")
		w.Handle("https://autodiscover.a.example/autodiscover/autodiscover.xml", mailtest.WebLogin("NTLM", "Negotiate"))
		assert.Contains(t, w.fail("ann@a.example", ErrNothing).Advice, "Exchange")
		w.DNS.SetMX("b.example", "10 mx.b.example.")
		w.Autodiscover("b.example", poxDoc("EXCH mail.b.example 443 on"))
		assert.Contains(t, w.fail("ann@b.example", ErrNothing).Advice, "Exchange")
		w.DNS.SetMX("c.example", "10 mx.c.example.")
		assert.NotContains(t, w.fail("ann@c.example", ErrNothing).Advice, "Exchange")
	},
	"33-captive-portal": func(t *testing.T, w *world) {
		w.Autoconfig("example.org", usual("example.org"))
		w.DNS.SetMX("example.org", "10 mx.example.org.")
		w.CaptivePortal()
		w.opts.AllowHTTP = true
		e := w.fail("ann@example.org", ErrNetwork)
		require.ErrorIs(t, e, mailbox.ErrCertificate)
		assert.Contains(t, e.Advice, "answers in the place")
		require.NotNil(t, e.Unverified)
		assert.NotEmpty(t, e.Unverified.Incoming[0].Confirm)
		assert.Equal(t, "imap.example.org:993", e.Unverified.Incoming[0].Addr())
	},
	"33-own-certificate": func(t *testing.T, w *world) {
		// A domain whose web server has a bad certificate is no hotspot.
		w.DNS.SetMX("example.org", "10 mx.hoster.example.")
		w.DNS.SetWildcard("example.org", w.Host("example.org"))
		w.Handle("https://example.org/", mailtest.WebDocument("<html/>"))
		w.SetCertificate("*", mailtest.WebCertificate("other.example"))
		w.SetCertificate("ispdb.example.net", mailtest.WebCertificate("ispdb.example.net"))
		e := w.fail("ann@example.org", ErrNothing)
		assert.NotErrorIs(t, e, mailbox.ErrCertificate, "no mail server was found")
		w.opts.ISPDB = "off"
		w.fail("ann@example.org", ErrNothing)
		w.Handle("https://autoconfig.hoster.example/", mailtest.WebDocument("<html/>"))
		w.fail("ann@example.org", ErrNetwork)
	},
	"autodiscover-redirects": func(t *testing.T, w *world) {
		w.Handle("https://autodiscover.a.example/autodiscover/autodiscover.xml", mailtest.WebRedirect("https://autodiscover-s.outlook.com/autodiscover/autodiscover.xml"))
		r := w.find("ann@a.example")
		assert.Equal(t, "Microsoft 365", r.Provider, "without asking Microsoft")

		const action = `<Autodiscover><Response><Account><Action>redirectUrl</Action><RedirectUrl>%s</RedirectUrl></Account></Response></Autodiscover>`
		w.Autodiscover("b.example", strings.Replace(action, "%s", "https://mail.b.example/autodiscover/autodiscover.xml", 1))
		w.Handle("https://mail.b.example/autodiscover/autodiscover.xml", mailtest.WebDocument(poxDoc("POP3 pop.hoster.example 995 on")))
		r = w.find("ann@b.example")
		assert.Equal(t, "pop3 pop.hoster.example:995 TLS", brief(r.Incoming))
		assert.NotEmpty(t, r.Incoming[0].Confirm, "a server of another domain")

		w.DNS.SetMX("c.example", "10 mx.c.example.")
		w.Autodiscover("c.example", strings.Replace(action, "%s", "https://evil.example.net/autodiscover/autodiscover.xml", 1))
		w.Handle("https://evil.example.net/autodiscover/autodiscover.xml", mailtest.WebDocument(poxDoc("IMAP imap.example.net 993 on")))
		w.fail("ann@c.example", ErrNothing)
		for _, u := range urls(w) {
			assert.NotContains(t, u, "evil")
			assert.NotContains(t, u, "outlook.com")
		}
	},
	"http-last": func(t *testing.T, w *world) {
		w.DNS.SetMX("example.org", "10 mx.example.org.")
		w.Handle("http://autoconfig.example.org/mail/config-v1.1.xml", mailtest.WebDocument(usual("example.org")))
		w.fail("ann@example.org", ErrNothing)
		w.opts.AllowHTTP = true
		r := w.find("ann@example.org")
		assert.Equal(t, "http", r.Incoming[0].Source)
		assert.Equal(t, TrustLow, r.Incoming[0].Trust)
		assert.Contains(t, r.Incoming[0].Confirm[0], "unprotected")
		assert.Contains(t, urls(w), "http://autoconfig.example.org/mail/config-v1.1.xml", "without the address")
	},
	"hide-address": func(t *testing.T, w *world) {
		w.Autoconfig("example.org", usual("example.org"))
		w.Autodiscover("example.org", poxDoc("IMAP imap.example.org 993 on"))
		w.opts.HideAddress = true
		w.find("ann@example.org")
		for _, r := range w.Requests() {
			assert.NotContains(t, r.URL+r.Body, "ann")
		}
	},
}
