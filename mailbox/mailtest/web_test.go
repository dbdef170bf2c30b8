package mailtest

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// browser is an HTTP client in a Web.
func browser(w *Web) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: w.DialContext, TLSClientConfig: w.ClientTLS(), DisableKeepAlives: true}}
}

func browse(t *testing.T, w *Web, url string) (int, string, error) {
	t.Helper()
	resp, err := browser(w).Get(url)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

func TestWeb(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWeb(t)
		w.Latency = 10 * time.Millisecond
		w.Autoconfig("example.org", "<one/>")
		w.WellKnown("example.org", "<two/>")
		w.ISPDB("example.org", "<three/>")
		w.PACC("example.org", "{}")
		w.Autodiscover("example.org", "<five/>")
		w.Handle("http://example.org/", WebDocument("plain"))
		for url, want := range map[string]string{
			"https://autoconfig.example.org/mail/config-v1.1.xml?emailaddress=a@b":         "<one/>",
			"https://example.org/.well-known/autoconfig/mail/config-v1.1.xml":              "<two/>",
			w.ISPDBURL() + "example.org":                                                   "<three/>",
			"https://ua-auto-config.example.org/.well-known/user-agent-configuration.json": "{}",
			"http://example.org/": "plain",
		} {
			status, body, err := browse(t, w, url)
			require.NoError(t, err, url)
			assert.Equal(t, 200, status)
			assert.Equal(t, want, body)
		}
		status, _, err := browse(t, w, "https://example.org/else")
		require.NoError(t, err)
		assert.Equal(t, 404, status)
		resp, err := browser(w).Post("https://autodiscover.example.org/autodiscover/autodiscover.xml", "text/xml", strings.NewReader("<ask/>"))
		require.NoError(t, err)
		assert.Equal(t, 200, resp.StatusCode)
		_ = resp.Body.Close()
		requests := w.Requests()
		last := requests[len(requests)-1]
		assert.Equal(t, "POST <ask/> text/xml", last.Method+" "+last.Body+" "+last.Header.Get("Content-Type"))
		txt, err := w.DNS.LookupTXT(t.Context(), "_ua-auto-config.example.org")
		require.NoError(t, err)
		assert.Equal(t, []string{"v=UAAC1; a=sha256; d=RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o="}, txt)
		assert.Equal(t, 1, w.MostDialing())
		assert.Len(t, w.Dials(), len(requests))
	})
}

func TestWebNet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWeb(t)
		w.Host("example.org")
		_, err := w.DialContext(t.Context(), "tcp", "example.org:25")
		assert.ErrorIs(t, err, syscall.ECONNREFUSED)
		w.BlackHole("example.org:25")
		w.BlackHole("dead.example.org")
		for _, addr := range []string{"example.org:25", "dead.example.org:99"} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			began := time.Now()
			_, err = w.DialContext(ctx, "tcp", addr)
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			assert.Equal(t, time.Minute, time.Since(began))
			cancel()
		}
		_, err = w.DialContext(t.Context(), "tcp", "nowhere.example:1")
		assert.Error(t, err)

		srv := w.Serve("mail.example.org:143", nil, func(c *Conn) {
			c.Send("hello\r\n")
			c.StartTLS() // at once from both ends: the pipe has room
			c.Send("secret\r\n")
			c.ReadLine()
		})
		nc, err := w.DialContext(t.Context(), "tcp", "mail.example.org:143")
		require.NoError(t, err)
		line := make([]byte, len("hello\r\n"))
		_, err = io.ReadFull(nc, line)
		require.NoError(t, err)
		cfg := w.ClientTLS()
		cfg.ServerName = "mail.example.org"
		c := tls.Client(nc, cfg)
		_, err = io.WriteString(c, "bye\r\n")
		require.NoError(t, err)
		got, err := bufio.NewReader(c).ReadString('\n')
		require.NoError(t, err)
		assert.Equal(t, "secret\r\n", got)
		_ = c.Close()
		assert.Equal(t, 1, srv.Accepted())
	})
}

func TestWebCertificates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWeb(t)
		w.Handle("https://example.org/", WebDocument("x"))
		for kind, want := range map[CertKind]string{CertExpired: "expired", CertSelfSigned: "unknown authority", CertUnknownCA: "unknown authority", CertWrongHost: "not example.org"} {
			w.SetCertificate("example.org", WebBadCertificate(kind, "example.org"))
			_, _, err := browse(t, w, "https://example.org/")
			assert.ErrorContains(t, err, want)
		}
		w.SetCertificate("example.org", WebBadCertificate(CertGood, "example.org"))
		_, body, err := browse(t, w, "https://example.org/")
		require.NoError(t, err)
		assert.Equal(t, "x", body)
		many, err := x509.ParseCertificate(WebCertificate("a.example", "*.b.example").Certificate[0])
		require.NoError(t, err)
		assert.NoError(t, many.VerifyHostname("x.b.example"))
	})
}

func TestWebFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWeb(t)
		w.Handle("https://a.example/loop", WebLoop())
		_, _, err := browse(t, w, "https://a.example/loop")
		assert.ErrorContains(t, err, "10 redirects")
		w.Handle("https://a.example/there", WebRedirect("https://b.example/here"))
		w.Handle("https://b.example/here", WebDocument("here"))
		_, body, err := browse(t, w, "https://a.example/there")
		require.NoError(t, err)
		assert.Equal(t, "here", body)

		w.Handle("https://a.example/slow", WebSlow("12345", time.Hour))
		began := time.Now()
		_, body, err = browse(t, w, "https://a.example/slow")
		require.NoError(t, err)
		assert.Equal(t, "12345", body)
		assert.Equal(t, 5*time.Hour, time.Since(began))

		w.Handle("https://a.example/bomb", WebGzipBomb("x", 10<<20))
		_, body, err = browse(t, w, "https://a.example/bomb")
		require.NoError(t, err)
		assert.Len(t, body, 10<<20+1)

		w.Handle("https://a.example/in", WebLogin("Basic realm=x", "NTLM"))
		resp, err := browser(w).Get("https://a.example/in")
		require.NoError(t, err)
		_ = resp.Body.Close()
		assert.Equal(t, []string{"Basic realm=x", "NTLM"}, resp.Header.Values("WWW-Authenticate"))
		assert.Equal(t, 401, resp.StatusCode)

		w.CaptivePortal()
		_, body, err = browse(t, w, "http://any.thing.org/x")
		require.NoError(t, err)
		assert.Contains(t, body, "terms")
		_, _, err = browse(t, w, "https://a.example/in")
		assert.ErrorContains(t, err, "certificate is valid for portal.hotspot.example")
	})
}
