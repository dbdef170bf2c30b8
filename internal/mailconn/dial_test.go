package mailconn_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/internal/mailconn"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

type dialerFunc func(ctx context.Context) (net.Conn, error)

func (f dialerFunc) DialContext(ctx context.Context, _, _ string) (net.Conn, error) { return f(ctx) }

func echo(c *mailtest.Conn) { _, _ = io.Copy(c, c) }

func TestDial(t *testing.T) {
	srv := mailtest.Serve(t, &mailtest.ServeOptions{TLS: true}, echo)
	c, err := mailconn.Dial(t.Context(), srv.Addr, &access.Options{TLSConfig: mailtest.ClientTLS()})
	require.NoError(t, err)
	assert.True(t, c.Secure())
	_, err = c.Write([]byte("hello"))
	require.NoError(t, err)
	b := make([]byte, 5)
	_, err = io.ReadFull(c, b)
	require.NoError(t, err)
	assert.Equal(t, "hello", string(b))
	assert.Equal(t, srv.Addr, c.RemoteAddr().String())
	assert.NotEmpty(t, c.LocalAddr().String())
	require.NoError(t, c.Close())
}

func TestDialErrors(t *testing.T) {
	_, err := mailconn.Dial(t.Context(), "mail.example", nil)
	require.ErrorContains(t, err, "host:port")

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_ = ln.Close()
	_, err = mailconn.Dial(t.Context(), ln.Addr().String(), nil)
	require.ErrorIs(t, err, mailbox.ErrUnavailable)

	unknown := &net.DNSError{Err: "no such host", Name: "mail.invalid", IsNotFound: true}
	_, err = mailconn.Dial(t.Context(), "mail.invalid:995", &access.Options{
		Dialer: dialerFunc(func(context.Context) (net.Conn, error) { return nil, unknown }),
	})
	require.ErrorIs(t, err, mailbox.ErrUnavailable)
	var dns *net.DNSError
	require.ErrorAs(t, err, &dns)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = mailconn.Dial(ctx, "127.0.0.1:1", nil)
	require.ErrorIs(t, err, context.Canceled)
}

// TestDialObeys: neither a dialer that does not care for its context nor a
// server that says nothing holds up a call.
func TestDialObeys(t *testing.T) {
	never := dialerFunc(func(context.Context) (net.Conn, error) { <-time.After(time.Hour); return nil, io.EOF })
	silent := dialerFunc(func(context.Context) (net.Conn, error) {
		client, server := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, server) }()
		return client, nil
	})
	for name, d := range map[string]access.Dialer{"dialer": never, "handshake": silent} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				defer func() { <-time.After(3 * time.Hour) }() // for the dialer to end
				begin := time.Now()
				_, err := mailconn.Dial(t.Context(), "localhost:995", &access.Options{Dialer: d})
				require.ErrorIs(t, err, mailbox.ErrUnavailable)
				assert.NotErrorIs(t, err, context.DeadlineExceeded)
				assert.Equal(t, 30*time.Second, time.Since(begin))

				begin = time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err = mailconn.Dial(ctx, "localhost:995", &access.Options{Dialer: d})
				require.ErrorIs(t, err, context.DeadlineExceeded)
				assert.Equal(t, time.Second, time.Since(begin))
			})
		})
	}
}

func TestCertificates(t *testing.T) {
	for name, tt := range map[string]struct {
		kind mailtest.CertKind
		as   any
		text string
	}{
		"wrong host":  {mailtest.CertWrongHost, &x509.HostnameError{}, "another name"},
		"expired":     {mailtest.CertExpired, &x509.CertificateInvalidError{}, "expired"},
		"self-signed": {mailtest.CertSelfSigned, &x509.UnknownAuthorityError{}, "issuer"},
		"unknown CA":  {mailtest.CertUnknownCA, &x509.UnknownAuthorityError{}, "issuer"},
	} {
		t.Run(name, func(t *testing.T) {
			srv := mailtest.Serve(t, &mailtest.ServeOptions{TLS: true, Cert: mailtest.Certificate(tt.kind)}, echo)
			_, err := mailconn.Dial(t.Context(), srv.Addr, &access.Options{TLSConfig: mailtest.ClientTLS()})
			require.ErrorIs(t, err, mailbox.ErrCertificate)
			assert.True(t, errors.As(err, tt.as))
			assert.ErrorContains(t, err, tt.text)
			assert.False(t, mailbox.Retryable(err))
		})
	}
	srv := mailtest.Serve(t, &mailtest.ServeOptions{TLS: true}, echo)
	boom := errors.New("not this one")
	cfg := mailtest.ClientTLS()
	cfg.VerifyConnection = func(tls.ConnectionState) error { return boom }
	_, err := mailconn.Dial(t.Context(), srv.Addr, &access.Options{TLSConfig: cfg})
	require.ErrorIs(t, err, mailbox.ErrCertificate)
	require.ErrorIs(t, err, boom)
	cfg.VerifyConnection = func(tls.ConnectionState) error { return nil }
	c, err := mailconn.Dial(t.Context(), srv.Addr, &access.Options{TLSConfig: cfg})
	require.NoError(t, err)
	_ = c.Close()
}

