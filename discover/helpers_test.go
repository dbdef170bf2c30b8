package discover

import (
	"context"
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

// world is a Web with the options to look things up in it.
type world struct {
	*mailtest.Web
	t    *testing.T
	opts Options
	lim  limits
}

func newWorld(t *testing.T) *world {
	web := mailtest.NewWeb(t)
	n := &world{Web: web, t: t, lim: newSettings(nil).lim}
	n.opts = Options{Resolver: &web.DNS, Dialer: web, TLSConfig: web.ClientTLS(), ISPDB: web.ISPDBURL()}
	return n
}

// lookup looks up, and checks what must hold always: the log names no query, and
// nobody was sent credentials.
func (n *world) lookup(address string) (*Result, error) {
	n.t.Helper()
	f := Finder{Options: n.opts, lim: &n.lim}
	r, err := f.Lookup(n.t.Context(), address)
	n.innocent()
	if r != nil {
		for _, a := range r.Attempts {
			assert.NotContains(n.t, a.Target, "?")
		}
	}
	return r, err
}

// innocent checks that no request held credentials, cookies or a referer.
func (n *world) innocent() {
	n.t.Helper()
	for _, r := range n.Requests() {
		for _, h := range []string{"Authorization", "Cookie", "Referer", "Proxy-Authorization"} {
			assert.Empty(n.t, r.Header.Get(h), "%s to %s", h, r.URL)
		}
	}
}

// find is lookup that must find something.
func (n *world) find(address string) *Result {
	n.t.Helper()
	r, err := n.lookup(address)
	require.NoError(n.t, err, "attempts: %s", attemptsOf(err))
	require.NotEmpty(n.t, r.Incoming)
	return r
}

// fail is lookup that must fail in that way.
func (n *world) fail(address string, want error) *Error {
	n.t.Helper()
	r, err := n.lookup(address)
	require.Nil(n.t, r)
	require.ErrorIs(n.t, err, want)
	var e *Error
	require.True(n.t, errors.As(err, &e), "%T", err)
	var m *mailbox.Error
	require.True(n.t, errors.As(err, &m))
	assert.Equal(n.t, "discover", m.Op)
	assert.NotEmpty(n.t, e.Advice)
	return e
}

func attemptsOf(err error) string {
	var e *Error
	var b strings.Builder
	if errors.As(err, &e) {
		for _, a := range e.Attempts {
			fmt.Fprintf(&b, "\n%v +%v %s %s: %s", a.Start, a.Took, a.Source, a.Target, a.Outcome)
		}
	}
	return b.String()
}

// brief writes servers as "imap host:port MODE", one a line.
func brief(servers []Server) string {
	var all []string
	for _, s := range servers {
		all = append(all, s.String())
	}
	return strings.Join(all, "\n")
}

// config is a clientConfig document for a domain with the servers.
func config(domain string, servers ...string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><clientConfig version="1.1"><emailProvider id="` + domain + `"><domain>` + domain +
		`</domain><displayName>Test of ` + domain + `</displayName>` + strings.Join(servers, "") + `</emailProvider></clientConfig>`
}

// server is a server of a clientConfig, "imap host port SOCKET" with a user
// name and authentications, which may be left out.
func server(line string, userAndAuth ...string) string {
	f := strings.Fields(line)
	element := "incomingServer"
	if f[0] == "smtp" {
		element = "outgoingServer"
	}
	user, auth := "%EMAILADDRESS%", []string{"password-cleartext"}
	if len(userAndAuth) > 0 {
		user, auth = userAndAuth[0], userAndAuth[1:]
	}
	s := fmt.Sprintf(`<%s type="%s"><hostname>%s</hostname><port>%s</port><socketType>%s</socketType><username>%s</username>`, element, f[0], f[1], f[2], f[3], user)
	for _, a := range auth {
		s += "<authentication>" + a + "</authentication>"
	}
	return s + "</" + element + ">"
}

// usual is a document with one server of each protocol below a domain.
func usual(domain string) string {
	return config(domain, server("imap imap."+domain+" 993 SSL"), server("pop3 pop."+domain+" 995 SSL"), server("smtp smtp."+domain+" 465 SSL"))
}

// imapServer, popServer and smtpServer are servers that tell their capabilities
// and take no login.
func imapServer(c *mailtest.Conn) {
	c.Send("* OK ready\r\n")
	caps := "IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2"
	for {
		switch tag, name, _ := c.NextCommand(); name {
		case "CAPABILITY":
			start := ""
			if !c.TLS() {
				start = " STARTTLS LOGINDISABLED"
			}
			c.Sendf("* CAPABILITY %s%s\r\n%s OK\r\n", caps, start, tag)
		case "STARTTLS":
			c.Sendf("%s OK go\r\n", tag)
			c.StartTLS()
		case "LOGOUT":
			return
		default:
			c.Sendf("%s BAD what\r\n", tag)
		}
	}
}

func popServer(c *mailtest.Conn) {
	c.Send("+OK ready\r\n")
	for {
		switch line := c.ReadLine(); line {
		case "CAPA":
			start := ""
			if !c.TLS() {
				start = "STLS\r\n"
			}
			c.Sendf("+OK\r\nUSER\r\nSASL PLAIN\r\n%s.\r\n", start)
		case "STLS":
			c.Send("+OK go\r\n")
			c.StartTLS()
		case "QUIT":
			return
		default:
			c.Send("-ERR what\r\n")
		}
	}
}

func smtpServer(c *mailtest.Conn) {
	c.Send("220-hello\r\n220 ready\r\n")
	for {
		switch line := c.ReadLine(); {
		case strings.HasPrefix(line, "EHLO "):
			start := "STARTTLS"
			if c.TLS() {
				start = "AUTH PLAIN LOGIN"
			}
			c.Sendf("250-hello\r\n250-%s\r\n250 PIPELINING\r\n", start)
		case line == "STARTTLS":
			c.Send("220 go\r\n")
			c.StartTLS()
		case line == "QUIT":
			return
		default:
			c.Send("500 what\r\n")
		}
	}
}

var overTLS = &mailtest.ServeOptions{TLS: true}

// mailServers has the usual three servers of a domain listen, and gives it an MX
// record that nobody knows, so that the domain is there.
func (n *world) mailServers(domain string) (servers []*mailtest.Server) {
	n.DNS.SetMX(domain, "10 mx."+domain+".")
	return []*mailtest.Server{
		n.Serve("imap."+domain+":993", overTLS, imapServer),
		n.Serve("pop."+domain+":995", overTLS, popServer),
		n.Serve("smtp."+domain+":465", overTLS, smtpServer),
	}
}

var (
	_ access.Dialer   = (*mailtest.Web)(nil)
	_ Resolver        = (*mailtest.DNS)(nil)
	_ context.Context = context.Background()
)
