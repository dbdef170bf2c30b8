package discover

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

// replies is a server that greets and then answers each line with the next
// reply, doing TLS after one that ends in "!".
func replies(greeting string, replies ...string) func(c *mailtest.Conn) {
	return func(c *mailtest.Conn) {
		c.Send(greeting)
		for _, r := range replies {
			c.ReadLine()
			upgrade := strings.HasSuffix(r, "!")
			c.Send(strings.TrimSuffix(r, "!"))
			if upgrade {
				c.StartTLS()
			}
		}
		c.Stall()
	}
}

// TestProbe: what servers say, and what it is taken for.
func TestProbe(t *testing.T) {
	const imap, pop, smtp = IMAP, POP3, SMTP
	const tls, start, none = access.TLSImplicit, access.TLSStart, access.TLSNone
	many := strings.Repeat("* BAD x\r\n", 200)
	for name, c := range map[string]struct {
		p       Protocol
		mode    access.TLSMode
		script  func(c *mailtest.Conn)
		auth    string
		err     error
		explain string
	}{
		"imap":             {imap, tls, replies("* OK hi\r\n", "* CAPABILITY imap4rev1 auth=plain AUTH=GSSAPI AUTH=NTLM AUTH=SCRAM-SHA-256\r\na OK\r\n"), "password encrypted gssapi ntlm", nil, ""},
		"imap rev2":        {imap, tls, replies("* OK hi\r\n", "* CAPABILITY IMAP4rev2 LOGINDISABLED AUTH=OAUTHBEARER\r\na OK\r\n"), "oauth2", nil, ""},
		"imap preauth":     {imap, start, replies("* PREAUTH hi\r\n"), "", mailbox.ErrProtocol, "as if somebody had logged in"},
		"imap no login":    {imap, tls, replies("* OK hi\r\n", "* CAPABILITY IMAP4rev1 LOGINDISABLED\r\na OK\r\n"), "", errNoLogin, "no login"},
		"imap refuses":     {imap, tls, replies("* OK hi\r\n", "a BAD what\r\n"), "", mailbox.ErrProtocol, "CAPABILITY was refused"},
		"imap other":       {imap, tls, replies("* OK hi\r\n", "* CAPABILITY NNTP\r\na OK\r\n"), "", errGreeting, ""},
		"imap many":        {imap, tls, replies("* OK hi\r\n", many), "", mailbox.ErrProtocol, "more than 100 lines"},
		"imap long":        {imap, tls, replies("* OK " + strings.Repeat("x", 5000) + "\r\n"), "", mailbox.ErrProtocol, "more than 4096 octets"},
		"imap hangs up":    {imap, tls, func(c *mailtest.Conn) {}, "", errors.ErrUnsupported, "EOF"},
		"imap silent":      {imap, tls, func(c *mailtest.Conn) { c.Stall() }, "", mailbox.ErrUnavailable, ""},
		"imap web":         {imap, tls, web, "", errGreeting, ""},
		"imap start":       {imap, start, imapServer, "password oauth2", nil, ""},
		"imap start no":    {imap, start, replies("* OK hi\r\n", "* CAPABILITY IMAP4rev1 STARTTLS\r\na OK\r\n", "b NO\r\n"), "", mailbox.ErrProtocol, "STARTTLS was refused"},
		"imap no TLS":      {imap, tls, func(c *mailtest.Conn) { c.Send("* OK hi\r\n") }, "", mailbox.ErrTLSRequired, "does not speak TLS"},
		"imap bad mode":    {imap, none, imapServer, "", errors.ErrUnsupported, "offers STARTTLS"},
		"pop":              {pop, tls, popServer, "password", nil, ""},
		"pop no CAPA":      {pop, tls, replies("+OK hi\r\n", "-ERR\r\n"), "password", nil, ""},
		"pop SASL":         {pop, tls, replies("+OK hi\r\n", "+OK\r\nSASL XOAUTH2 CRAM-MD5\r\n.\r\n"), "encrypted oauth2", nil, ""},
		"pop no":           {pop, tls, replies("-ERR no\r\n"), "", errGreeting, ""},
		"pop odd":          {pop, tls, replies("+OK hi\r\n", "250 hi\r\n"), "", errGreeting, ""},
		"pop start":        {pop, start, popServer, "password", nil, ""},
		"pop start hidden": {pop, start, replies("+OK hi\r\n", "-ERR\r\n"), "", mailbox.ErrTLSRequired, "does not offer STARTTLS"},
		"pop start no":     {pop, start, replies("+OK hi\r\n", "+OK\r\nSTLS\r\n.\r\n", "-ERR\r\n"), "", mailbox.ErrProtocol, "no +OK"},
		"pop injected":     {pop, start, replies("+OK hi\r\n", "+OK\r\nSTLS\r\n.\r\n", "+OK\r\n+OK evil\r\n!"), "", mailbox.ErrTLSInjection, ""},
		"pop bad mode":     {pop, none, popServer, "", errors.ErrUnsupported, "offers STLS"},
		"smtp":             {smtp, tls, smtpServer, "password", nil, ""},
		"smtp no login":    {smtp, tls, replies("220 hi\r\n", "250 hi\r\n"), "", errNoLogin, ""},
		"smtp busy":        {smtp, tls, replies("421 later\r\n"), "", errGreeting, "no 220"},
		"smtp odd":         {smtp, tls, replies("220 hi\r\n", "250?x\r\n"), "", mailbox.ErrProtocol, "no 250"},
		"smtp start":       {smtp, start, smtpServer, "password", nil, ""},
		"smtp start lost":  {smtp, start, replies("220 hi\r\n", "250 hi\r\n"), "", mailbox.ErrTLSRequired, ""},
		"smtp start no":    {smtp, start, replies("220 hi\r\n", "250-hi\r\n250 STARTTLS\r\n", "454 no\r\n"), "", mailbox.ErrProtocol, ""},
		"smtp injected":    {smtp, start, replies("220 hi\r\n", "250-hi\r\n250 STARTTLS\r\n", "220 go\r\n250 AUTH PLAIN\r\n!"), "", mailbox.ErrTLSInjection, ""},
		"smtp bad mode":    {smtp, none, smtpServer, "", errors.ErrUnsupported, "offers STARTTLS"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				over := &mailtest.ServeOptions{TLS: c.mode == tls && name != "imap no TLS"}
				w.Serve("mail.example.org:1", over, c.script)
				s := newSettings(&w.opts)
				target := candidate{Server: Server{Protocol: c.p, Host: "mail.example.org", Port: 1, TLS: c.mode}, addrs: []netip.Addr{netip.MustParseAddr(w.Host("mail.example.org"))}}
				auth, err := s.probe(t.Context(), target, time.Second, newSockets())
				assert.Equal(t, c.auth, strings.Join(auth, " "))
				switch {
				case c.err == nil:
					require.NoError(t, err)
				case c.err == errors.ErrUnsupported: // any error
					require.Error(t, err)
				default:
					require.ErrorIs(t, err, c.err)
				}
				if c.explain != "" {
					assert.ErrorContains(t, err, c.explain)
				}
			})
		})
	}
}
