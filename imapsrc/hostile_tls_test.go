package imapsrc

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/textproto"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

// hostileReferral: no server sends us elsewhere.
func hostileReferral(t *testing.T) {
	other := mailtest.Serve(t, nil, func(c *mailtest.Conn) { mailtest.IMAPLogin(c, "IMAP4rev1") })
	ref := "[REFERRAL imap://ann@" + other.Addr + "/]"
	for name, script := range map[string]func(c *mailtest.Conn){
		"greeting": func(c *mailtest.Conn) { c.Send("* BYE " + ref + " go there\r\n") },
		"login": func(c *mailtest.Conn) {
			c.Send("* OK [CAPABILITY IMAP4rev1] hi\r\n")
			tag, _ := c.Command("LOGIN")
			c.Send(tag + " NO " + ref + " go there\r\n")
		},
		"select": func(c *mailtest.Conn) {
			mailtest.IMAPLogin(c, "IMAP4rev1")
			c.Answer("LIST", func(tag, _ string) { c.Send(tag + " OK done\r\n") })
			for {
				tag, _ := c.Command("EXAMINE")
				c.Send(tag + " NO " + ref + " go there\r\n")
			}
		},
	} {
		r := newRig(t, nil, script)
		m, err := r.dial()
		if err == nil {
			_, err = r.list(m, nil)
		}
		require.Error(t, err, name)
		assert.Contains(t, err.Error(), "go there", name)
	}
	assert.Equal(t, 0, other.Accepted(), "a referral was followed")
	_, err := Dial(t.Context(), other.Addr, access.Password("ann", canary, nil), &Options{Net: access.Options{TLS: access.TLSNone}})
	require.NoError(t, err)
	assert.Equal(t, 1, other.Accepted(), "the control: it would have been seen")
}

// hostileGreeting: nothing is said to what does not begin like an IMAP server.
func hostileGreeting(t *testing.T) {
	for _, greeting := range []string{"SSH-2.0-x\r\n", "P1 OK hi\r\n", "* BYE no\r\n", "* NO no\r\n", "* BAD no\r\n", "* OK\x00\r\n" + "x",
		"\r\n", "+ \r\n", "* \r\n", "220 smtp\r\n", "+OK pop\r\n", "* 1 EXISTS\r\n", "* OK " + strings.Repeat("a", 20<<20) + "\r\n"} {
		r := newRig(t, nil, func(c *mailtest.Conn) {
			c.Send(greeting)
			c.Answer("LOGIN", func(tag, _ string) { c.Send(tag + " OK in\r\n") })
			idle(c)
		})
		_, err := r.dial()
		if strings.HasPrefix(greeting, "* OK\x00") {
			continue // odd, and harmless
		}
		require.Error(t, err, "%.20q", greeting)
		assert.False(t, r.told(), "%.20q", greeting)
	}
	r := newRig(t, nil, func(c *mailtest.Conn) {
		c.Send("220 smtp\r\n")
		tag, _ := c.Command("LOGIN")
		c.Send(tag + " OK in\r\n")
	})
	assert.Equal(t, "a1 OK in", newNaive(t, r.srv.Addr).login())
	assert.True(t, r.told(), "the control: who does not look logs in to anything")
}

