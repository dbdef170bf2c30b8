package smtpsink

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

// offers is a server that can do caps and takes any login and any message.
func offers(caps ...string) func(c *mailtest.Conn) {
	return func(c *mailtest.Conn) {
		mailtest.SMTPLogin(c, caps...)
		serveMail(c, nil)
	}
}

// denies is a server that refuses the password with reply, again and again.
func denies(reply string) func(c *mailtest.Conn) {
	return func(c *mailtest.Conn) {
		c.Send("220 ready\r\n")
		mailtest.SMTPAnswers(c, "AUTH PLAIN")
		for {
			c.Verb("AUTH")
			c.Send(reply + "\r\n")
		}
	}
}

var hostileAuth = map[string]func(t *testing.T){
	"auth-plaintext":     authPlaintext,
	"sasl-downgrade":     saslDowngrade,
	"sasl-endless":       saslEndless,
	"scram-cost":         scramCost,
	"auth-retry-lockout": authRetryLockout,
	"secrets-in-logs":    secretsInLogs,
	"throttle":           throttle,
}

func authPlaintext(t *testing.T) {
	// TLS is the default: a plaintext server gets a ClientHello and no more.
	mute := mailtest.Serve(t, nil, func(c *mailtest.Conn) {
		c.Send("220 ready\r\n")
		c.Stall()
	})
	_, err := newClient(t, access.TLSImplicit).dial(mute.Addr)
	require.ErrorIs(t, err, mailbox.ErrTLSRequired)
	unsent(t, mute)

	// A server that hides its logins from plaintext wants TLS.
	hides := mailtest.Serve(t, nil, func(c *mailtest.Conn) {
		c.Send("220 ready\r\n")
		mailtest.SMTPAnswers(c, "STARTTLS")
		c.Verb("BYE")
	})
	_, err = newClient(t, access.TLSNone).dial(hides.Addr)
	require.Error(t, err)
	unsent(t, hides)

	srv := mailtest.Serve(t, nil, offers("AUTH PLAIN"))
	newClient(t, access.TLSNone).open(srv.Addr)
	assert.Contains(t, srv.Transcript(), plainCanary, "the control: only who asks for it sends it in plaintext")
}

// injectAuth tries each octet in what is logged in with. PLAIN divides by NUL.
func injectAuth(t *testing.T) {
	for arg, put := range map[string]func(s string) access.Auth{
		"user":     func(s string) access.Auth { return access.Password(s, "pass", nil) },
		"password": func(s string) access.Auth { return access.Password("ann", s, nil) },
		"identity": func(s string) access.Auth {
			return access.Password("ann", "pass", &access.AuthOptions{Identity: s})
		},
	} {
		for b := range 256 {
			l := &lab{caps: []string{"AUTH PLAIN"}}
			lines := l.listen()
			sink, err := Dial(t.Context(), "lab.example:25", put("a"+string([]byte{byte(b)})+"b"), l.options(nil))
			what := fmt.Sprintf("%s, octet %#x: %v", arg, b, err)
			if err != nil {
				assert.True(t, b < 0x20 || b >= 0x7f, what)
				assert.Empty(t, *lines, what)
				continue
			}
			_ = sink.Close()
			require.Len(t, *lines, 1, what)
			said, ok := strings.CutPrefix((*lines)[0], "AUTH PLAIN ")
			require.True(t, ok, what)
			raw, err := base64.StdEncoding.DecodeString(said)
			require.NoError(t, err, what)
			assert.Equal(t, 2, bytes.Count(raw, []byte{0}), what)
		}
	}
}

