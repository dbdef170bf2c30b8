package imapsrc

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

// plainServer plays a server that would take the password in plaintext.
type plainServer struct {
	greeting string // after "* "
	caps     string // the answer to CAPABILITY; "" refuses it
	starttls string // the answer to STARTTLS, after the tag
	inside   func(c *mailtest.Conn)
}

func (p plainServer) play(c *mailtest.Conn) {
	c.Send("* " + p.greeting + "\r\n")
	for {
		tag, name, _ := c.NextCommand()
		switch {
		case name == "CAPABILITY" && p.caps == "":
			c.Send(tag + " BAD what?\r\n")
		case name == "CAPABILITY":
			c.Send("* CAPABILITY " + p.caps + "\r\n" + tag + " OK done\r\n")
		case name == "STARTTLS":
			c.Send(tag + " " + p.starttls)
			if p.inside != nil {
				c.StartTLS()
				p.inside(c)
				return
			}
		case name == "LOGOUT":
			return
		default:
			c.Send(tag + " OK [CAPABILITY IMAP4rev1] done\r\n")
		}
	}
}

const withTLS = "IMAP4rev1 STARTTLS"

func good(c *mailtest.Conn) {
	mailtest.IMAPAnswers(c, "IMAP4rev1")
	c.Answer("LOGIN", func(tag, _ string) { c.Send(tag + " OK in\r\n") })
	idle(c)
}

// TestHostile holds what a server, or somebody between, can do to the driver.
// First what is said before TLS. The control takes the guard away, by TLSNone or by a switch, and then the
// same server gets what it wants.
func TestHostile(t *testing.T) {
	noTLS := func(o *Options) { o.Net.TLS = access.TLSNone }
	takesAll := func(o *Options) { o.Net.TLS = access.TLSNone; o.test.anyAuth = true }
	for id, cases := range map[string]map[string]struct {
		server  plainServer
		want    error
		control func(*Options)
	}{
		"starttls-strip-cap": {
			"greeting":   {plainServer{greeting: "OK [CAPABILITY IMAP4rev1] hi"}, mailbox.ErrTLSRequired, noTLS},
			"capability": {plainServer{greeting: "OK hi", caps: "IMAP4rev1"}, mailbox.ErrTLSRequired, noTLS},
		},
		"starttls-refused": {
			"NO":       {plainServer{greeting: "OK hi", caps: withTLS, starttls: "NO no\r\n"}, mailbox.ErrTLSRequired, noTLS},
			"BAD":      {plainServer{greeting: "OK hi", caps: withTLS, starttls: "BAD no\r\n"}, mailbox.ErrTLSRequired, noTLS},
			"continue": {plainServer{greeting: "OK hi", caps: withTLS, starttls: "\r\n+ go on\r\n"}, mailbox.ErrProtocol, noTLS},
			"PREAUTH":  {plainServer{greeting: "OK hi", caps: withTLS, starttls: "PREAUTH hi\r\n"}, mailbox.ErrProtocol, noTLS},
		},
		"starttls-caps-hidden": {
			"BAD": {plainServer{greeting: "OK hi"}, mailbox.ErrTLSRequired, nil},
		},
		"preauth-plaintext": {
			"STARTTLS": {plainServer{greeting: "PREAUTH hi", caps: withTLS}, mailbox.ErrTLSRequired, takesAll},
		},
		"starttls-suffix": {
			"untagged": {plainServer{greeting: "OK hi", caps: withTLS, starttls: "OK go\r\n* OK evil\r\n", inside: good},
				mailbox.ErrTLSInjection, func(o *Options) { o.test.noInjectionCheck = true }},
			"tagged": {plainServer{greeting: "OK hi", caps: withTLS, starttls: "OK go\r\nP1 OK evil\r\n", inside: good},
				mailbox.ErrTLSInjection, func(o *Options) { o.test.noInjectionCheck = true }},
		},
	} {
		for name, c := range cases {
			t.Run(id+"/"+name, func(t *testing.T) {
				r := newRig(t, nil, c.server.play)
				r.opts.Net.TLS = access.TLSStart
				_, err := r.dial()
				require.ErrorIs(t, err, c.want)
				assert.False(t, r.told(), "the secret was sent")
				assert.Equal(t, 1, r.srv.Accepted(), "and nothing was tried again")
			})
			if c.control == nil {
				continue
			}
			t.Run(id+"/"+name+"/control", func(t *testing.T) {
				r := newRig(t, nil, c.server.play)
				r.opts.Net.TLS = access.TLSStart
				c.control(&r.opts)
				_, err := r.dial()
				assert.NoError(t, err, "without the guard the server has its way")
			})
		}
	}
	t.Run("starttls-ok-with-caps", hostileStartTLSCaps)
	t.Run("starttls-early-ok", hostileEarlyOK)
	t.Run("untagged-before-tls", hostileUntaggedBeforeTLS)
	t.Run("preauth-in-tls", hostilePreauthInTLS)
	t.Run("referral", hostileReferral)
	t.Run("bad-greeting", hostileGreeting)
	t.Run("handshake-stall", hostileStall)
	t.Run("cert-invalid", hostileCertificates)
	t.Run("tls-old", hostileOldTLS)
	t.Run("tls-truncation", hostileTruncation)
	t.Run("ui-spoof", hostileSpoof)
	hostileAuth(t)
	hostileIMAP(t)
}