// hostileStall: a server that says nothing does not hold Dial for more than half a
// minute, nor for a moment when the context ends.
func hostileStall(t *testing.T) {
	mute := func(c *mailtest.Conn) { c.Stall() }
	starttls := func(answer bool) func(c *mailtest.Conn) {
		return func(c *mailtest.Conn) {
			c.Send("* OK [CAPABILITY IMAP4rev1 STARTTLS] hi\r\n")
			tag, _ := c.Command("STARTTLS")
			if answer {
				c.Send(tag + " OK go\r\n")
			}
			c.Stall()
		}
	}
	// Bare, the same steps: they are still waiting after an hour.
	shake := func(nc net.Conn, cfg *tls.Config) error { return tls.Client(nc, cfg).Handshake() }
	greeting := func(nc net.Conn, _ *tls.Config) error {
		_, err := bufio.NewReader(nc).ReadString('\n')
		return err
	}
	engine := func(nc net.Conn, cfg *tls.Config) error {
		_, err := imapclient.NewStartTLS(nc, &imapclient.Options{TLSConfig: cfg})
		return err
	}
	upgrade := func(nc net.Conn, cfg *tls.Config) error {
		n := &naive{textproto.NewReader(bufio.NewReader(nc)), t, nc}
		_, _ = n.ReadLine()
		n.cmd("STARTTLS")
		return shake(nc, cfg)
	}
	for name, tt := range map[string]struct {
		mode   access.TLSMode
		script func(c *mailtest.Conn)
		bare   func(net.Conn, *tls.Config) error // hangs
	}{
		"TLS":              {access.TLSImplicit, mute, shake},
		"no greeting":      {access.TLSStart, mute, greeting},
		"plain":            {access.TLSNone, mute, greeting},
		"no answer":        {access.TLSStart, starttls(false), engine},
		"OK, no handshake": {access.TLSStart, starttls(true), upgrade},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := mailtest.ClientTLS()
			cfg.ServerName = "localhost"
			bubble(t, tt.mode, tt.script, func(t *testing.T, dial func(context.Context) (*Mailbox, error)) {
				begin := time.Now()
				_, err := dial(t.Context())
				require.ErrorIs(t, err, mailbox.ErrUnavailable)
				assert.Equal(t, 30*time.Second, time.Since(begin))

				begin = time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err = dial(ctx)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				assert.Equal(t, time.Second, time.Since(begin))

				nc := mailtest.Pipe(t, tt.script)
				done := make(chan error, 1)
				go func() { done <- tt.bare(nc, cfg) }()
				<-time.After(time.Hour)
				assert.Empty(t, done, "the control")
				_ = nc.Close()
				require.Error(t, <-done)
			})
		})
	}
}

func hostileCertificates(t *testing.T) {
	play := func(c *mailtest.Conn) { mailtest.IMAPLogin(c, "IMAP4rev1"); idle(c) }
	for _, kind := range []mailtest.CertKind{mailtest.CertWrongHost, mailtest.CertExpired, mailtest.CertSelfSigned, mailtest.CertUnknownCA} {
		r := newRig(t, &mailtest.ServeOptions{TLS: true, Cert: mailtest.Certificate(kind)}, play)
		_, err := r.dial()
		require.ErrorIs(t, err, mailbox.ErrCertificate)
		assert.False(t, r.told())

		start := newRig(t, &mailtest.ServeOptions{Cert: mailtest.Certificate(kind)},
			plainServer{greeting: "OK hi", caps: withTLS, starttls: "OK go\r\n", inside: good}.play)
		start.opts.Net.TLS = access.TLSStart
		_, err = start.dial()
		require.ErrorIs(t, err, mailbox.ErrCertificate)
		assert.False(t, start.told())

		r.opts.Net.TLSConfig = &tls.Config{InsecureSkipVerify: true}
		r.mustDial()
		assert.True(t, r.told(), "the control")
	}
}

func hostileOldTLS(t *testing.T) {
	r := newRig(t, nil, func(c *mailtest.Conn) {
		s := tls.Server(c.NetConn(), &tls.Config{Certificates: []tls.Certificate{*mailtest.Certificate(mailtest.CertGood)}, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10})
		if s.Handshake() == nil {
			_, _ = io.WriteString(s, "* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n")
		}
		_, _ = io.Copy(io.Discard, s)
	})
	r.opts.Net.TLS = access.TLSImplicit
	_, err := r.dial()
	require.ErrorIs(t, err, mailbox.ErrTLSRequired)
	client, err := tls.Dial("tcp", r.srv.Addr, &tls.Config{RootCAs: mailtest.CAPool(), ServerName: "localhost", MinVersion: tls.VersionTLS10})
	require.NoError(t, err, "the control: an old client is let in")
	_ = client.Close()
}

