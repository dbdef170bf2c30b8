package popsrc

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

// refusesTLS is a server, or somebody in the middle, that answers STLS with
// reply and would take the password in plaintext.
func refusesTLS(reply string) func(c *mailtest.Conn) {
	return func(c *mailtest.Conn) {
		c.Send("+OK ready\r\n")
		c.Answer("CAPA", func(_, _ string) { c.Send("+OK\r\nUSER\r\nUIDL\r\n.\r\n") })
		c.Answer("USER", func(_, _ string) { c.Send("+OK\r\n") })
		c.Answer("PASS", func(_, _ string) { c.Send("+OK\r\n") })
		c.Verb("STLS")
		c.Send(reply)
		c.Verb("QUIT")
	}
}

// withoutTLS checks that a server that wants no TLS gets no secret, and that it
// gets one from a client that does not insist.
func withoutTLS(t *testing.T, reply string, want ...error) {
	srv := mailtest.Serve(t, nil, refusesTLS(reply))
	_, err := newClient(t, access.TLSStart).dial(srv.Addr)
	for _, w := range want {
		require.ErrorIs(t, err, w)
	}
	unsent(t, srv)

	control := mailtest.Serve(t, nil, refusesTLS(reply))
	n := newNaive(t, control.Addr)
	n.upgrade()
	n.login()
	assert.Contains(t, control.Transcript(), canary, "a client that does not insist is robbed")
}

// injected sends payload behind +OK to STLS: at once, when the handshake has
// begun, or octet by octet. If nobody minds, the session goes on inside TLS.
func injected(payload string, late bool) func(c *mailtest.Conn) {
	return func(c *mailtest.Conn) {
		c.Send("+OK ready\r\n")
		c.Verb("STLS")
		if !late {
			c.Send("+OK\r\n" + payload)
		} else {
			c.Send("+OK\r\n")
			_ = c.ReadN(1) // the first octet of ClientHello
			c.SendSplit(payload, 1)
			c.Stall()
		}
		c.StartTLS()
		c.Verb("USER")
		c.Send("+OK\r\n")
		c.Verb("PASS")
		c.Send("+OK\r\n")
	}
}