// hostileStartTLSCaps: what the server can do before TLS, and what it says in the
// OK to STARTTLS, is forgotten.
func hostileStartTLSCaps(t *testing.T) {
	server := plainServer{
		greeting: "OK [CAPABILITY IMAP4rev1 STARTTLS UIDPLUS] hi", starttls: "OK [CAPABILITY IMAP4rev1 LOGINDISABLED AUTH=EVIL] go\r\n", inside: good,
	}
	r := newRig(t, nil, server.play)
	r.opts.Net.TLS = access.TLSStart
	assert.False(t, r.mustDial().Caps().Delete)

	server.inside = func(c *mailtest.Conn) { // it does not say more
		c.Answer("LOGIN", func(tag, _ string) { c.Send(tag + " OK [CAPABILITY IMAP4rev1] in\r\n") })
		idle(c)
	}
	r = newRig(t, nil, server.play)
	r.opts.Net.TLS = access.TLSStart
	r.opts.test.trustPlainCaps = true
	assert.True(t, r.mustDial().offers["IMAP4REV1"])
	assert.NotContains(t, r.srv.Transcript(), "CAPABILITY\\r", "the control trusts the plaintext")
}

// hostileEarlyOK: an answer that comes before its command is no answer.
func hostileEarlyOK(t *testing.T) {
	for _, early := range []string{"P1 OK go\r\n", "P2 OK go\r\n", "a1 OK go\r\n"} {
		r := newRig(t, nil, func(c *mailtest.Conn) {
			c.Send("* OK [CAPABILITY IMAP4rev1 STARTTLS] hi\r\n" + early)
			c.Answer("STARTTLS", func(string, string) {})
			idle(c)
		})
		r.opts.Net.TLS = access.TLSStart
		_, err := r.dial()
		require.ErrorIs(t, err, mailbox.ErrProtocol)
		assert.False(t, r.told())
	}
	// Without TLS there is nothing to lie about, and the login is what fails.
	r := newRig(t, nil, func(c *mailtest.Conn) {
		c.Send("* OK [CAPABILITY IMAP4rev1] hi\r\n")
		tag, _ := c.Command("LOGIN")
		c.Send(tag + " OK [CAPABILITY IMAP4rev1] in\r\n")
		idle(c)
	})
	r.mustDial()
	assert.True(t, r.told())
}