// hostileTruncation: TLS ended below, without its goodbye, is no clean end.
func hostileTruncation(t *testing.T) {
	const body = "0123456789abcdefghij"
	const answer = "* 1 FETCH (UID 1 BODY[]<0> {20}\r\n" + body + ")\r\n"
	var cut atomic.Int32
	r := newRig(t, &mailtest.ServeOptions{TLS: true}, func(c *mailtest.Conn) {
		selected(c, "IMAP4rev1", 1)
		tag, _ := c.Command("UID FETCH")
		if cut.Load() == int32(len(answer)) {
			c.Send(answer + tag + " OK done\r\n")
			idle(c)
		}
		c.Send(answer[:cut.Load()])
		c.CloseRaw()
	})
	r.opts.Connections = 1
	m := r.mustDial()
	for _, n := range []int{1, len(answer) - len(body) - 3, len(answer) - 10, len(answer) - 3, len(answer) - 1} {
		cut.Store(int32(n))
		_, err := m.Open(t.Context(), id("1"), nil)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, "cut at %d", n)
	}
	cut.Store(int32(len(answer)))
	got, err := m.Open(t.Context(), id("1"), nil)
	require.NoError(t, err, "uncut it is there")
	data, err := io.ReadAll(got)
	require.NoError(t, err)
	assert.Equal(t, body, string(data))

	control := mailtest.Serve(t, &mailtest.ServeOptions{TLS: true}, func(c *mailtest.Conn) {
		c.Send(answer[:40])
		c.CloseRaw()
	})
	nc, err := tls.Dial("tcp", control.Addr, mailtest.ClientTLS())
	require.NoError(t, err)
	defer nc.Close()
	data, err = io.ReadAll(nc)
	require.NoError(t, err, "the control: bare TLS gives a clean end")
	assert.Equal(t, answer[:40], string(data))
}

// hostileReuse: two accounts on one host have nothing in common, not even the
// proof of who the server is.
func hostileReuse(t *testing.T) {
	r := newRig(t, &mailtest.ServeOptions{TLS: true}, func(c *mailtest.Conn) {
		mailtest.IMAPLogin(c, "IMAP4rev1")
		c.Answer("LIST", func(tag, _ string) { c.Send(tag + " OK done\r\n") })
		idle(c)
	})
	m := r.mustDial()
	for _, err := range m.Folders(t.Context(), nil) {
		require.NoError(t, err)
	}
	assert.Equal(t, 1, r.srv.Accepted(), "the control: within an account the connection is used again")
	r.auth = access.Password("bob", canary, nil)
	r.mustDial()
	assert.Equal(t, 2, r.srv.Accepted())
	assert.Contains(t, r.srv.Transcript(), `LOGIN "bob"`)
	r.opts.Net.TLSConfig = &tls.Config{RootCAs: x509.NewCertPool()}
	_, err := r.dial()
	require.ErrorIs(t, err, mailbox.ErrCertificate)
}

// hostileSpoof: a server's words are marked, short and harmless.
func hostileSpoof(t *testing.T) {
	evil := "\x1b[31mclick \u202ehttp://evil " + strings.Repeat("x", 1<<20)
	r := newRig(t, nil, func(c *mailtest.Conn) {
		c.Send("* OK [CAPABILITY IMAP4rev1] hi\r\n")
		tag, _ := c.Command("LOGIN")
		c.Send(tag + " NO " + evil + "\r\n")
	})
	_, err := r.dial()
	require.ErrorIs(t, err, mailbox.ErrAuth)
	assert.Less(t, len(err.Error()), 2000)
	assert.Contains(t, err.Error(), "server said")
	assert.NotContains(t, err.Error(), "\x1b")
	assert.NotContains(t, err.Error(), "\u202e")
	var status *StatusError
	require.ErrorAs(t, err, &status)
	assert.Contains(t, status.Text, "http://evil", "it was read, and is shown")

	nc, err := net.Dial("tcp", r.srv.Addr)
	require.NoError(t, err)
	defer nc.Close()
	err = imapclient.New(nc, nil).Login("ann", canary).Wait()
	assert.ErrorContains(t, err, "\x1b[31m", "the control: the bare engine shows it as it is")
	assert.ErrorContains(t, err, "\u202e")
	assert.Greater(t, len(err.Error()), 1<<20)

	// Before TLS anybody may have said it, and it is not shown at all.
	for when, server := range map[string]plainServer{
		"greeting": {greeting: "BYE " + evil}, "STARTTLS": {greeting: "OK hi", caps: withTLS, starttls: "NO " + evil + "\r\n"},
	} {
		r := newRig(t, nil, server.play)
		r.opts.Net.TLS = access.TLSStart
		_, err := r.dial()
		require.Error(t, err)
		assert.NotContains(t, err.Error(), "evil", when)
	}
}
