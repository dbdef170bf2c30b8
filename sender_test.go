package postroom_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom"
	"github.com/postroom-go/postroom/discover"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
	"github.com/postroom-go/postroom/smtpsink/sent"
)

const submission = "smtp.example.org:465"

// logins counts how often somebody logged in to a server, or tried to.
func logins(said string) int {
	return strings.Count(said, "AUTHENTICATE ***") + strings.Count(said, "LOGIN ***") + strings.Count(said, "C: AUTH")
}

// refuses is a server that takes no password, and says so.
func refuses(p *provider, answer string) *mailtest.Server {
	return p.web.Serve(submission, &mailtest.ServeOptions{TLS: true}, func(c *mailtest.Conn) {
		c.Send("220 hello\r\n")
		for {
			switch line := c.ReadLine(); {
			case strings.HasPrefix(line, "EHLO"):
				c.Send("250-hello\r\n250 AUTH PLAIN\r\n")
			case strings.HasPrefix(line, "AUTH"):
				c.Send(answer + "\r\n")
			default:
				c.Send("250 ok\r\n")
			}
		}
	})
}

// TestSenderAgain tries again what failed for a while, and no password that was
// refused.
func TestSenderAgain(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		again  bool
	}{
		"refused":   {"535 5.7.8 Authentication credentials invalid", false},
		"temporary": {"454 4.7.0 Temporary authentication failure", true},
		"throttled": {"535 5.7.0 Too many bad auth attempts.", true},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t)
			p.publish("password-cleartext")
			server := refuses(p, c.answer)
			a, err := p.open(p.options())
			require.NoError(t, err)
			_, err = a.Send(t.Context(), message("x"), nil)
			p.canary.Error(err)
			var e *postroom.LoginError
			require.True(t, errors.As(err, &e), "%v", err)
			assert.Equal(t, 1, logins(server.Transcript()))
			_, err = a.Sender(t.Context())
			require.Error(t, err)
			want := 1
			if c.again {
				want = 2
			}
			assert.Equal(t, want, logins(server.Transcript()))
			assert.Len(t, a.Report().Tried, 2, "the mailbox's server, and this one once")

			p.web.Mail(p.host, "", "", "smtp.example.org")
			_, err = a.Sender(t.Context())
			assert.Equal(t, c.again, err == nil, "%v", err)
		})
	}
}

// TestSenderOnce: who sends at the same time shares one connection's login.
func TestSenderOnce(t *testing.T) {
	p := newProvider(t)
	p.publish("password-cleartext")
	a, err := p.open(p.options())
	require.NoError(t, err)
	before := len(p.web.Dials())
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			s, err := a.Sender(t.Context())
			assert.NoError(t, err)
			assert.NotNil(t, s)
			_ = a.Report().String()
			_ = a.Config()
		})
	}
	wg.Wait()
	assert.Len(t, p.web.Dials(), before+1)
}

// TestCloseWhileConnecting ends who connects and who waits for that, and nothing is
// dialled or sent afterwards.
func TestCloseWhileConnecting(t *testing.T) {
	p := newProvider(t)
	reached := make(chan bool, 1)
	silent := func(c *mailtest.Conn) {
		reached <- true
		c.Stall()
	}
	p.web.Serve(submission, &mailtest.ServeOptions{TLS: true}, silent)
	o := p.options()
	o.Incoming = []discover.Server{{Host: "imap.example.org"}}
	o.Outgoing = []discover.Server{{Host: "smtp.example.org"}, {Host: "smtp.example.org", TLS: access.TLSStart}}
	a, err := p.open(o)
	require.NoError(t, err)

	results := make(chan error, 2)
	connect := func(ctx context.Context) {
		_, err := a.Sender(ctx)
		results <- err
	}
	go connect(t.Context())
	<-reached
	ctx, cancel := context.WithCancel(t.Context())
	go connect(ctx)
	cancel()
	assert.ErrorIs(t, <-results, context.Canceled, "who waits for another can give up")
	dials := len(p.web.Dials())
	require.NoError(t, a.Close())
	assert.ErrorIs(t, <-results, mailbox.ErrClosed)
	assert.Len(t, p.web.Dials(), dials, "the second server is not tried any more")
}

