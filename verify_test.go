package postroom_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom"
	"github.com/postroom-go/postroom/discover"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

var password = access.Password("", secret, nil)

func imapServer(change func(*discover.Server)) discover.Server {
	s := discover.Server{Protocol: discover.IMAP, Host: "imap.example.org", Port: 993, User: ann, UserForm: "address"}
	if change != nil {
		change(&s)
	}
	return s
}

func TestVerify(t *testing.T) {
	p := newProvider(t)
	for _, s := range []discover.Server{
		imapServer(nil),
		imapServer(func(s *discover.Server) { s.Port, s.TLS = 143, access.TLSStart }),
		{Protocol: discover.POP3, Host: "pop.example.org", Port: 995, User: ann},
		{Protocol: discover.SMTP, Host: "smtp.example.org", Port: 587, TLS: access.TLSStart, User: ann},
		{Protocol: discover.SMTP, Host: "smtp.example.org", Port: 465, Auth: []string{"none"}},
	} {
		assert.NoError(t, postroom.Verify(t.Context(), s, password, p.options()), "%v", s)
	}
	err := postroom.Verify(t.Context(), discover.Server{Protocol: "jmap", Host: "imap.example.org", Port: 993}, password, p.options())
	assert.ErrorIs(t, err, errors.ErrUnsupported)
}