func saslDowngrade(t *testing.T) {
	srv := secureServer(t, offers("AUTH ANONYMOUS CRAM-MD5 DIGEST-MD5 EXTERNAL GSSAPI LOGIN NTLM OTP PLAIN X-NEW"))
	strict := newClient(t, access.TLSImplicit)
	strict.auth = access.Password("ann@example.org", canary, &access.AuthOptions{Mechanisms: []string{"SCRAM-SHA-256"}})
	_, err := strict.dial(srv.Addr)
	require.ErrorIs(t, err, mailbox.ErrAuth)

	_, err = newClient(t, access.TLSImplicit).withToken().dial(srv.Addr)
	require.ErrorIs(t, err, mailbox.ErrAuth, "a token is never sent as a password")

	for _, caps := range []string{"AUTH ANONYMOUS EXTERNAL CRAM-MD5", "AUTH", "AUTH=", "X-AUTH PLAIN", "AUTHPLAIN"} {
		nothing := secureServer(t, offers(caps))
		_, err = newClient(t, access.TLSImplicit).dial(nothing.Addr)
		require.ErrorIs(t, err, mailbox.ErrAuth, caps)
		unsent(t, nothing)
	}
	unsent(t, srv)

	// The control: without a list PLAIN inside TLS will do.
	newClient(t, access.TLSImplicit).open(srv.Addr)
	assert.Contains(t, srv.Transcript(), "C: AUTH PLAIN "+plainCanary)
	old := secureServer(t, offers("AUTH=LOGIN PLAIN"))
	newClient(t, access.TLSImplicit).open(old.Addr)
}

func saslEndless(t *testing.T) {
	endless := func(c *mailtest.Conn) {
		c.Send("220 ready\r\n")
		mailtest.SMTPAnswers(c, "AUTH LOGIN XOAUTH2 OAUTHBEARER SCRAM-SHA-256")
		c.Verb("AUTH")
		for {
			c.Send("334 \r\n")
			c.ReadLine()
		}
	}
	for name, cl := range map[string]*client{
		"LOGIN":       newClient(t, access.TLSImplicit),
		"XOAUTH2":     newClient(t, access.TLSImplicit).withToken(),
		"OAUTHBEARER": newClient(t, access.TLSImplicit).withToken(),
	} {
		user, _ := cl.auth.Secret()
		o := &access.AuthOptions{Mechanisms: []string{name}}
		if name == "LOGIN" {
			cl.auth = access.Password("ann@example.org", user, o)
		} else {
			cl.auth = access.OAuth2("ann@example.org", cl.auth.TokenSource(), o)
		}
		srv := secureServer(t, endless)
		_, err := cl.dial(srv.Addr)
		require.ErrorIs(t, err, mailbox.ErrProtocol, name)
		assert.LessOrEqual(t, strings.Count(srv.Transcript(), "S: 334 "), 11, name)
	}
	// A challenge that is no base64, or as long as a book.
	for _, challenge := range []string{"334 !\r\n", "334 " + strings.Repeat("QUFB", 10<<10) + "\r\n", strings.Repeat("334-QUFB\r\n", 200)} {
		srv := secureServer(t, func(c *mailtest.Conn) {
			c.Send("220 ready\r\n")
			mailtest.SMTPAnswers(c, "AUTH LOGIN")
			c.Verb("AUTH")
			c.Send(challenge)
			c.Stall()
		})
		_, err := newClient(t, access.TLSImplicit).dial(srv.Addr)
		require.ErrorIs(t, err, mailbox.ErrProtocol, "%.20q", challenge)
		unsentPassword(t, srv)
	}

	control := mailtest.Serve(t, nil, endless)
	n := newNaive(t, control.Addr)
	n.cmd("AUTH LOGIN")
	for range 100 {
		require.Equal(t, "334 ", n.cmd(""))
	}
}

// unsentPassword is unsent for a server at which AUTH was begun.
func unsentPassword(t *testing.T, srv *mailtest.Server) {
	t.Helper()
	for _, s := range []string{canary, plainCanary, base64.StdEncoding.EncodeToString([]byte(canary))} {
		assert.NotContains(t, srv.Transcript(), s)
	}
}