// TestServerName: the name that is verified is the address's host, or what the
// configuration says.
func TestServerName(t *testing.T) {
	srv := mailtest.Serve(t, &mailtest.ServeOptions{TLS: true}, echo)
	cfg := mailtest.ClientTLS()
	cfg.ServerName = "mail.example"
	_, err := mailconn.Dial(t.Context(), srv.Addr, &access.Options{TLSConfig: cfg})
	require.ErrorIs(t, err, mailbox.ErrCertificate)
	cfg.ServerName = "localhost"
	c, err := mailconn.Dial(t.Context(), srv.Addr, &access.Options{TLSConfig: cfg})
	require.NoError(t, err)
	_ = c.Close()
}

func TestNoTLS(t *testing.T) {
	for name, script := range map[string]func(c *mailtest.Conn){
		"plaintext": func(c *mailtest.Conn) { c.Send("+OK ready\r\n"); c.Stall() },
		"TLS 1.1": func(c *mailtest.Conn) {
			_ = tls.Server(c.NetConn(), &tls.Config{
				Certificates: []tls.Certificate{*mailtest.Certificate(mailtest.CertGood)},
				MinVersion:   tls.VersionTLS10, MaxVersion: tls.VersionTLS11,
			}).Handshake()
		},
	} {
		srv := mailtest.Serve(t, nil, script)
		cfg := mailtest.ClientTLS()
		cfg.MinVersion = tls.VersionTLS10
		_, err := mailconn.Dial(t.Context(), srv.Addr, &access.Options{TLSConfig: cfg})
		require.ErrorIs(t, err, mailbox.ErrTLSRequired, name)
	}
}

// startTLS dials in plaintext, as a driver does before STARTTLS.
func startTLS(t *testing.T, script func(c *mailtest.Conn)) (*mailconn.Conn, error) {
	srv := mailtest.Serve(t, nil, script)
	c, err := mailconn.Dial(t.Context(), srv.Addr, &access.Options{TLS: access.TLSStart, TLSConfig: mailtest.ClientTLS()})
	require.NoError(t, err)
	assert.False(t, c.Secure())
	t.Cleanup(func() { _ = c.Close() })
	return c, c.StartTLS(t.Context())
}

func TestStartTLS(t *testing.T) {
	c, err := startTLS(t, func(c *mailtest.Conn) { c.StartTLS(); echo(c) })
	require.NoError(t, err)
	assert.True(t, c.Secure())
	require.Error(t, c.StartTLS(t.Context()), "once is enough")

	for name, script := range map[string]func(c *mailtest.Conn){
		"at once":        func(c *mailtest.Conn) { c.Send("* OK evil\r\n"); c.StartTLS() },
		"late":           func(c *mailtest.Conn) { _ = c.ReadN(5); c.Send("+OK evil\r\n"); c.Stall() },
		"late and split": func(c *mailtest.Conn) { _ = c.ReadN(5); c.SendSplit("+OK evil\r\n", 1); c.Stall() },
	} {
		c, err := startTLS(t, script)
		require.ErrorIs(t, err, mailbox.ErrTLSInjection, name)
		assert.False(t, c.Secure())
		_, err = c.Write([]byte("secret"))
		require.ErrorIs(t, err, mailbox.ErrTLSInjection, "nothing goes out any more")
	}
	require.NoError(t, mailconn.CheckBuffered(0))
	require.ErrorIs(t, mailconn.CheckBuffered(1), mailbox.ErrTLSInjection)
}

// TestCloseHurries: a server that takes nothing does not hold up Close.
func TestCloseHurries(t *testing.T) {
	cert := mailtest.Certificate(mailtest.CertGood)
	mailtest.ClientTLS()
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		defer server.Close()
		go func() {
			_ = tls.Server(server, &tls.Config{Certificates: []tls.Certificate{*cert}, SessionTicketsDisabled: true}).Handshake()
		}()
		cfg := &tls.Config{RootCAs: mailtest.CAPool()}
		c := mailconn.New(client, "localhost", &access.Options{TLSConfig: cfg})
		require.NoError(t, c.StartTLS(t.Context()))
		begin := time.Now()
		require.NoError(t, c.Close())
		assert.Equal(t, 250*time.Millisecond, time.Since(begin))
	})
}
