package smtpsink

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
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

// refusesTLS is a server, or somebody in the middle, that offers ehlo in
// plaintext, answers STARTTLS with reply and would take the password.
func refusesTLS(reply string, ehlo ...string) func(c *mailtest.Conn) {
	return func(c *mailtest.Conn) {
		c.Send("220 ready\r\n")
		mailtest.SMTPAnswers(c, ehlo...)
		if ehlo == nil {
			c.Answer("EHLO", func(_, _ string) { c.Send("500 what?\r\n") })
		}
		c.Answer("AUTH", func(_, _ string) { c.Send("235 2.7.0 thank you\r\n") })
		c.Verb("STARTTLS")
		c.Send(reply)
		c.Verb("BYE")
	}
}

// withoutTLS checks that a server that wants no TLS gets no secret, and that it
// gets one from a client that does not insist.
func withoutTLS(t *testing.T, reply string, want error, ehlo ...string) {
	t.Helper()
	srv := mailtest.Serve(t, nil, refusesTLS(reply, ehlo...))
	_, err := newClient(t, access.TLSStart).dial(srv.Addr)
	require.ErrorIs(t, err, want, "%q", reply)
	assert.Equal(t, 1, srv.Accepted(), "no second try")
	unsent(t, srv)

	control := mailtest.Serve(t, nil, refusesTLS(reply, ehlo...))
	n := newNaive(t, control.Addr)
	n.upgrade()
	assert.Contains(t, n.login(), "235")
	assert.Contains(t, control.Transcript(), plainCanary, "a client that does not insist is robbed")
}

// injected sends payload behind 220 to STARTTLS: at once, or octet by octet when
// the handshake has begun. If nobody minds, the session goes on inside TLS.
func injected(payload string, late bool) func(c *mailtest.Conn) {
	return func(c *mailtest.Conn) {
		c.Send("220 ready\r\n")
		mailtest.SMTPAnswers(c, "STARTTLS")
		c.Verb("STARTTLS")
		if !late {
			c.Send("220 go ahead\r\n" + payload)
		} else {
			c.Send("220 go ahead\r\n")
			_ = c.ReadN(1) // the first octet of ClientHello
			c.SendSplit(payload, 1)
			c.Stall()
		}
		c.StartTLS()
		c.Verb("AUTH")
		c.Send("235 2.7.0 welcome\r\n")
	}
}