// hostileUntaggedBeforeTLS: nothing said before TLS shows afterwards.
func hostileUntaggedBeforeTLS(t *testing.T) {
	for _, line := range []string{"* 99 EXISTS", "* 1 EXPUNGE", `* LIST () "/" evil`, "* STATUS evil (MESSAGES 1)", "* SEARCH 1 2",
		"* 1 FETCH (FLAGS ())", "* FLAGS (evil)", "* OK [ALERT] call 555", "* ENABLED UTF8=ACCEPT", "* X-EVIL"} {
		play := func(inside bool) func(c *mailtest.Conn) {
			return func(c *mailtest.Conn) {
				c.Send("* OK [CAPABILITY IMAP4rev1 STARTTLS] hi\r\n")
				tag, _ := c.Command("STARTTLS")
				if !inside {
					c.Send(line + "\r\n")
				}
				c.Send(tag + " OK go\r\n")
				c.StartTLS()
				if inside {
					tag, _ := c.Command("CAPABILITY")
					c.Send(line + "\r\n* CAPABILITY IMAP4rev1\r\n" + tag + " OK done\r\n")
				}
				mailtest.IMAPAnswers(c, "IMAP4rev1")
				answerSelect(c, 0, "7")
				c.Answer("LOGIN", func(tag, _ string) { c.Send(tag + " OK in\r\n") })
				c.Answer("LIST", func(tag, _ string) { c.Send(tag + " OK done\r\n") })
				idle(c)
			}
		}
		r := newRig(t, nil, play(false))
		r.opts.Net.TLS = access.TLSStart
		m := r.mustDial()
		all, err := r.list(m, nil)
		require.NoError(t, err)
		assert.Empty(t, all)
		for f, err := range m.Folders(t.Context(), nil) {
			require.NoError(t, err)
			assert.Equal(t, "INBOX", f.Name)
		}
		assert.NotContains(t, r.log.Seen(), "555", "an alert from before TLS is shown")
		if strings.Contains(line, "ALERT") {
			r := newRig(t, nil, play(true))
			r.opts.Net.TLS = access.TLSStart
			r.mustDial()
			assert.Contains(t, r.log.Seen(), "555", "the control: one from inside TLS is")
		}
	}
}

// hostilePreauthInTLS: a server that says who we are.
func hostilePreauthInTLS(t *testing.T) {
	script := func(c *mailtest.Conn) {
		c.Send("* PREAUTH [CAPABILITY IMAP4rev1] hi\r\n")
		idle(c)
	}
	r := newRig(t, &mailtest.ServeOptions{TLS: true}, script)
	_, err := r.dial()
	require.ErrorIs(t, err, mailbox.ErrProtocol)
	r.opts.test.anyAuth = true
	r.mustDial() // the control
	r.opts.test.anyAuth = false
	r.auth = access.Auth{}
	r.mustDial() // a tunnel: nothing else was meant
}

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
	r := newRig(t, nil, func(c *mailtest.Conn) { mailtest.IMAPLogin(c, "IMAP4rev1"); idle(c) })
	r.mustDial()
	assert.True(t, r.told(), "the control: a good greeting gets the secret")
}

// hostileStall: a server that says nothing does not hold Dial.
func hostileStall(t *testing.T) {
	for _, mode := range []access.TLSMode{access.TLSImplicit, access.TLSStart, access.TLSNone} {
		r := newRig(t, nil, func(c *mailtest.Conn) { c.Stall() })
		r.opts.Net.TLS = mode
		r.opts.Net.ConnectTimeout = 50 * time.Millisecond
		_, err := r.dial()
		require.ErrorIs(t, err, mailbox.ErrUnavailable, mode)
		r.opts.Net.ConnectTimeout = 0
		_, err = Dial(within(t, 50*time.Millisecond), r.srv.Addr, r.auth, &r.opts)
		require.ErrorIs(t, err, context.DeadlineExceeded, mode)
	}
	r := newRig(t, nil, func(c *mailtest.Conn) {
		c.Send("* OK [CAPABILITY IMAP4rev1 STARTTLS] hi\r\n")
		c.Command("STARTTLS")
		c.Stall()
	})
	r.opts.Net.TLS = access.TLSStart
	r.opts.Net.ConnectTimeout = 50 * time.Millisecond
	_, err := r.dial()
	require.ErrorIs(t, err, mailbox.ErrUnavailable)
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
	const answer = "* 1 FETCH (UID 1 BODY[]<0> {20}\r\n0123456789abcdefghij)\r\n"
	for cut := 1; cut < len(answer); cut += 16 {
		r := newRig(t, &mailtest.ServeOptions{TLS: true}, func(c *mailtest.Conn) {
			selected(c, "IMAP4rev1", 1)
			tag, _ := c.Command("UID FETCH")
			if c.Num() > 4 {
				c.Send(answer + tag + " OK done\r\n")
				idle(c)
			}
			c.Send(answer[:cut])
			c.CloseRaw()
		})
		m := r.mustDial()
		_, err := m.Open(t.Context(), id("1"), nil)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, "cut at %d", cut)
		body, err := m.Open(t.Context(), id("1"), nil)
		require.NoError(t, err, "the control: uncut it is there")
		data, err := io.ReadAll(body)
		require.NoError(t, err)
		assert.Equal(t, "0123456789abcdefghij", string(data))
	}
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
	require.True(t, errors.As(err, &status))
	assert.Contains(t, status.Text, "http://evil", "the control: it was read")
}
