package mailconn_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"strings"
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

// TestHostile holds what a server, or somebody between, can do to a connection.
// Each row has its control: the same against bare crypto/tls or a naive reader.
func TestHostile(t *testing.T) {
	t.Run("starttls-suffix", hostileSuffix)
	t.Run("starttls-suffix-late", hostileSuffixLate)
	t.Run("handshake-stall", hostileStall)
	t.Run("cert-invalid", hostileCertificates)
	t.Run("tls-old", hostileOldTLS)
	t.Run("tls-truncation", hostileTruncation)
	t.Run("no-reply", hostileNoReply)
	t.Run("slow-drip", hostileDrip)
	t.Run("ui-spoof", hostileSpoof)
}

func tlsConfig() *tls.Config {
	cfg := mailtest.ClientTLS()
	cfg.ServerName = "localhost"
	return cfg
}

// hostileSuffix: what was received behind the OK and not read is plaintext.
func hostileSuffix(t *testing.T) {
	script := func(c *mailtest.Conn) {
		c.Send("+OK go\r\n+OK evil\r\n")
		c.StartTLS()
		echo(c)
	}
	nc, err := net.Dial("tcp", mailtest.Serve(t, nil, script).Addr)
	require.NoError(t, err)
	defer nc.Close()
	br := bufio.NewReader(nc)
	_, err = br.ReadString('\n')
	require.NoError(t, err)
	require.ErrorIs(t, mailconn.CheckBuffered(br.Buffered()), mailbox.ErrTLSInjection)
	require.NoError(t, mailconn.CheckBuffered(0))

	tc := tls.Client(nc, tlsConfig())
	require.NoError(t, tc.Handshake(), "the control: TLS does not notice")
	evil, err := br.ReadString('\n')
	require.NoError(t, err)
	assert.Equal(t, "+OK evil\r\n", evil, "and who reads on believes it")
}

// hostileSuffixLate: plaintext in place of the handshake is told for what it is.
func hostileSuffixLate(t *testing.T) {
	script := func(c *mailtest.Conn) { _ = c.ReadN(1); c.SendSplit("+OK evil\r\n", 1); c.Stall() }
	c, err := startTLS(t, script)
	require.ErrorIs(t, err, mailbox.ErrTLSInjection)
	_, err = c.Write([]byte("secret"))
	require.ErrorIs(t, err, mailbox.ErrTLSInjection, "nothing goes out any more")

	nc, err := net.Dial("tcp", mailtest.Serve(t, nil, script).Addr)
	require.NoError(t, err)
	defer nc.Close()
	err = tls.Client(nc, tlsConfig()).Handshake()
	require.Error(t, err)
	require.NotErrorIs(t, err, mailbox.ErrTLSInjection, "the control: bare TLS cannot say so")
	_, err = nc.Write([]byte("secret"))
	require.NoError(t, err, "and below it the secret can still go out")
}

// hostileStall: a handshake takes half a minute at most.
func hostileStall(t *testing.T) {
	cfg := tlsConfig()
	synctest.Test(t, func(t *testing.T) {
		silent := dialerFunc(func(context.Context) (net.Conn, error) {
			return mailtest.Pipe(t, func(c *mailtest.Conn) { c.Stall() }), nil
		})
		begin := time.Now()
		_, err := mailconn.Dial(t.Context(), "localhost:993", &access.Options{Dialer: silent, TLSConfig: cfg})
		require.ErrorIs(t, err, mailbox.ErrUnavailable)
		assert.Equal(t, 30*time.Second, time.Since(begin))

		nc, _ := silent(t.Context())
		done := make(chan error, 1)
		go func() { done <- tls.Client(nc, cfg).Handshake() }()
		<-time.After(time.Hour)
		assert.Empty(t, done, "the control: bare TLS is waiting after an hour")
		_ = nc.Close()
		require.Error(t, <-done)
	})
}

func hostileCertificates(t *testing.T) {
	for _, kind := range []mailtest.CertKind{mailtest.CertWrongHost, mailtest.CertExpired, mailtest.CertSelfSigned, mailtest.CertUnknownCA} {
		srv := mailtest.Serve(t, &mailtest.ServeOptions{TLS: true, Cert: mailtest.Certificate(kind)}, echo)
		_, err := mailconn.Dial(t.Context(), srv.Addr, &access.Options{TLSConfig: mailtest.ClientTLS()})
		require.ErrorIs(t, err, mailbox.ErrCertificate)
		c, err := mailconn.Dial(t.Context(), srv.Addr, &access.Options{TLSConfig: &tls.Config{InsecureSkipVerify: true}})
		require.NoError(t, err, "the control: unverified it is taken")
		_ = c.Close()
	}
}