// TestVerifyReasons has a server refuse in the ways of real ones, and looks at
// what the user is told.
func TestVerifyReasons(t *testing.T) {
	for name, c := range map[string]struct {
		said   string // the server's answer to the login, after the tag
		server func(*discover.Server)
		want   postroom.Reason
		is     error
	}{
		"wrong": {said: "NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)", want: postroom.WrongSecret, is: mailbox.ErrAuth},
		"gmail app password": {said: "NO [ALERT] Application-specific password required: https://support.google.com/accounts/answer/185833 (Failure)",
			want: postroom.NeedsAppPassword, is: mailbox.ErrAuth},
		"app password by the table": {said: "NO [AUTHENTICATIONFAILED] Authentication failed",
			server: func(s *discover.Server) { s.Auth = []string{"oauth2", "app-password"} }, want: postroom.NeedsAppPassword, is: mailbox.ErrAuth},
		"off": {said: "NO [ALERT] Your account is not enabled for IMAP use. Please visit your Gmail settings page", want: postroom.SwitchedOff, is: mailbox.ErrAuth},
		"blocked": {said: "NO AUTHENTICATE failed. AuthFailed:LogonDenied-BasicAuthBlocked",
			want: postroom.NeedsOAuth2, is: mailbox.ErrAuth},
		"oauth2 only": {server: func(s *discover.Server) { s.Auth = []string{"oauth2"} }, want: postroom.NeedsOAuth2, is: mailbox.ErrAuth},
		// What Yandex, QQ and others say to every wrong password names what else it may be.
		"yandex": {said: "NO [AUTHENTICATIONFAILED] LOGIN invalid credentials or IMAP is disabled sc=cDdQwR5MouQ0", want: postroom.WrongSecret, is: mailbox.ErrAuth},
		"qq": {said: "NO Login fail. Account is abnormal, service is not open, password is incorrect, login frequency limited, or system is busy.",
			want: postroom.WrongSecret, is: mailbox.ErrAuth},
		"help":               {said: "NO [AUTHENTICATIONFAILED] Wrong password. If you use two-step verification, you may need an app password.", want: postroom.WrongSecret, is: mailbox.ErrAuth},
		"warning":            {said: "NO [AUTHENTICATIONFAILED] Wrong password. Too many failures will lock your account, try again later.", want: postroom.WrongSecret, is: mailbox.ErrAuth},
		"qq authorized code": {said: "NO Please using authorized code to login.", want: postroom.NeedsAppPassword, is: mailbox.ErrAuth},
		"mail.ru":            {said: "NO [AUTHENTICATIONFAILED] NEOBHODIM parol prilozheniya / Application password is REQUIRED", want: postroom.NeedsAppPassword, is: mailbox.ErrAuth},
		"zoho":               {said: "NO [ALERT] You are yet to enable IMAP for your account. Please contact your administrator (Failure)", want: postroom.SwitchedOff, is: mailbox.ErrAuth},
		"aol":                {said: "NO [UNAVAILABLE] LOGIN Server error - Please try again later", want: postroom.Unreachable, is: mailbox.ErrUnavailable},
		"no user":            {server: func(s *discover.Server) { s.User, s.UserForm = "", "unknown" }, want: postroom.NeedsUser},
		"throttled":          {said: "NO [LIMIT] Too many login attempts", want: postroom.Throttled, is: mailbox.ErrThrottled},
		"unavailable":        {said: "NO [UNAVAILABLE] Temporary authentication failure", want: postroom.Unreachable, is: mailbox.ErrUnavailable},
		"no TLS":             {server: func(s *discover.Server) { s.Port, s.TLS = 143, access.TLSStart }, want: postroom.NoTLS, is: mailbox.ErrTLSRequired},
		"nobody there":       {server: func(s *discover.Server) { s.Port = 994 }, want: postroom.Unreachable, is: mailbox.ErrUnavailable},
		"unconfirmed":        {server: func(s *discover.Server) { s.Confirm = []string{"Only DNS says so."} }, want: postroom.Unconfirmed},
		"certificate":        {server: func(s *discover.Server) { s.Host = "wrong.example.org" }, want: postroom.BadCertificate, is: mailbox.ErrCertificate},
	} {
		t.Run(name, func(t *testing.T) {
			p := &provider{t: t, web: mailtest.NewWeb(t), canary: mailtest.NewCanary(t, secret)}
			logins := 0
			p.web.Serve("imap.example.org:993", &mailtest.ServeOptions{TLS: true}, func(conn *mailtest.Conn) {
				conn.Send("* OK hello\r\n")
				for {
					tag, command, _ := conn.NextCommand()
					switch command {
					case "CAPABILITY":
						conn.Sendf("* CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN\r\n%s OK done\r\n", tag)
					case "AUTHENTICATE", "LOGIN":
						logins++
						conn.Sendf("%s %s\r\n", tag, c.said)
					default:
						conn.Sendf("%s BAD no\r\n", tag)
					}
				}
			})
			p.web.Serve("imap.example.org:143", nil, func(c *mailtest.Conn) {
				c.Send("* OK hello\r\n")
				for {
					tag, _, _ := c.NextCommand()
					c.Sendf("%s BAD no\r\n", tag)
				}
			})
			p.web.Serve("wrong.example.org:993", &mailtest.ServeOptions{TLS: true, Cert: mailtest.WebCertificate("other.example.org")}, func(c *mailtest.Conn) { c.Stall() })
			server := imapServer(c.server)
			err := postroom.Verify(t.Context(), server, password, p.options())
			p.canary.Error(err)
			var e *postroom.LoginError
			require.True(t, errors.As(err, &e), "%v", err)
			assert.Equal(t, c.want, e.Reason, "%v", err)
			assert.NotEmpty(t, e.Advice)
			assert.LessOrEqual(t, logins, 1)
			if c.is != nil {
				assert.ErrorIs(t, err, c.is)
			}
		})
	}
}

// TestVerifyUsers tries the second form of the user name once, and no third.
func TestVerifyUsers(t *testing.T) {
	for name, c := range map[string]struct {
		server discover.Server
		auth   access.Auth
		logins int
		ok     bool
	}{
		"settings":       {imapServer(nil), password, 1, true},
		"second":         {imapServer(func(s *discover.Server) { s.User, s.AltUser = "nobody", "ann" }), password, 2, true},
		"app password":   {imapServer(func(s *discover.Server) { s.User, s.AltUser, s.Auth = "nobody", "ann", []string{"app-password"} }), password, 2, true},
		"both wrong":     {imapServer(func(s *discover.Server) { s.User, s.AltUser = "nobody", "none" }), password, 2, false},
		"local by rule":  {imapServer(func(s *discover.Server) { s.User, s.UserForm = "ann", "local" }), access.Password(ann, secret, nil), 1, true},
		"chosen":         {imapServer(nil), access.Password("ann", secret, nil), 1, true},
		"chosen address": {imapServer(nil), access.Password("bob@example.org", secret, nil), 1, true},
		"unknown":        {imapServer(func(s *discover.Server) { s.User, s.UserForm = "", "unknown" }), access.Password("ann", secret, nil), 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t)
			p.host.AddUser("ann", secret)
			err := postroom.Verify(t.Context(), c.server, c.auth, p.options())
			assert.Equal(t, c.ok, err == nil, "%v", err)
			said := p.host.Transcript()
			assert.Equal(t, c.logins, strings.Count(said, "AUTHENTICATE ***")+strings.Count(said, "LOGIN ***"))
		})
	}
}