var hostileTLS = map[string]func(t *testing.T){
	"starttls-strip-cap": func(t *testing.T) {
		withoutTLS(t, "-ERR unknown command\r\n", mailbox.ErrTLSRequired)
	},
	"starttls-refused": func(t *testing.T) {
		for reply, want := range map[string]error{
			"-ERR no\r\n":            mailbox.ErrTLSRequired,
			"-ERR [SYS/TEMP] no\r\n": mailbox.ErrTLSRequired,
			"+ go on\r\n":            mailbox.ErrProtocol,
			"+ERR\r\n":               mailbox.ErrProtocol,
			"220 ready\r\n":          mailbox.ErrProtocol,
			"\r\n":                   mailbox.ErrProtocol,
		} {
			withoutTLS(t, reply, want)
		}
	},
	"starttls-caps-hidden": func(t *testing.T) {
		// CAPA is refused in plaintext: it is not asked there.
		srv := mailtest.Serve(t, nil, func(c *mailtest.Conn) {
			c.Send("+OK ready\r\n")
			c.Answer("CAPA", func(_, _ string) { c.Send("-ERR\r\n") })
			c.Verb("STLS")
			c.Send("+OK\r\n")
			c.StartTLS()
			mailtest.POPAnswers(c, caps...)
			loginRest(c)
		})
		newClient(t, access.TLSStart).open(srv.Addr)
		withoutTLS(t, "-ERR\r\n", mailbox.ErrTLSRequired)
	},
	"starttls-suffix": func(t *testing.T) {
		for _, payload := range []string{"+OK\r\n", "+OK 1 2\r\n1 evil\r\n.\r\n", "x"} {
			srv := mailtest.Serve(t, nil, injected(payload, false))
			_, err := newClient(t, access.TLSStart).dial(srv.Addr)
			require.ErrorIs(t, err, mailbox.ErrTLSInjection)
			unsent(t, srv)
		}
		control := mailtest.Serve(t, nil, injected("+OK\r\n", false))
		n := newNaive(t, control.Addr)
		n.upgrade()
		assert.Equal(t, "+OK", n.login(), "a client that forgets the payload does not notice")
	},
	"starttls-suffix-late": func(t *testing.T) {
		for _, payload := range []string{"+OK\r\n", "-ERR [AUTH] phishing\r\n"} {
			srv := mailtest.Serve(t, nil, injected(payload, true))
			_, err := newClient(t, access.TLSStart).dial(srv.Addr)
			require.ErrorIs(t, err, mailbox.ErrTLSInjection)
			unsent(t, srv)

			control := mailtest.Serve(t, nil, injected(payload, true))
			n := newNaive(t, control.Addr)
			n.upgrade()
			err = n.nc.(*tls.Conn).Handshake()
			require.Error(t, err)
			assert.NotErrorIs(t, err, mailbox.ErrTLSInjection, "bare TLS fails, but cannot say why")
		}
	},
	"starttls-early-ok": func(t *testing.T) {
		script := func(c *mailtest.Conn) {
			c.Send("+OK ready\r\n+OK begin TLS\r\n") // the second has not been asked for
			c.Stall()
		}
		srv := mailtest.Serve(t, nil, script)
		_, err := newClient(t, access.TLSStart).dial(srv.Addr)
		require.ErrorIs(t, err, mailbox.ErrTLSInjection)
		unsent(t, srv)

		control := mailtest.Serve(t, nil, script)
		n := newNaive(t, control.Addr)
		assert.Equal(t, "+OK begin TLS", n.cmd("STLS"), "it passes for the answer")
	},
	"pop-stls-inject": func(t *testing.T) {
		// What plaintext told must not count inside TLS: there is nothing in
		// the script that the client could have asked in plaintext.
		srv := mailtest.Serve(t, &mailtest.ServeOptions{Whole: true}, func(c *mailtest.Conn) {
			c.Send("+OK <1@evil> ready\r\n")
			c.Expect("STLS")
			c.Send("+OK\r\n")
			c.StartTLS()
			c.Expect("CAPA")
			c.Send("+OK\r\nUSER\r\n.\r\n")
			c.Expect("USER alice")
			c.Send("-ERR [AUTH] no\r\n")
		})
		cl := newClient(t, access.TLSStart)
		cl.opts.APOP = true
		_, err := cl.dial(srv.Addr)
		require.ErrorIs(t, err, mailbox.ErrAuth)

		// Control: who asks in plaintext gets what anybody put there.
		control := mailtest.Serve(t, nil, func(c *mailtest.Conn) {
			c.Send("+OK <1@evil> ready\r\n")
			c.Verb("CAPA")
			c.Send("+OK\r\nSASL X-EVIL\r\n.\r\n")
		})
		n := newNaive(t, control.Addr)
		n.cmd("CAPA")
		told, err := n.ReadDotLines()
		require.NoError(t, err)
		assert.Equal(t, []string{"SASL X-EVIL"}, told)
	},
	"bad-greeting":    badGreeting,
	"handshake-stall": handshakeStall,
	"cert-invalid":    certInvalid,
	"tls-old":         tlsOld,
	"tls-truncation":  tlsTruncation,
	"conn-reuse-tls":  connReuse,
	"ui-spoof":        uiSpoof,
}

// loginRest plays USER, PASS and an empty maildrop.
func loginRest(c *mailtest.Conn) {
	c.Verb("USER")
	c.Send("+OK\r\n")
	c.Verb("PASS")
	c.Send("+OK\r\n")
	answerMaildrop(c, nil)
	c.Verb("BYE")
}