// hostileOldTLS: nothing below TLS 1.2, whatever the configuration says.
func hostileOldTLS(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
		srv := mailtest.Serve(t, nil, func(c *mailtest.Conn) {
			_ = tls.Server(c.NetConn(), &tls.Config{
				Certificates: []tls.Certificate{*mailtest.Certificate(mailtest.CertGood)}, MinVersion: version, MaxVersion: version,
			}).Handshake()
		})
		cfg := tlsConfig()
		cfg.MinVersion = version
		_, err := mailconn.Dial(t.Context(), srv.Addr, &access.Options{TLSConfig: cfg})
		require.ErrorIs(t, err, mailbox.ErrTLSRequired)
		tc, err := tls.Dial("tcp", srv.Addr, cfg)
		require.NoError(t, err, "the control: bare TLS does as it is told")
		_ = tc.Close()
	}
}

// hostileTruncation: the end of TCP is not the end of what was to be said.
func hostileTruncation(t *testing.T) {
	srv := mailtest.Serve(t, &mailtest.ServeOptions{TLS: true}, func(c *mailtest.Conn) { c.Send("half"); c.CloseRaw() })
	c, err := mailconn.Dial(t.Context(), srv.Addr, &access.Options{TLSConfig: mailtest.ClientTLS()})
	require.NoError(t, err)
	n, err := readAll(c)
	assert.Equal(t, 4, n)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)

	tc, err := tls.Dial("tcp", srv.Addr, tlsConfig())
	require.NoError(t, err)
	defer tc.Close()
	half, err := io.ReadAll(tc)
	require.NoError(t, err, "the control: bare TLS gives a clean end")
	assert.Equal(t, "half", string(half))
}

// hostileNoReply: silence is borne for a minute.
func hostileNoReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := pair(t)
		begin := time.Now()
		_, err := readAll(c)
		require.ErrorIs(t, err, mailbox.ErrUnavailable)
		assert.Equal(t, time.Minute, time.Since(begin))

		client, server := net.Pipe()
		defer server.Close()
		done := make(chan error, 1)
		go func() { _, err := client.Read(make([]byte, 1)); done <- err }()
		<-time.After(24 * time.Hour)
		assert.Empty(t, done, "the control: a bare connection is read for ever")
		_ = client.Close()
		require.Error(t, <-done)
	})
}

// hostileDrip: an octet in four seconds is no silence, and no progress either.
func hostileDrip(t *testing.T) {
	drip := func(server net.Conn) {
		for range 2000 {
			<-time.After(4 * time.Second)
			if _, err := server.Write([]byte("x")); err != nil {
				return
			}
		}
		_ = server.Close()
	}
	synctest.Test(t, func(t *testing.T) {
		c, server := pair(t)
		go drip(server)
		begin := time.Now()
		_, err := readAll(c)
		require.ErrorIs(t, err, mailbox.ErrUnavailable)
		assert.Equal(t, 10*time.Minute, time.Since(begin))
		_ = c.Close()

		// The control: a deadline that each octet puts off never comes.
		client, server := net.Pipe()
		defer client.Close()
		go drip(server)
		begin = time.Now()
		n := 0
		for {
			_ = client.SetReadDeadline(time.Now().Add(time.Minute))
			k, err := client.Read(make([]byte, 1))
			if n += k; err != nil {
				require.Equal(t, io.EOF, err)
				break
			}
		}
		assert.Equal(t, 2000, n)
		assert.Equal(t, 8000*time.Second, time.Since(begin))
	})
}

// hostileSpoof: a server's words, cleaned and cut.
func hostileSpoof(t *testing.T) {
	evil := "\x1b]0;x\x07click \u202ehttp://evil.example\r\nOK " + strings.Repeat("A", 1<<20)
	text := mailconn.ServerText(evil)
	for _, s := range []string{"\x1b", "\x07", "\u202e", "\r", "\n"} {
		assert.NotContains(t, text, s)
		assert.Contains(t, evil, s, "the control")
	}
	assert.Contains(t, text, "http://evil.example")
	assert.LessOrEqual(t, len(text), 1<<10)
}
