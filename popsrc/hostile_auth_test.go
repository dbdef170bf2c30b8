package popsrc

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

// offers is a server that offers mechanisms, or USER, and takes any login.
func offers(capa ...string) func(c *mailtest.Conn) {
	return func(c *mailtest.Conn) { serve(c, append([]string{"UIDL"}, capa...), nil, nil) }
}

// secureServer serves inside TLS.
func secureServer(t *testing.T, script func(c *mailtest.Conn)) *mailtest.Server {
	return mailtest.Serve(t, &mailtest.ServeOptions{TLS: true}, script)
}

// denies is a server that refuses the password with reply, again and again.
func denies(reply string) func(c *mailtest.Conn) {
	return func(c *mailtest.Conn) {
		c.Send("+OK <123.456@mail.example> ready\r\n")
		mailtest.POPAnswers(c, caps...)
		c.Answer("USER", func(_, _ string) { c.Send("+OK\r\n") })
		for {
			c.Verb("PASS")
			c.Send(reply + "\r\n")
		}
	}
}

var hostileAuth = map[string]func(t *testing.T){
	"auth-plaintext": func(t *testing.T) {
		mute := mailtest.Serve(t, nil, func(c *mailtest.Conn) {
			c.Send("+OK ready\r\n")
			c.Stall()
		})
		_, err := newClient(t, access.TLSImplicit).dial(mute.Addr)
		require.ErrorIs(t, err, mailbox.ErrTLSRequired)
		unsent(t, mute)

		// A server that hides its logins from plaintext wants TLS.
		hides := mailtest.Serve(t, nil, offers("STLS", "SASL"))
		_, err = newClient(t, access.TLSNone).dial(hides.Addr)
		require.ErrorIs(t, err, mailbox.ErrTLSRequired)
		unsent(t, hides)

		srv := mailtest.Serve(t, nil, offers("USER"))
		newClient(t, access.TLSNone).open(srv.Addr)
		assert.Contains(t, srv.Transcript(), canary, "the control: only who asks for it sends it in plaintext")
	},
	"sasl-downgrade": func(t *testing.T) {
		weak := []string{"SASL ANONYMOUS CRAM-MD5 DIGEST-MD5 EXTERNAL GSSAPI LOGIN NTLM OTP PLAIN X-NEW", "USER"}
		srv := secureServer(t, offers(weak...))
		strict := newClient(t, access.TLSImplicit)
		strict.auth = access.Password(testUser, canary, &access.AuthOptions{Mechanisms: []string{"SCRAM-SHA-256"}})
		_, err := strict.dial(srv.Addr)
		require.ErrorIs(t, err, mailbox.ErrAuth)

		token := newClient(t, access.TLSImplicit)
		token.auth = access.OAuth2(testUser, func(context.Context) (string, error) { return canary, nil }, nil)
		_, err = token.dial(srv.Addr)
		require.ErrorIs(t, err, mailbox.ErrAuth)

		nothing := secureServer(t, offers("SASL ANONYMOUS EXTERNAL CRAM-MD5"))
		_, err = newClient(t, access.TLSImplicit).dial(nothing.Addr)
		require.ErrorIs(t, err, mailbox.ErrAuth)
		unsent(t, srv)
		unsent(t, nothing)

		newClient(t, access.TLSImplicit).open(srv.Addr)
		assert.Contains(t, srv.Transcript(), "AUTH PLAIN", "the control: without a list PLAIN inside TLS will do")
	},
	"sasl-endless": func(t *testing.T) {
		endless := func(c *mailtest.Conn) {
			c.Send("+OK\r\n")
			mailtest.POPAnswers(c, "SASL LOGIN XOAUTH2")
			c.Verb("AUTH")
			for {
				c.Send("+ \r\n")
				c.ReadLine()
			}
		}
		srv := secureServer(t, endless)
		_, err := newClient(t, access.TLSImplicit).dial(srv.Addr)
		require.ErrorIs(t, err, mailbox.ErrProtocol)
		assert.LessOrEqual(t, strings.Count(srv.Transcript(), "S: + "), 11)

		control := mailtest.Serve(t, nil, endless)
		n := newNaive(t, control.Addr)
		n.cmd("AUTH LOGIN")
		for range 100 {
			require.Equal(t, "+ ", n.cmd(""))
		}
	},
	"scram-cost": func(t *testing.T) {
		scram := func(iterations string) *mailtest.Server {
			return secureServer(t, func(c *mailtest.Conn) {
				c.Send("+OK\r\n")
				mailtest.POPAnswers(c, "SASL SCRAM-SHA-256")
				args := c.Verb("AUTH")
				first, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(args, "SCRAM-SHA-256 "))
				_, nonce, _ := strings.Cut(string(first), ",r=")
				c.Sendf("+ %s\r\n", base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "r=%sx,s=c2FsdHNhbHQ=,i=%s", nonce, iterations)))
				c.ReadLine() // the proof
				c.Send("+OK logged in\r\n")
				c.Stall()
			})
		}
		for _, i := range []string{"2147483647", "1000001", "1", "4095"} {
			srv := scram(i)
			_, err := newClient(t, access.TLSImplicit).dial(srv.Addr)
			require.ErrorIs(t, err, mailbox.ErrProtocol)
			assert.Contains(t, err.Error(), "iteration")
		}
		// A good count gets the proof, and then the server must prove itself.
		_, err := newClient(t, access.TLSImplicit).dial(scram("4096").Addr)
		require.ErrorIs(t, err, mailbox.ErrProtocol)
		assert.Contains(t, err.Error(), "signature")
	},
	"apop-md5": func(t *testing.T) {
		// Off by default, without TLS, and for a timestamp that is none.
		for _, tt := range []struct {
			greeting string
			apop     bool
			mode     access.TLSMode
			used     bool
		}{
			{"<123.456@mail.example>", false, access.TLSImplicit, false},
			{"<123.456@mail.example>", true, access.TLSNone, false},
			{"<123\x80\xff456@mail.example>", true, access.TLSImplicit, false},
			{"<123 456@mail.example>", true, access.TLSImplicit, false},
			{"<nothing>", true, access.TLSImplicit, false},
			{"<@>", true, access.TLSImplicit, false},
			{"none", true, access.TLSImplicit, false},
			{"<123.456@mail.example>", true, access.TLSImplicit, true}, // the control
		} {
			srv := mailtest.Serve(t, &mailtest.ServeOptions{TLS: tt.mode == access.TLSImplicit}, func(c *mailtest.Conn) {
				c.Send("+OK ready " + tt.greeting + "\r\n")
				mailtest.POPAnswers(c, caps...)
				answerMaildrop(c, nil)
				for _, verb := range []string{"USER", "PASS", "APOP"} {
					c.Answer(verb, func(_, _ string) { c.Send("+OK\r\n") })
				}
				c.Verb("BYE")
			})
			cl := newClient(t, tt.mode)
			cl.opts.APOP = tt.apop
			cl.open(srv.Addr)
			assert.Equal(t, tt.used, strings.Contains(srv.Transcript(), "C: APOP alice "), "%+v", tt)
			assert.Equal(t, !tt.used, strings.Contains(srv.Transcript(), canary), "%+v", tt)
		}
	},
	"auth-retry-lockout": func(t *testing.T) {
		for _, reply := range []string{"-ERR [AUTH] no", "-ERR wrong password"} {
			// The first login is good; then the connection is cut, and the
			// password has been changed.
			logins := 0
			srv := secureServer(t, func(c *mailtest.Conn) {
				if c.Num() == 1 {
					serve(c, caps, []string{mail("one")}, func(c *mailtest.Conn) {
						c.Answer("RETR", nil)
						c.Verb("RETR")
						c.Cut()
					})
					return
				}
				denies(reply)(c)
			})
			mb := newClient(t, access.TLSImplicit).open(srv.Addr)
			id := idsOf(t, mb)[0]
			for range 5 {
				_, err := read(t, mb, id)
				require.ErrorIs(t, err, mailbox.ErrAuth)
				assert.False(t, mailbox.Retryable(err))
			}
			logins = strings.Count(srv.Transcript(), "C: PASS")
			assert.Equal(t, 2, logins, "one good login and one that was refused")
		}
		// The control: trouble that passes is tried again.
		srv := secureServer(t, func(c *mailtest.Conn) {
			switch c.Num() {
			case 1:
				serve(c, caps, []string{mail("one")}, func(c *mailtest.Conn) {
					c.Answer("RETR", nil)
					c.Verb("RETR")
					c.Cut()
				})
			case 2:
				denies("-ERR [IN-USE] locked")(c)
			default:
				serve(c, caps, []string{mail("one")}, nil)
			}
		})
		mb := newClient(t, access.TLSImplicit).open(srv.Addr)
		got, err := read(t, mb, idsOf(t, mb)[0])
		require.NoError(t, err)
		assert.Equal(t, mail("one"), got)
		assert.Equal(t, 3, strings.Count(srv.Transcript(), "C: PASS"))
	},
	"secrets-in-logs": func(t *testing.T) {
		// A server that repeats the password wherever it can. newClient's canary
		// looks at all that comes out.
		b64 := base64.StdEncoding.EncodeToString([]byte(canary))
		for _, reply := range []string{
			"-ERR [AUTH] wrong password " + canary, "-ERR " + b64, "-ERR user alice pass " + canary + canary,
			canary, "+ " + b64, "+OK-" + canary,
		} {
			cl := newClient(t, access.TLSImplicit)
			_, err := cl.dial(secureServer(t, denies(reply)).Addr)
			require.Error(t, err)
			assert.Contains(t, cl.canary.Seen(), "PASS ***", "the control: the trace is looked at")
		}
		plain := secureServer(t, func(c *mailtest.Conn) {
			c.Send("+OK\r\n")
			mailtest.POPAnswers(c, "SASL PLAIN")
			c.Verb("AUTH")
			c.Sendf("-ERR you said %s\r\n", canary)
		})
		_, err := newClient(t, access.TLSImplicit).dial(plain.Addr)
		require.ErrorIs(t, err, mailbox.ErrAuth)
		token := newClient(t, access.TLSImplicit)
		token.auth = access.OAuth2(testUser, func(context.Context) (string, error) { return canary, nil }, nil)
		bearer := secureServer(t, func(c *mailtest.Conn) {
			c.Send("+OK\r\n")
			mailtest.POPAnswers(c, "SASL XOAUTH2")
			c.Verb("AUTH")
			c.Sendf("+ %s\r\n", base64.StdEncoding.EncodeToString([]byte(`{"status":"400 `+canary+`"}`)))
			assert.Empty(t, c.ReadLine())
			c.Send("-ERR no\r\n")
		})
		_, err = token.dial(bearer.Addr)
		require.ErrorIs(t, err, mailbox.ErrAuth)
		assert.Contains(t, err.Error(), "400 ***")
	},
}