func badGreeting(t *testing.T) {
	for greeting, want := range map[string]error{
		"garbage\r\n":                       mailbox.ErrProtocol,
		"* OK IMAP4rev1\r\n":                mailbox.ErrProtocol,
		"220 smtp\r\n":                      mailbox.ErrProtocol,
		"\r\n":                              mailbox.ErrProtocol,
		"\x00\x00\r\n":                      mailbox.ErrProtocol,
		"+ERR no\r\n":                       mailbox.ErrProtocol,
		"-ERR go away\r\n":                  mailbox.ErrUnavailable,
		"-ERR [IN-USE] locked\r\n":          mailbox.ErrBusy,
		"-ERR [SYS/PERM] no\r\n":            mailbox.ErrPermission,
		"-ERR [LOGIN-DELAY 900] wait\r\n":   mailbox.ErrThrottled,
		strings.Repeat("x", 1<<20) + "\r\n": mailbox.ErrProtocol,
		"":                                  mailbox.ErrUnavailable,
		"+OK without an end":                io.ErrUnexpectedEOF,
	} {
		script := func(c *mailtest.Conn) {
			c.Send(greeting)
			if greeting == "" || !strings.HasSuffix(greeting, "\n") {
				return
			}
			c.Answer("USER", func(_, _ string) { c.Send("+OK\r\n") })
			c.Answer("PASS", func(_, _ string) { c.Send("+OK\r\n") })
			c.Verb("QUIT")
		}
		srv := mailtest.Serve(t, &mailtest.ServeOptions{TLS: true}, script)
		_, err := newClient(t, access.TLSImplicit).dial(srv.Addr)
		require.ErrorIs(t, err, want, "%.20q", greeting)
		assert.Less(t, len(err.Error()), 2048)
		unsent(t, srv)
	}
	control := mailtest.Serve(t, nil, func(c *mailtest.Conn) {
		c.Send("garbage\r\n")
		c.Verb("USER")
		c.Send("+OK\r\n")
		c.Verb("PASS")
		c.Send("+OK\r\n")
	})
	assert.Equal(t, "+OK", newNaive(t, control.Addr).login(), "who does not look logs in to anything")
}

func handshakeStall(t *testing.T) {
	for name, mode := range map[string]access.TLSMode{"TLS": access.TLSImplicit, "STLS": access.TLSStart} {
		t.Run(name, func(t *testing.T) {
			here := make(chan struct{}, 1)
			srv := mailtest.Serve(t, nil, func(c *mailtest.Conn) {
				if mode == access.TLSStart {
					c.Send("+OK ready\r\n")
					c.Verb("STLS")
					c.Send("+OK\r\n")
				}
				_ = c.ReadN(1)
				here <- struct{}{}
				c.Stall()
			})
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				<-here
				cancel()
			}()
			_, err := newClient(t, mode).dialContext(ctx, srv.Addr)
			require.ErrorIs(t, err, context.Canceled)
			unsent(t, srv)
		})
	}
	// The control, and the clock, are TestConnectTimeout's and mailconn's.
}

func certInvalid(t *testing.T) {
	for name, tt := range map[string]struct {
		kind mailtest.CertKind
		as   any
	}{
		"wrong host":  {mailtest.CertWrongHost, &x509.HostnameError{}},
		"expired":     {mailtest.CertExpired, &x509.CertificateInvalidError{}},
		"self-signed": {mailtest.CertSelfSigned, &x509.UnknownAuthorityError{}},
		"unknown CA":  {mailtest.CertUnknownCA, &x509.UnknownAuthorityError{}},
	} {
		for _, mode := range []access.TLSMode{access.TLSImplicit, access.TLSStart} {
			t.Run(name+" "+mode.String(), func(t *testing.T) {
				srv := mailtest.Serve(t, &mailtest.ServeOptions{
					TLS: mode == access.TLSImplicit, Cert: mailtest.Certificate(tt.kind),
				}, func(c *mailtest.Conn) {
					if mode == access.TLSStart {
						c.Send("+OK\r\n")
						c.Verb("STLS")
						c.Send("+OK\r\n")
						c.StartTLS()
						mailtest.POPAnswers(c, caps...)
						loginRest(c)
						return
					}
					serve(c, caps, nil, nil)
				})
				_, err := newClient(t, mode).dial(srv.Addr)
				require.ErrorIs(t, err, mailbox.ErrCertificate)
				assert.True(t, errors.As(err, tt.as), "%v", err)
				unsent(t, srv)

				lax := newClient(t, mode)
				lax.opts.Net.TLSConfig = &tls.Config{InsecureSkipVerify: true}
				lax.open(srv.Addr) // without the check the password goes out
				assert.Contains(t, srv.Transcript(), canary)
			})
		}
	}
}

func tlsOld(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
		serve := func(c *mailtest.Conn) {
			tc := tls.Server(c.NetConn(), &tls.Config{
				Certificates: []tls.Certificate{*mailtest.Certificate(mailtest.CertGood)},
				MinVersion:   version, MaxVersion: version,
			})
			_ = tc.Handshake()
		}
		srv := mailtest.Serve(t, nil, serve)
		cl := newClient(t, access.TLSImplicit)
		cl.opts.Net.TLSConfig.MinVersion = version // what the user says does not count
		_, err := cl.dial(srv.Addr)
		require.ErrorIs(t, err, mailbox.ErrTLSRequired)
		assert.Contains(t, err.Error(), "TLS 1.2")

		cfg := mailtest.ClientTLS()
		cfg.MinVersion = version
		tc, err := tls.Dial("tcp", srv.Addr, cfg)
		require.NoError(t, err, "bare TLS accepts it if told to")
		_ = tc.Close()
	}
}

