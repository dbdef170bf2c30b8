package postroom_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/postroom-go/postroom"
	"github.com/postroom-go/postroom/discover"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

// revoked is what golang.org/x/oauth2 says of a token endpoint that refuses.
type revoked struct{ body string }

func (r *revoked) Error() string { return "oauth2: cannot fetch token: 400\nResponse: " + r.body }

// takesTokens has servers of the three protocols that take tokens alone.
func takesTokens(p *provider) (servers map[discover.Protocol]*mailtest.Server) {
	return map[discover.Protocol]*mailtest.Server{
		discover.IMAP: p.web.Serve("imap.example.org:993", &mailtest.ServeOptions{TLS: true}, func(c *mailtest.Conn) {
			c.Send("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] hello\r\n")
			for {
				tag, _, _ := c.NextCommand()
				c.Sendf("%s OK done\r\n", tag)
			}
		}),
		discover.POP3: p.web.Serve("pop.example.org:995", &mailtest.ServeOptions{TLS: true}, func(c *mailtest.Conn) {
			c.Send("+OK hello\r\n")
			for {
				if c.ReadLine() == "CAPA" {
					c.Send("+OK\r\nSASL XOAUTH2\r\nUIDL\r\n.\r\n")
				} else {
					c.Send("+OK\r\n")
				}
			}
		}),
		discover.SMTP: p.web.Serve(submission, &mailtest.ServeOptions{TLS: true}, func(c *mailtest.Conn) {
			c.Send("220 hello\r\n")
			for {
				if strings.HasPrefix(c.ReadLine(), "EHLO") {
					c.Send("250-hello\r\n250 AUTH XOAUTH2\r\n")
				} else {
					c.Send("235 ok\r\n")
				}
			}
		}),
	}
}

// TestVerifyToken has the source of tokens fail: by the provider's no, which only
// the user can do something about, or because it is not reached.
func TestVerifyToken(t *testing.T) {
	for name, c := range map[string]struct {
		err    error
		reason postroom.Reason
		signIn bool
		advice string
	}{
		"revoked":    {&revoked{`{"error":"invalid_grant"}` + "\x1b[2J"}, postroom.NeedsSignIn, true, "Sign in again"},
		"wrapped":    {fmt.Errorf("mine: %w", &revoked{"x"}), postroom.NeedsSignIn, true, "Sign in again"},
		"no network": {&url.Error{Op: "Post", URL: "https://login.example.org/token", Err: &net.OpError{Op: "dial", Err: errors.New("refused")}}, postroom.Unreachable, false, "sign-in server"},
		"trouble":    {&oauth2.RetrieveError{Response: &http.Response{StatusCode: 503}}, postroom.Unreachable, false, "sign-in server"},
		"too often":  {&oauth2.RetrieveError{Response: &http.Response{StatusCode: 429}}, postroom.Unreachable, false, "sign-in server"},
		"told":       {&oauth2.RetrieveError{Response: &http.Response{StatusCode: 400}, ErrorCode: "temporarily_unavailable"}, postroom.Unreachable, false, "sign-in server"},
		"no grant":   {&oauth2.RetrieveError{Response: &http.Response{StatusCode: 400}, ErrorCode: "invalid_grant"}, postroom.NeedsSignIn, true, "Sign in again"},
		"no time":    {context.DeadlineExceeded, postroom.Unreachable, false, "sign-in server"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t)
			servers := takesTokens(p)
			token := access.OAuth2(ann, func(context.Context) (string, error) { return "", c.err }, nil)
			for protocol, host := range map[discover.Protocol]string{discover.IMAP: "imap.example.org", discover.POP3: "pop.example.org", discover.SMTP: "smtp.example.org"} {
				err := postroom.Verify(t.Context(), discover.Server{Protocol: protocol, Host: host, User: ann}, token, p.options())
				var e *postroom.LoginError
				require.True(t, errors.As(err, &e), "%v", err)
				assert.Equal(t, c.reason, e.Reason, "%v", err)
				assert.Contains(t, e.Advice, c.advice)
				assert.Equal(t, c.signIn, errors.Is(err, postroom.ErrSignIn))
				assert.ErrorIs(t, err, c.err, "the cause")
				assert.NotContains(t, err.Error(), "\n", "in one line")
				assert.NotContains(t, err.Error(), "\x1b")
				assert.Contains(t, err.Error(), "the token could not be renewed")
				assert.NotContains(t, servers[protocol].Transcript(), "C: AUTH")
				assert.NotContains(t, servers[protocol].Transcript(), " AUTHENTICATE")
			}
			if !c.signIn {
				return
			}
			o := p.options()
			o.Incoming = []discover.Server{{Host: "imap.example.org"}, {Protocol: discover.POP3, Host: "pop.example.org"}}
			before := servers[discover.POP3].Accepted()
			_, err := postroom.Open(t.Context(), ann, token, o)
			assert.ErrorIs(t, err, postroom.ErrSignIn)
			assert.Equal(t, before, servers[discover.POP3].Accepted(), "the next server would be shown the same token")
		})
	}
}