var hostileTLS = map[string]func(t *testing.T){
	"starttls-strip-cap": func(t *testing.T) {
		withoutTLS(t, "500 5.5.1 unknown command\r\n", mailbox.ErrTLSRequired, "AUTH PLAIN")
	},
	"starttls-refused": func(t *testing.T) {
		for reply, want := range map[string]error{
			"454 4.7.0 not now\r\n":       mailbox.ErrTLSRequired,
			"502 5.5.1 no\r\n":            mailbox.ErrTLSRequired,
			"501 5.5.4 syntax\r\n":        mailbox.ErrTLSRequired,
			"554 no\r\n":                  mailbox.ErrTLSRequired,
			"354 send it\r\n":             mailbox.ErrTLSRequired,
			"250 2.0.0 fine without\r\n":  mailbox.ErrTLSRequired,
			"235 2.7.0 logged in\r\n":     mailbox.ErrTLSRequired,
			"421 4.3.2 busy\r\n":          mailbox.ErrTLSRequired,
			"+OK\r\n":                     mailbox.ErrProtocol,
			"220\tgo ahead\r\n":           mailbox.ErrProtocol,
			"\r\n":                        mailbox.ErrProtocol,
			"120 wait\r\n":                mailbox.ErrProtocol,
			"220-go\r\n250 on\r\n":        mailbox.ErrProtocol,
			"2200 go ahead\r\n":           mailbox.ErrProtocol,
			"\xef\xbb\xbf220 go\r\n":      mailbox.ErrProtocol,
			"220 go\r\n220 go again\r\n":  mailbox.ErrTLSInjection,
			strings.Repeat("2", 1<<17):    mailbox.ErrProtocol,
			"600 what is this\r\n":        mailbox.ErrProtocol,
			"220-endless\r\n220-text\r\n": io.ErrUnexpectedEOF,
		} {
			script := refusesTLS(reply, "STARTTLS", "AUTH PLAIN")
			if want == io.ErrUnexpectedEOF {
				srv := mailtest.Serve(t, nil, func(c *mailtest.Conn) {
					c.Send("220 ready\r\n")
					mailtest.SMTPAnswers(c, "STARTTLS")
					c.Verb("STARTTLS")
					c.Send(reply)
				})
				_, err := newClient(t, access.TLSStart).dial(srv.Addr)
				require.ErrorIs(t, err, want)
				unsent(t, srv)
				continue
			}
			srv := mailtest.Serve(t, nil, script)
			_, err := newClient(t, access.TLSStart).dial(srv.Addr)
			require.ErrorIs(t, err, want, "%.30q", reply)
			assert.Equal(t, 1, srv.Accepted(), "no second try")
			unsent(t, srv)
		}
		withoutTLS(t, "454 4.7.0 not now\r\n", mailbox.ErrTLSRequired, "STARTTLS", "AUTH PLAIN") // the control
	},
	"starttls-caps-hidden": func(t *testing.T) {
		// EHLO is refused in plaintext: STARTTLS is asked for all the same.
		srv := mailtest.Serve(t, nil, func(c *mailtest.Conn) {
			c.Send("220 ready\r\n")
			c.Answer("EHLO", func(_, _ string) { c.Send("500 5.5.1 what?\r\n") })
			c.Verb("STARTTLS")
			c.Send("220 go ahead\r\n")
			c.StartTLS()
			mailtest.SMTPAnswers(c, "AUTH PLAIN")
			c.Verb("AUTH")
			c.Send("235 welcome\r\n")
			c.Verb("BYE")
		})
		newClient(t, access.TLSStart).open(srv.Addr)
		withoutTLS(t, "500 what?\r\n", mailbox.ErrTLSRequired)

		// Nor is a login guessed at where EHLO is refused inside TLS.
		old := secureServer(t, func(c *mailtest.Conn) {
			c.Send("220 ready\r\n")
			mailtest.SMTPAnswers(c)
			c.Answer("EHLO", func(_, _ string) { c.Send("500 5.5.1 what?\r\n") })
			c.Answer("AUTH", func(_, _ string) { c.Send("235 welcome\r\n") })
			c.Verb("BYE")
		})
		_, err := newClient(t, access.TLSImplicit).dial(old.Addr)
		require.ErrorIs(t, err, mailbox.ErrAuth)
		unsent(t, old)
		nobody := newClient(t, access.TLSImplicit)
		nobody.auth = access.Auth{}
		assert.True(t, nobody.open(old.Addr).Caps().TLS, "HELO will do for who does not log in")
	},
	"starttls-suffix": func(t *testing.T) {
		for _, payload := range []string{"250 AUTH PLAIN\r\n", "250-evil\r\n250 AUTH PLAIN\r\n", "x", "\n", "\x16\x03\x01"} {
			srv := mailtest.Serve(t, nil, injected(payload, false))
			_, err := newClient(t, access.TLSStart).dial(srv.Addr)
			require.ErrorIs(t, err, mailbox.ErrTLSInjection)
			unsent(t, srv)
		}
		control := mailtest.Serve(t, nil, injected("250 AUTH PLAIN\r\n", false))
		n := newNaive(t, control.Addr)
		n.upgrade()
		assert.Equal(t, "235 2.7.0 welcome", n.login(), "a client that forgets the payload does not notice")
	},
	"starttls-suffix-late": func(t *testing.T) {
		for _, payload := range []string{"250 ok\r\n", "535 5.7.8 phishing\r\n"} {
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
	"starttls-early-ok":     startTLSEarlyOK,
	"starttls-ok-with-caps": startTLSWithCaps,
	"bad-greeting":          badGreeting,
	"handshake-stall":       handshakeStall,
	"cert-invalid":          certInvalid,
	"tls-old":               tlsOld,
	"tls-truncation":        tlsTruncation,
	"conn-reuse-tls":        connReuse,
	"ui-spoof":              uiSpoof,
}

// startTLSEarlyOK answers what has not been asked yet.
func startTLSEarlyOK(t *testing.T) {
	for greeting, ehlo := range map[string]string{
		"220 ready\r\n220 begin TLS\r\n":              "",
		"220 ready\r\n250 hello\r\n220 begin TLS\r\n": "",
		"220 ready\r\n": "250 hello\r\n220 begin TLS\r\n",
		"220-ready\r\n220 now\r\n250-a\r\n250 b\r\n220": "",
	} {
		script := func(c *mailtest.Conn) {
			c.Send(greeting)
			c.Verb("EHLO")
			c.Send(ehlo)
			c.Stall()
		}
		srv := mailtest.Serve(t, nil, script)
		_, err := newClient(t, access.TLSStart).dial(srv.Addr)
		require.ErrorIs(t, err, mailbox.ErrTLSInjection)
		unsent(t, srv)
	}
	// One that comes in time to be taken for the answer to EHLO has the wrong
	// code.
	for _, ehlo := range []string{"220 begin TLS\r\n", "354 go on\r\n", "200 fine\r\n"} {
		srv := mailtest.Serve(t, nil, func(c *mailtest.Conn) {
			c.Send("220 ready\r\n")
			c.Verb("EHLO")
			c.Send(ehlo)
			c.Stall()
		})
		_, err := newClient(t, access.TLSStart).dial(srv.Addr)
		require.ErrorIs(t, err, mailbox.ErrProtocol)
		unsent(t, srv)
	}
	control := mailtest.Serve(t, nil, func(c *mailtest.Conn) {
		c.Send("220 ready\r\n220 begin TLS\r\n")
		c.Stall()
	})
	assert.Equal(t, "220 begin TLS", newNaive(t, control.Addr).cmd("STARTTLS"), "it passes for the answer")
}

// startTLSWithCaps: what plaintext told must not count inside TLS.
func startTLSWithCaps(t *testing.T) {
	evil := []string{"STARTTLS", "AUTH X-EVIL", "SIZE 1", "CHUNKING", "PIPELINING", "DSN", "REQUIRETLS", "LIMITS RCPTMAX=1 MAILMAX=1"}
	srv := mailtest.Serve(t, nil, func(c *mailtest.Conn) {
		c.Send("220 ready\r\n")
		mailtest.SMTPAnswers(c, evil...)
		c.Verb("STARTTLS")
		c.Send("220-PIPELINING\r\n220 CHUNKING\r\n")
		c.StartTLS()
		mailtest.SMTPAnswers(c, "AUTH PLAIN")
		c.Verb("AUTH")
		c.Send("235 welcome\r\n")
		c.Verb("BYE")
	})
	sink := newClient(t, access.TLSStart).open(srv.Addr)
	assert.Equal(t, Caps{TLS: true, Mechanisms: []string{"PLAIN"}}, sink.Caps())
	assert.Equal(t, 2, strings.Count(srv.Transcript(), "C: EHLO"))

	// Control: in plaintext the same lines count.
	plain := mailtest.Serve(t, nil, func(c *mailtest.Conn) {
		c.Send("220 ready\r\n")
		mailtest.SMTPAnswers(c, evil...)
		c.Verb("BYE")
	})
	cl := newClient(t, access.TLSNone)
	cl.auth = access.Auth{}
	told := cl.open(plain.Addr).Caps()
	assert.Equal(t, []string{"X-EVIL"}, told.Mechanisms)
	assert.True(t, told.Chunking)
	assert.False(t, told.RequireTLS, "not without TLS")
}

func badGreeting(t *testing.T) {
	for greeting, want := range map[string]error{
		"garbage\r\n":                          mailbox.ErrProtocol,
		"* OK IMAP4rev1\r\n":                   mailbox.ErrProtocol,
		"+OK POP3\r\n":                         mailbox.ErrProtocol,
		"\r\n":                                 mailbox.ErrProtocol,
		"\x00\x00\r\n":                         mailbox.ErrProtocol,
		"22 short\r\n":                         mailbox.ErrProtocol,
		"220ready\r\n":                         mailbox.ErrProtocol,
		"250 hello\r\n":                        mailbox.ErrProtocol,
		"334 \r\n":                             mailbox.ErrProtocol,
		"235 logged in\r\n":                    mailbox.ErrProtocol,
		"999 devil\r\n":                        mailbox.ErrProtocol,
		"100 wait\r\n":                         mailbox.ErrProtocol,
		"220-one\r\n554 two\r\n":               mailbox.ErrProtocol,
		"554 go away\r\n":                      mailbox.ErrUnavailable,
		"421 4.3.2 busy\r\n":                   mailbox.ErrUnavailable,
		"521 no mail here\r\n":                 mailbox.ErrUnavailable,
		strings.Repeat("x", 1<<20) + "\r\n":    mailbox.ErrProtocol,
		strings.Repeat("220-x\r\n", 1000):      mailbox.ErrProtocol,
		"":                                     mailbox.ErrUnavailable,
		"220 without an end":                   io.ErrUnexpectedEOF,
		"220-" + strings.Repeat("y", 70<<10):   mailbox.ErrProtocol,
		"220 \x1b[2J" + strings.Repeat("z", 9): io.ErrUnexpectedEOF,
	} {
		srv := secureServer(t, func(c *mailtest.Conn) {
			c.Send(greeting)
			if !strings.HasSuffix(greeting, "\n") {
				return
			}
			c.Answer("EHLO", func(_, _ string) { c.Send("250-x\r\n250 AUTH PLAIN\r\n") })
			c.Answer("AUTH", func(_, _ string) { c.Send("235 welcome\r\n") })
			c.Verb("BYE")
		})
		_, err := newClient(t, access.TLSImplicit).dial(srv.Addr)
		require.ErrorIs(t, err, want, "%.20q", greeting)
		assert.Less(t, len(err.Error()), 2048)
		unsent(t, srv)
	}
	control := mailtest.Serve(t, nil, func(c *mailtest.Conn) {
		c.Send("garbage\r\n")
		c.Verb("AUTH")
		c.Send("235 welcome\r\n")
	})
	assert.Equal(t, "235 welcome", newNaive(t, control.Addr).login(), "who does not look logs in to anything")
}

// handshakeStall: a server that takes the connection and then says nothing. The
// clock of the timeout is in TestConnectTimeout.
func handshakeStall(t *testing.T) {
	for name, mode := range map[string]access.TLSMode{"TLS": access.TLSImplicit, "STARTTLS": access.TLSStart, "silence": access.TLSNone} {
		t.Run(name, func(t *testing.T) {
			here := make(chan struct{}, 1)
			srv := mailtest.Serve(t, nil, func(c *mailtest.Conn) {
				switch mode {
				case access.TLSStart:
					c.Send("220 ready\r\n")
					mailtest.SMTPAnswers(c, "STARTTLS")
					c.Verb("STARTTLS")
					c.Send("220 go ahead\r\n")
					_ = c.ReadN(1)
				case access.TLSImplicit:
					_ = c.ReadN(1)
				}
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
	// The control: who has no clock waits as long as the server likes.
	srv := mailtest.Serve(t, nil, func(c *mailtest.Conn) { c.Stall() })
	nc, err := (&tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}).DialContext(expired(t), "tcp", srv.Addr)
	require.Error(t, err, "%v", nc)
}

// expired is a context that ends soon.
func expired(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
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
		// The name that counts is the one that the user configured, whatever
		// the address is (RFC 7817).
		"configured name": {mailtest.CertGood, &x509.HostnameError{}},
	} {
		for _, mode := range []access.TLSMode{access.TLSImplicit, access.TLSStart} {
			t.Run(name+"/"+mode.String(), func(t *testing.T) {
				o := &mailtest.ServeOptions{TLS: mode == access.TLSImplicit, Cert: mailtest.Certificate(tt.kind)}
				srv := mailtest.Serve(t, o, func(c *mailtest.Conn) {
					if mode == access.TLSStart {
						c.Send("220 ready\r\n")
						mailtest.SMTPAnswers(c, "STARTTLS")
						c.Verb("STARTTLS")
						c.Send("220 go ahead\r\n")
						c.StartTLS()
						loginRest(c, "AUTH PLAIN")
						return
					}
					mailtest.SMTPLogin(c, "AUTH PLAIN")
					c.Verb("BYE")
				})
				cl := newClient(t, mode)
				if name == "configured name" {
					cl.opts.Net.TLSConfig.ServerName = "mail.example.org"
				}
				_, err := cl.dial(srv.Addr)
				require.ErrorIs(t, err, mailbox.ErrCertificate)
				assert.True(t, errors.As(err, tt.as), "%v", err)
				assert.False(t, mailbox.Retryable(err))
				unsent(t, srv)

				lax := newClient(t, mode)
				lax.opts.Net.TLSConfig = &tls.Config{InsecureSkipVerify: true}
				lax.open(srv.Addr) // without the check the password goes out
				assert.Contains(t, srv.Transcript(), plainCanary)
			})
		}
	}
}

// loginRest plays EHLO and a login inside TLS.
func loginRest(c *mailtest.Conn, caps ...string) {
	mailtest.SMTPAnswers(c, caps...)
	c.Verb("AUTH")
	c.Send("235 2.7.0 welcome\r\n")
	c.Verb("BYE")
}

func tlsOld(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
		srv := mailtest.Serve(t, nil, func(c *mailtest.Conn) {
			tc := tls.Server(c.NetConn(), &tls.Config{
				Certificates: []tls.Certificate{*mailtest.Certificate(mailtest.CertGood)},
				MinVersion:   version, MaxVersion: version,
			})
			_ = tc.Handshake()
		})
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

// tlsTruncation ends TCP below TLS within the answer to the message: Go's TLS
// gives a plain end. A message is accepted only by a whole reply.
func tlsTruncation(t *testing.T) {
	for _, caps := range [][]string{{"AUTH PLAIN"}, {"AUTH PLAIN", "PIPELINING", "CHUNKING"}} {
		whole := "250-2.0.0 queued\r\n250 2.0.0 as 12345\r\n"
		for n := range len(whole) {
			srv := secureServer(t, func(c *mailtest.Conn) {
				mailtest.SMTPLogin(c, caps...)
				serveMail(c, func(verb, _ string) string {
					if verb == "message" {
						c.Send(whole[:n])
						c.CloseRaw()
					}
					return ""
				})
			})
			sink := newClient(t, access.TLSImplicit).open(srv.Addr)
			receipt, err := sink.Send(t.Context(), envelope("bob@example.org"), strings.NewReader(plain), nil)
			require.ErrorIs(t, err, mailbox.ErrUnknownOutcome, "cut after %d octets", n)
			assert.Equal(t, Unknown, receipt.Outcome)
			assert.Equal(t, 1, srv.Accepted(), "it is not sent again")
			_ = sink.Close()
		}
	}
	// Control: a client that reads to the end of the connection notices nothing.
	srv := secureServer(t, func(c *mailtest.Conn) {
		c.Send("250-2.0.0 que")
		c.CloseRaw()
	})
	tc, err := tls.Dial("tcp", srv.Addr, mailtest.ClientTLS())
	require.NoError(t, err)
	got, err := io.ReadAll(tc)
	require.NoError(t, err)
	assert.Equal(t, "250-2.0.0 que", string(got))
}

// connReuse: two accounts on one host have nothing in common.
func connReuse(t *testing.T) {
	srv := secureServer(t, func(c *mailtest.Conn) {
		mailtest.SMTPLogin(c, "AUTH PLAIN")
		serveMail(c, nil)
	})
	one := newClient(t, access.TLSImplicit).open(srv.Addr)
	two := newClient(t, access.TLSImplicit)
	two.auth = access.Password("bob@example.org", canary, nil)
	other := two.open(srv.Addr)
	for _, sink := range []*Sink{one, other, one} { // the control: its own connection is used again
		_, err := sink.Send(t.Context(), envelope("bob@example.org"), strings.NewReader(plain), nil)
		require.NoError(t, err)
	}
	assert.Equal(t, 2, srv.Accepted())

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
	clean := func(text string) {
		assert.NotContains(t, text, "\x1b")
		assert.NotContains(t, text, "\u202E")
		assert.Less(t, len(text), 1300)
	}
	for _, greeting := range []string{"554 ", "250 ", ""} {
		in := secureServer(t, func(c *mailtest.Conn) {
			c.Send(greeting + evil + "\r\n")
			c.Stall()
		})
		_, err := newClient(t, access.TLSImplicit).dial(in.Addr)
		require.Error(t, err)
		assert.Contains(t, err.Error(), "+1 555 0100", "the control: inside TLS the text is shown")
		clean(err.Error())
	}
	for when, replies := range map[string][]string{
		"greeting": {"554 ", "421 ", "250 ", "334 ", ""},
		"EHLO":     {"421 ", "220 ", "354 ", ""},
		"STARTTLS": {"554 ", "454 ", "421 ", "250 ", "354 ", ""},
	} {
		for _, code := range replies {
			srv := mailtest.Serve(t, nil, func(c *mailtest.Conn) {
				if when != "greeting" {
					c.Send("220 ready\r\n")
					c.Verb("EHLO")
				}
				if when == "STARTTLS" {
					c.Send("250 STARTTLS\r\n")
					c.Verb("STARTTLS")
				}
				c.Send(code + evil + "\r\n")
				c.Stall()
			})
			_, err := newClient(t, access.TLSStart).dial(srv.Addr)
			require.Error(t, err)
			for _, part := range []string{"evil.example", "555"} {
				assert.NotContains(t, err.Error(), part, "%s %s", when, code)
			}
			var r *Reply
			if errors.As(err, &r) {
				assert.Empty(t, r.Text)
			}
		}
	}
	// What is kept of a message that went well is clean, too.
	srv := secureServer(t, func(c *mailtest.Conn) {
		mailtest.SMTPLogin(c, "AUTH PLAIN")
		serveMail(c, func(verb, _ string) string {
			if verb == "message" {
				return "250 2.0.0 queued as \x1b[31mX\u202E " + strings.Repeat("B", 5000)
			}
			return ""
		})
	})
	var traced bytes.Buffer
	cl := newClient(t, access.TLSImplicit)
	cl.opts.Net.Trace = func(e access.TraceEvent) { traced.WriteString(e.Line + "\n") }
	receipt, err := cl.open(srv.Addr).Send(t.Context(), envelope("bob@example.org"), strings.NewReader(plain), nil)
	require.NoError(t, err)
	clean(receipt.Reply.Text)
	clean(receipt.QueueID)
	for line := range strings.SplitSeq(traced.String(), "\n") {
		clean(line)
	}
}