// tlsTruncation ends TCP below TLS inside a message: Go's TLS gives a plain end.
func tlsTruncation(t *testing.T) {
	body := mail("cut")
	whole := "+OK\r\n" + body + ".\r\n"
	for n := len("+OK\r\n"); n < len(whole); n++ {
		srv := mailtest.Serve(t, &mailtest.ServeOptions{TLS: true}, func(c *mailtest.Conn) {
			serve(c, caps, []string{body}, func(c *mailtest.Conn) {
				c.Answer("RETR", nil)
				c.Verb("RETR")
				c.Send(whole[:n])
				c.CloseRaw()
			})
		})
		mb := newClient(t, access.TLSImplicit).open(srv.Addr)
		r, err := mb.Open(t.Context(), idsOf(t, mb)[0], nil)
		require.NoError(t, err)
		got, err := io.ReadAll(r)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, "cut after %d octets", n)
		assert.True(t, strings.HasPrefix(body, string(got)), "%q", got)
		_ = r.Close()
		_ = mb.Close()
	}
	// Control: a client that reads to the end of the connection notices nothing.
	srv := mailtest.Serve(t, &mailtest.ServeOptions{TLS: true}, func(c *mailtest.Conn) {
		c.Send(whole[:20])
		c.CloseRaw()
	})
	tc, err := tls.Dial("tcp", srv.Addr, mailtest.ClientTLS())
	require.NoError(t, err)
	got, err := io.ReadAll(tc)
	require.NoError(t, err)
	assert.Equal(t, whole[:20], string(got))
}

// connReuse: two accounts on one host have nothing in common.
func connReuse(t *testing.T) {
	srv := mailtest.Serve(t, &mailtest.ServeOptions{TLS: true}, func(c *mailtest.Conn) { serve(c, caps, nil, nil) })
	one := newClient(t, access.TLSImplicit)
	one.open(srv.Addr)
	two := newClient(t, access.TLSImplicit)
	two.auth = access.Password("bob", canary, nil)
	two.open(srv.Addr)
	assert.Equal(t, 2, srv.Accepted())
	assert.Contains(t, srv.Transcript(), "USER bob")

	// Not even with the same user: another configuration must prove the server
	// anew.
	strict := newClient(t, access.TLSImplicit)
	strict.opts.Net.TLSConfig = &tls.Config{RootCAs: x509.NewCertPool()}
	_, err := strict.dial(srv.Addr)
	require.ErrorIs(t, err, mailbox.ErrCertificate)
}

// uiSpoof: what a server says is clean and short, and before TLS it is not shown
// at all.
func uiSpoof(t *testing.T) {
	evil := "call +1 555 0100 \x1b[31mNOW\x1b[0m \u202Ehttp://evil.example\a " + strings.Repeat("A", 5000)
	in := mailtest.Serve(t, &mailtest.ServeOptions{TLS: true}, func(c *mailtest.Conn) { c.Send("-ERR " + evil + "\r\n") })
	_, err := newClient(t, access.TLSImplicit).dial(in.Addr)
	require.Error(t, err)
	assert.Contains(t, err.Error(), "server said")
	assert.Contains(t, err.Error(), "evil.example", "the control: inside TLS the text is shown")
	assert.NotContains(t, err.Error(), "\x1b")
	assert.NotContains(t, err.Error(), "\u202E")
	assert.Less(t, len(err.Error()), 1300)

	for _, when := range []string{"greeting", "STLS"} {
		srv := mailtest.Serve(t, nil, func(c *mailtest.Conn) {
			if when == "STLS" {
				c.Send("+OK\r\n")
				c.Verb("STLS")
			}
			c.Send("-ERR " + evil + "\r\n")
			c.Stall()
		})
		_, err := newClient(t, access.TLSStart).dial(srv.Addr)
		require.Error(t, err)
		assert.NotContains(t, err.Error(), "evil.example", when)
	}
}