func TestVerifyCancelled(t *testing.T) {
	p := newProvider(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := postroom.Verify(ctx, imapServer(nil), password, p.options())
	assert.ErrorIs(t, err, context.Canceled)
}

// TestVerifyOffers has a server that takes another kind of secret than there is,
// which is then not sent.
func TestVerifyOffers(t *testing.T) {
	token := access.OAuth2("", func(context.Context) (string, error) { return secret, nil }, nil)
	for name, c := range map[string]struct {
		offers string
		auth   access.Auth
		want   postroom.Reason
	}{
		"password to OAuth2": {"LOGINDISABLED AUTH=XOAUTH2 AUTH=OAUTHBEARER", password, postroom.NeedsOAuth2},
		"token to password":  {"AUTH=PLAIN", token, postroom.NeedsSecret},
		"token refused":      {"AUTH=XOAUTH2", token, postroom.WrongSecret},
		"nothing":            {"AUTH=PLAIN AUTH=XOAUTH2", access.Auth{}, postroom.NeedsSecret},
	} {
		t.Run(name, func(t *testing.T) {
			p := &provider{t: t, web: mailtest.NewWeb(t), canary: mailtest.NewCanary(t, secret)}
			server := p.web.Serve("imap.example.org:993", &mailtest.ServeOptions{TLS: true}, func(conn *mailtest.Conn) {
				conn.Send("* OK hello\r\n")
				for {
					tag, command, _ := conn.NextCommand()
					switch command {
					case "CAPABILITY":
						conn.Sendf("* CAPABILITY IMAP4rev1 SASL-IR %s\r\n%s OK done\r\n", c.offers, tag)
					default:
						conn.Sendf("%s NO refused\r\n", tag)
					}
				}
			})
			err := postroom.Verify(t.Context(), imapServer(nil), c.auth, p.options())
			p.canary.Error(err)
			var e *postroom.LoginError
			require.True(t, errors.As(err, &e), "%v", err)
			assert.Equal(t, c.want, e.Reason, "%v", err)
			if name == "token refused" {
				assert.Contains(t, e.Advice, "Sign in again")
				return
			}
			assert.NotContains(t, server.Transcript(), "AUTHENTICATE")
			assert.NotContains(t, server.Transcript(), "LOGIN ")
		})
	}
}

// TestVerifyRudeEnd: a server that cuts the connection when it is told goodbye has
// let us in all the same.
func TestVerifyRudeEnd(t *testing.T) {
	p := &provider{t: t, web: mailtest.NewWeb(t), canary: mailtest.NewCanary(t, secret)}
	p.web.Serve("pop.example.org:995", &mailtest.ServeOptions{TLS: true}, func(c *mailtest.Conn) {
		c.Send("+OK hello\r\n")
		for {
			switch line := c.ReadLine(); {
			case strings.HasPrefix(line, "QUIT"):
				c.Cut()
				return
			case strings.HasPrefix(line, "CAPA"):
				c.Send("+OK\r\nUSER\r\nUIDL\r\n.\r\n")
			case line == "UIDL", line == "LIST":
				c.Send("+OK\r\n.\r\n")
			default:
				c.Send("+OK\r\n")
			}
		}
	})
	s := discover.Server{Protocol: discover.POP3, Host: "pop.example.org", User: ann}
	assert.NoError(t, postroom.Verify(t.Context(), s, password, p.options()))
}