func scramCost(t *testing.T) {
	scram := func(iterations, nonce string, end ...string) *mailtest.Server {
		return secureServer(t, func(c *mailtest.Conn) {
			c.Send("220 ready\r\n")
			mailtest.SMTPAnswers(c, "AUTH SCRAM-SHA-256")
			args := c.Verb("AUTH")
			first, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(args, "SCRAM-SHA-256 "))
			_, ours, _ := strings.Cut(string(first), ",r=")
			c.Sendf("334 %s\r\n", base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "r=%s,s=c2FsdHNhbHQ=,i=%s", ours+nonce, iterations)))
			c.ReadLine() // the proof
			for _, line := range end {
				c.Send(line + "\r\n")
			}
			c.Stall()
		})
	}
	for _, i := range []string{"2147483647", "1000001", "1", "4095", "-1", "4096x"} {
		srv := scram(i, "x", "235 2.7.0 welcome")
		_, err := newClient(t, access.TLSImplicit).dial(srv.Addr)
		require.ErrorIs(t, err, mailbox.ErrProtocol)
		assert.Contains(t, err.Error(), "iteration")
		assert.NotContains(t, srv.Transcript(), "stalling", "no proof was given")
	}
	_, err := newClient(t, access.TLSImplicit).dial(scram("4096", "").Addr)
	require.ErrorIs(t, err, mailbox.ErrProtocol, "our own nonce, reflected")

	// A good count gets the proof, and then the server must prove itself: with
	// nothing, and with a signature that is wrong.
	wrong := base64.StdEncoding.EncodeToString([]byte("v=" + base64.StdEncoding.EncodeToString(make([]byte, 32))))
	for _, end := range [][]string{{"235 2.7.0 welcome"}, {"334 " + wrong, "235 2.7.0 welcome"}} {
		_, err := newClient(t, access.TLSImplicit).dial(scram("4096", "x", end...).Addr)
		require.ErrorIs(t, err, mailbox.ErrProtocol)
		assert.Contains(t, err.Error(), "signature")
	}
	// The control: a mechanism without proof believes anybody.
	newClient(t, access.TLSImplicit).open(secureServer(t, offers("AUTH PLAIN")).Addr)
}

// authRetryLockout: a password that was refused is not sent again; trouble that
// passes is.
func authRetryLockout(t *testing.T) {
	send := func(sink *Sink) error {
		_, err := sink.Send(t.Context(), envelope("bob@example.org"), strings.NewReader(plain), nil)
		return err
	}
	// The first login is good. Then the password changes, and the connection is
	// not kept.
	after := func(second func(c *mailtest.Conn)) (*Sink, *mailtest.Server) {
		srv := secureServer(t, func(c *mailtest.Conn) {
			if c.Num() == 2 {
				second(c)
				return
			}
			offers("AUTH PLAIN")(c)
		})
		cl := newClient(t, access.TLSImplicit)
		cl.opts.Idle = -1
		return cl.open(srv.Addr), srv
	}
	logins := func(srv *mailtest.Server) int { return strings.Count(srv.Transcript(), "C: AUTH") }
	for _, reply := range []string{"535 5.7.8 no", "535 no", "534 5.7.9 stronger, please", "500 5.5.1 AUTH?", "550 5.7.1 banned"} {
		sink, srv := after(denies(reply))
		for range 5 {
			err := send(sink)
			require.ErrorIs(t, err, mailbox.ErrAuth, reply)
			assert.Contains(t, err.Error(), "authentication failed: AUTH refused", "as the other drivers say it")
			assert.False(t, mailbox.Retryable(err))
			for r, err := range sink.SendAll(t.Context(), messages(3, "bob@example.org")) {
				if err == nil {
					err = r.Err
				}
				require.ErrorIs(t, err, mailbox.ErrAuth)
			}
		}
		assert.Equal(t, 2, logins(srv), "%s: one good login and one that was refused", reply)
	}
	// The control: what passes is tried again, by the caller's next call.
	for _, reply := range []string{"454 4.7.0 later", "421 4.7.0 too many logins", "451 4.3.0 database", "432 4.7.12 later"} {
		sink, srv := after(denies(reply))
		err := send(sink)
		require.NotErrorIs(t, err, mailbox.ErrAuth, reply)
		assert.True(t, mailbox.Retryable(err), "%v", err)
		require.NoError(t, send(sink), reply)
		assert.Equal(t, 3, logins(srv))
	}
	// A server that offers no login for once has refused nothing.
	sink, srv := after(func(c *mailtest.Conn) {
		c.Send("220 ready\r\n")
		mailtest.SMTPAnswers(c, "SIZE")
		c.Verb("BYE")
	})
	require.ErrorIs(t, send(sink), mailbox.ErrAuth)
	require.NoError(t, send(sink))
	assert.Equal(t, 2, logins(srv))

	// A token that was refused may be followed by a better one.
	tokens := 0
	better := secureServer(t, func(c *mailtest.Conn) {
		if c.Num() == 1 {
			c.Send("220 ready\r\n")
			mailtest.SMTPAnswers(c, "AUTH OAUTHBEARER")
			c.Verb("AUTH")
			c.Send("235 welcome\r\n")
			return
		}
		c.Send("220 ready\r\n")
		mailtest.SMTPAnswers(c, "AUTH OAUTHBEARER")
		for {
			got, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(c.Verb("AUTH"), "OAUTHBEARER "))
			if strings.Contains(string(got), "Bearer "+canary+"3\x01") {
				c.Send("235 welcome\r\n")
				serveMail(c, nil)
				return
			}
			c.Send("535 5.7.8 expired\r\n")
		}
	})
	cl := newClient(t, access.TLSImplicit)
	cl.auth = access.OAuth2("ann@example.org", func(context.Context) (string, error) {
		tokens++
		return fmt.Sprint(canary, tokens), nil
	}, nil)
	cl.opts.Idle = -1
	sink = cl.open(better.Addr)
	require.ErrorIs(t, send(sink), mailbox.ErrAuth)
	require.NoError(t, send(sink))
}