// TestTokenLater: a token that cannot be renewed later is told as well, and nothing
// is given up: the next one may be good.
func TestTokenLater(t *testing.T) {
	p := newProvider(t)
	takesTokens(p)
	asked := 0
	token := access.OAuth2("", func(context.Context) (string, error) {
		if asked++; asked == 2 {
			return "", &revoked{"x"}
		}
		return secret, nil
	}, nil)
	o := p.options()
	o.Incoming = []discover.Server{{Host: "imap.example.org"}}
	o.Outgoing = []discover.Server{{Host: "smtp.example.org"}}
	a, err := postroom.Open(t.Context(), ann, token, o)
	require.NoError(t, err)
	defer a.Close()
	_, err = a.Sender(t.Context())
	var cause *revoked
	require.True(t, errors.As(err, &cause), "%v", err)
	assert.ErrorIs(t, err, postroom.ErrSignIn)
	_, err = a.Sender(t.Context())
	assert.NoError(t, err, "after the user has signed in")
}

// TestOpenDead has nothing answer where the mail should be: the error says what was
// tried, in order, why it failed, and once what to do.
func TestOpenDead(t *testing.T) {
	order := func(t *testing.T, text string, parts ...string) {
		t.Helper()
		for _, part := range parts {
			_, rest, found := strings.Cut(text, part)
			require.True(t, found, "%q in %s", part, text)
			text = rest
		}
	}
	servers := []string{"open ann@example.org: ", "imap imap.example.org:993 TLS: unreachable: ", "; then pop3 pop.example.org:995 TLS: unreachable: ", ". None of the account's servers can be reached"}
	p := newProvider(t)
	p.publish("password-cleartext")
	p.refuse("imap.example.org:993")
	p.refuse("pop.example.org:995")
	_, err := p.open(p.options())
	require.ErrorIs(t, err, mailbox.ErrUnavailable)
	order(t, err.Error(), append(servers, "the network is there", "the domain itself", "enter them by hand")...)
	assert.Equal(t, 1, strings.Count(err.Error(), "None of"), "%v", err)

	o := p.options()
	o.Incoming = []discover.Server{{Host: "imap.example.org"}, {Protocol: discover.POP3, Host: "pop.example.org"}}
	_, err = p.open(o)
	order(t, err.Error(), append(servers, "Check the network")...)
	assert.NotContains(t, err.Error(), "the network is there", "nothing was looked up")

	f := &discover.Finder{Options: discover.Options{Resolver: &p.web.DNS, Dialer: p.web, TLSConfig: p.web.ClientTLS(), ISPDB: "off"}}
	for _, want := range []string{"the network is there", "Check the network"} {
		o = p.options()
		o.Finder = f
		_, err = p.open(o)
		order(t, err.Error(), append(servers, want)...)
	}

	o = p.options()
	o.Discover.Resolver, o.Discover.NoGuess = nil, true
	p.web.Serve("imap.gmail.com:993", nil, func(c *mailtest.Conn) { c.Cut() })
	_, err = postroom.Open(t.Context(), "ann@gmail.com", password, o)
	order(t, err.Error(), "open ann@gmail.com: imap imap.gmail.com:993 TLS: unreachable", "a known provider", "the network")

	// Whom one of them has refused has a wrong password, whatever the others do.
	p.web.Mail(p.host, "", "pop.example.org", "")
	p.host.AddUser(ann, "another")
	_, err = p.open(p.options())
	var e *postroom.LoginError
	require.True(t, errors.As(err, &e), "%v", err)
	assert.Equal(t, postroom.WrongSecret, e.Reason)
	assert.Equal(t, discover.POP3, e.Server.Protocol)
	order(t, err.Error(), "imap imap.example.org:993 TLS: unreachable", "; then pop3 pop.example.org:995 TLS: wrong-secret", "Check both")

	// The sender's servers are told in the same way.
	p = newProvider(t)
	p.refuse("smtp.example.org:465")
	p.refuse("smtp.example.org:587")
	o = p.options()
	o.Incoming = []discover.Server{{Host: "imap.example.org"}}
	o.Outgoing = []discover.Server{{Host: "smtp.example.org"}, {Host: "smtp.example.org", TLS: access.TLSStart}}
	a, err := p.open(o)
	require.NoError(t, err)
	_, err = a.Send(t.Context(), message("x"), nil)
	order(t, err.Error(), "smtp smtp.example.org:465 TLS: unreachable: ", "; then smtp smtp.example.org:587 STARTTLS: unreachable: ", ". None of the servers that send can be reached. Check the network")
}