// TestForeignSender has the provider's server for mail, and another for sending,
// which files no copy: it is not waited for.
func TestForeignSender(t *testing.T) {
	p := newProvider(t)
	p.host = mailtest.New(t, &mailtest.Options{Cert: mailtest.WebCertificate("imap.gmail.com", "smtp.example.org")})
	p.host.AddUser(ann, secret)
	p.host.AddUser("bob@example.org", secret)
	p.web.Mail(p.host, "imap.gmail.com", "", "smtp.example.org")
	o := p.options()
	o.Incoming = []discover.Server{{Host: "imap.gmail.com"}}
	o.Outgoing = []discover.Server{{Host: "smtp.example.org"}}
	a, err := p.open(o)
	require.NoError(t, err)
	r, err := a.Send(t.Context(), message("first"), nil)
	require.NoError(t, err)
	assert.Equal(t, sent.Filed, r.Copy.State, "%+v", r.Copy)
}

// TestSenderUser has the sender want another form of the user name than the
// mailbox, as iCloud's does; and the form that was right tried first.
func TestSenderUser(t *testing.T) {
	for name, c := range map[string]struct {
		given    string
		outgoing discover.Server
	}{
		"nothing given": {"", discover.Server{Host: "smtp.example.org", User: ann, UserForm: "address"}},
		"address given": {ann, discover.Server{Host: "smtp.example.org", User: ann, UserForm: "address"}},
		"local given":   {"ann", discover.Server{Host: "smtp.example.org", User: ann, UserForm: "address"}},
		"right one":     {"", discover.Server{Host: "smtp.example.org", User: "nobody", AltUser: "only-ann", UserForm: "address"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t)
			incoming := discover.Server{Host: "imap.example.org", User: "ann", AltUser: ann, UserForm: "local"}
			p.host.AddUser("ann", secret)
			if name == "right one" {
				incoming.User, incoming.AltUser = "only-ann", ""
				p.host.AddUser("only-ann", secret)
			}
			o := p.options()
			o.Incoming, o.Outgoing = []discover.Server{incoming}, []discover.Server{c.outgoing}
			a, err := postroom.Open(t.Context(), ann, access.Password(c.given, secret, nil), o)
			require.NoError(t, err)
			defer a.Close()
			_, err = a.Sender(t.Context())
			require.NoError(t, err)
			assert.Equal(t, 2, logins(p.host.Transcript()), "one each")
			if name != "right one" {
				assert.Equal(t, "ann", a.Report().Incoming.User)
				assert.Equal(t, ann, a.Report().Outgoing.User)
			}
		})
	}
}

// TestNoLoginHere: a port where nobody can log in is not taken for a wrong password.
func TestNoLoginHere(t *testing.T) {
	p := newProvider(t)
	p.web.Serve("smtp.example.org:25", nil, func(c *mailtest.Conn) {
		c.Send("220 hello\r\n")
		for {
			c.ReadLine()
			c.Send("250 hello\r\n")
		}
	})
	s := discover.Server{Protocol: discover.SMTP, Host: "smtp.example.org", Port: 25, TLS: access.TLSNone, User: ann}
	err := postroom.Verify(t.Context(), s, password, p.options())
	var e *postroom.LoginError
	require.True(t, errors.As(err, &e), "%v", err)
	assert.Equal(t, postroom.Other, e.Reason)
	assert.ErrorContains(t, err, "465")
}

// TestSenderPause has the first server out of reach, and the second want a pause:
// the password is not given up.
func TestSenderPause(t *testing.T) {
	p := newProvider(t)
	o := p.options()
	o.Incoming = []discover.Server{{Host: "imap.example.org"}}
	o.Outgoing = []discover.Server{{Host: "smtp.example.org", Port: 2525}, {Host: "smtp.example.org"}}
	refuses(p, "535 5.7.0 Too many bad auth attempts.")
	a, err := p.open(o)
	require.NoError(t, err)
	_, err = a.Sender(t.Context())
	require.ErrorIs(t, err, mailbox.ErrAuth)
	p.web.Mail(p.host, "", "", "smtp.example.org")
	_, err = a.Sender(t.Context())
	assert.NoError(t, err)
}