// secretsInLogs: servers that repeat the password wherever they can. newClient's
// canary looks at all that comes out.
func secretsInLogs(t *testing.T) {
	b64 := base64.StdEncoding.EncodeToString([]byte(canary))
	for _, reply := range []string{
		"535 5.7.8 wrong password " + canary, "535 " + b64, "535 user ann pass " + canary + canary,
		"500 what is AUTH PLAIN " + plainCanary, "500 " + plainCanary[:len(plainCanary)-3], "454 4.7.0 " + canary,
		"535-" + canary + "\r\n535 " + canary, canary, plainCanary, "xx" + canary, strings.Repeat("x", 50) + canary,
		"334 " + b64, "235-" + canary + "\r\n299 x", "299 " + canary, "421 " + canary,
		"535 5.7.8 " + strings.Repeat("y", 1020) + canary, strings.Repeat("z", 1<<18) + canary,
	} {
		cl := newClient(t, access.TLSImplicit)
		_, err := cl.dial(secureServer(t, denies(reply)).Addr)
		require.Error(t, err)
		assert.Contains(t, cl.canary.Seen(), "AUTH PLAIN ***", "the control: the trace is looked at")
		var r *Reply
		if errors.As(err, &r) {
			cl.canary.Value(r)
			cl.canary.Value(*r)
		}
	}
	// LOGIN sends the password in a line of its own.
	login := secureServer(t, func(c *mailtest.Conn) {
		c.Send("220 ready\r\n")
		mailtest.SMTPAnswers(c, "AUTH LOGIN")
		c.Verb("AUTH")
		c.Send("334 VXNlcm5hbWU6\r\n")
		c.ReadLine()
		c.Send("334 UGFzc3dvcmQ6\r\n")
		c.Sendf("500 what is %s\r\n", c.ReadLine())
		c.Stall()
	})
	cl := newClient(t, access.TLSImplicit)
	_, err := cl.dial(login.Addr)
	require.ErrorIs(t, err, mailbox.ErrAuth)
	assert.Contains(t, err.Error(), "what is ***")

	// A token, within the mechanism.
	bearer := secureServer(t, func(c *mailtest.Conn) {
		c.Send("220 ready\r\n")
		mailtest.SMTPAnswers(c, "AUTH XOAUTH2")
		said := c.Verb("AUTH")
		c.Sendf("334 %s\r\n", base64.StdEncoding.EncodeToString([]byte(`{"status":"400 `+canary+`"}`)))
		assert.Empty(t, c.ReadLine())
		c.Sendf("535 5.7.8 %s\r\n", said)
	})
	_, err = newClient(t, access.TLSImplicit).withToken().dial(bearer.Addr)
	require.ErrorIs(t, err, mailbox.ErrAuth)
	assert.Contains(t, err.Error(), "400 ***")

	// Whoever has been told the secret knows it the next time, from the
	// greeting on; and in the middle of a message.
	for _, token := range []bool{false, true} {
		gossip := secureServer(t, func(c *mailtest.Conn) {
			known := ""
			if c.Num() > 1 {
				known = canary
			}
			c.Send("220 " + known + " ready\r\n")
			c.Answer("EHLO", func(_, _ string) { c.Send("250-" + known + "\r\n250 AUTH PLAIN XOAUTH2\r\n") })
			c.Verb("AUTH")
			c.Send("235 " + canary + "\r\n")
			serveMail(c, func(verb, _ string) string {
				switch {
				case verb == "MAIL" && c.Num() == 2:
					return canary // is no reply
				case verb == "RCPT" && c.Num() == 3:
					return "550 5.1.1 " + plainCanary
				case verb == "message":
					return "250 queued as " + canary
				}
				return ""
			})
		})
		cl = newClient(t, access.TLSImplicit)
		if token {
			cl.withToken()
		}
		cl.opts.Idle = -1
		k := cl.open(gossip.Addr)
		for i := range 4 {
			receipt, err := k.Send(t.Context(), envelope("bob@example.org"), strings.NewReader(plain), nil)
			cl.canary.Error(err)
			cl.canary.Value(receipt)
			cl.canary.Value(receipt.Recipients)
			cl.canary.Value(receipt.Reply)
			assert.Equal(t, i < 2, err != nil, "message %d: %v", i, err)
		}
		cl.canary.Value(k.Account())
		cl.canary.Value(k)
		cl.canary.Value(k.Caps())
	}
	assert.Contains(t, cl.canary.Seen(), "*** ready", "the control: it was there")

	// The log tells of a connection that was replaced, and why.
	parting := secureServer(t, func(c *mailtest.Conn) {
		mailtest.SMTPLogin(c, "AUTH PLAIN")
		serveMail(c, func(verb, _ string) string {
			if verb == "MAIL" && c.Num() == 1 {
				return "421 4.3.2 bye, " + canary
			}
			return ""
		})
	})
	cl = newClient(t, access.TLSImplicit)
	_, err = cl.open(parting.Addr).Send(t.Context(), envelope("bob@example.org"), strings.NewReader(plain), nil)
	require.NoError(t, err)
	assert.Contains(t, cl.canary.Seen(), "SMTP connection lost")
	assert.Contains(t, cl.canary.Seen(), "bye, ***")
}

// throttle: the clock of the pauses is in TestRedial.
func throttle(t *testing.T) {
	for _, reply := range []string{"421 4.7.0 too many connections", "450 4.7.1 slow down", "451 4.7.1 slow down", "432 4.3.2 concurrent", "452 4.5.3 too many messages"} {
		srv := secureServer(t, func(c *mailtest.Conn) {
			mailtest.SMTPLogin(c, "AUTH PLAIN")
			serveMail(c, func(verb, _ string) string {
				if verb == "MAIL" {
					return reply
				}
				return ""
			})
		})
		sink := newClient(t, access.TLSImplicit).open(srv.Addr)
		receipt, err := sink.Send(t.Context(), envelope("bob@example.org"), strings.NewReader(plain), nil)
		require.Error(t, err, reply)
		assert.True(t, mailbox.Retryable(err), "%v", err)
		assert.NotEqual(t, Accepted, receipt.Outcome)
		assert.NotEqual(t, Unknown, receipt.Outcome)
		assert.LessOrEqual(t, srv.Accepted(), maxTries, "it does not insist")
	}
	// The control: a refusal for good is not to be tried again.
	srv := secureServer(t, func(c *mailtest.Conn) {
		mailtest.SMTPLogin(c, "AUTH PLAIN")
		serveMail(c, func(verb, _ string) string {
			if verb == "MAIL" {
				return "550 5.7.1 no"
			}
			return ""
		})
	})
	_, err := newClient(t, access.TLSImplicit).open(srv.Addr).Send(t.Context(), envelope("bob@example.org"), strings.NewReader(plain), nil)
	require.Error(t, err)
	assert.False(t, mailbox.Retryable(err))
}
