package postroom_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom"
	"github.com/postroom-go/postroom/discover"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
	"github.com/postroom-go/postroom/mailbox/transfer"
	"github.com/postroom-go/postroom/smtpsink"
	"github.com/postroom-go/postroom/smtpsink/compose"
	"github.com/postroom-go/postroom/smtpsink/sent"
)

const (
	ann    = "ann@example.org"
	secret = "canary-5ecret"
)

// provider is a mail provider with its web and DNS, at example.org.
type provider struct {
	t      *testing.T
	web    *mailtest.Web
	host   *mailtest.Host
	canary *mailtest.Canary
}

func newProvider(t *testing.T) *provider {
	p := &provider{t: t, web: mailtest.NewWeb(t), canary: mailtest.NewCanary(t, secret)}
	p.host = mailtest.New(t, &mailtest.Options{Cert: mailtest.WebCertificate("imap.example.org", "pop.example.org", "smtp.example.org")})
	p.host.AddUser(ann, secret)
	p.host.AddUser("bob@example.org", secret)
	p.web.Mail(p.host, "imap.example.org", "pop.example.org", "smtp.example.org")
	return p
}

// publish has the domain say where its servers are.
func (p *provider) publish(auth string) {
	server := func(kind, protocol, host string, port int) string {
		return fmt.Sprintf(`<%[1]s type="%s"><hostname>%s</hostname><port>%d</port><socketType>SSL</socketType>`+
			`<username>%%EMAILADDRESS%%</username><authentication>%s</authentication></%[1]s>`, kind, protocol, host, port, auth)
	}
	p.web.Autoconfig("example.org", `<clientConfig version="1.1"><emailProvider id="example.org"><domain>example.org</domain>`+
		`<displayName>Example Mail</displayName>`+
		server("incomingServer", "imap", "imap.example.org", 993)+server("incomingServer", "pop3", "pop.example.org", 995)+
		server("outgoingServer", "smtp", "smtp.example.org", 465)+`</emailProvider></clientConfig>`)
}

func (p *provider) options() *postroom.Options {
	return &postroom.Options{
		Net:      access.Options{Dialer: p.web, TLSConfig: p.web.ClientTLS(), Trace: p.canary.Trace, Logger: p.canary.Logger()},
		Discover: discover.Options{Resolver: &p.web.DNS, ISPDB: p.web.ISPDBURL()},
	}
}

// open opens the account, with the address and the secret alone.
func (p *provider) open(o *postroom.Options) (*postroom.Account, error) {
	a, err := postroom.Open(p.t.Context(), ann, access.Password("", secret, nil), o)
	p.canary.Error(err)
	if err == nil {
		p.t.Cleanup(func() { _ = a.Close() })
		p.canary.Value(a.Report())
		p.canary.Value(a.Config())
	}
	return a, err
}

func subjects(t *testing.T, mb mailbox.Mailbox, folder string) (all []string) {
	for m, err := range mb.List(t.Context(), folder, nil) {
		require.NoError(t, err)
		all = append(all, m.Envelope.Subject)
	}
	return all
}

func message(subject string) *compose.Message {
	return &compose.Message{To: []mail.Address{{Address: "bob@example.org"}}, Subject: subject, Text: "Hello.\n"}
}

// TestOpen goes from an address and a secret to mail that is read and sent.
func TestOpen(t *testing.T) {
	p := newProvider(t)
	p.publish("password-cleartext")
	require.NoError(t, p.host.Deliver(ann, "", []byte("Subject: there\r\n\r\nx\r\n"), nil))
	a, err := p.open(p.options())
	require.NoError(t, err)
	assert.Equal(t, ann, a.Address)
	assert.Equal(t, "IMAP", strings.ToUpper(a.Mailbox.Caps().Protocol)[:4])
	assert.Equal(t, []string{"there"}, subjects(t, a.Mailbox, mailbox.Inbox))
	assert.Nil(t, a.Local)
	assert.NotContains(t, p.web.Dials(), p.web.Host("smtp.example.org")+":465", "nothing is sent yet")

	r, err := a.Send(t.Context(), message("sent"), nil)
	require.NoError(t, err)
	assert.Equal(t, smtpsink.Accepted, r.Receipt.Outcome)
	assert.Equal(t, sent.Filed, r.Copy.State)
	assert.Equal(t, []string{"sent"}, subjects(t, a.Mailbox, r.Copy.Folder))
	got, err := p.host.Messages("bob@example.org", mailbox.Inbox)
	require.NoError(t, err)
	require.Len(t, got, 1)
	assert.Contains(t, string(got[0].Raw), "From: ann@example.org\r\n")

	report := a.Report()
	assert.Equal(t, "imap.example.org", report.Incoming.Host)
	assert.Equal(t, "smtp.example.org", report.Outgoing.Host)
	assert.Equal(t, "autoconfig", report.Incoming.Source)
	assert.NotEmpty(t, report.Attempts)
	assert.Contains(t, report.String(), "imap.example.org:993")
	assert.NotContains(t, report.String(), "cannot be used")

	require.NoError(t, a.Close())
	require.NoError(t, a.Close())
	_, err = a.Send(t.Context(), message("late"), nil)
	assert.ErrorIs(t, err, mailbox.ErrClosed)
}

// TestConfig stores what was found, and opens the account with it without a look
// at DNS or the web.
func TestConfig(t *testing.T) {
	p := newProvider(t)
	p.publish("password-cleartext")
	a, err := p.open(p.options())
	require.NoError(t, err)
	stored, err := json.Marshal(a.Config())
	require.NoError(t, err)
	_, _ = p.canary.Write(stored)

	var c postroom.Config
	require.NoError(t, json.Unmarshal(stored, &c))
	o := p.options()
	o.Incoming, o.Outgoing = c.Incoming, c.Outgoing
	queries, requests := len(p.web.DNS.Queries()), len(p.web.Requests())
	b, err := postroom.Open(t.Context(), c.Address, access.Password("", secret, nil), o)
	require.NoError(t, err)
	defer b.Close()
	_, err = b.Send(t.Context(), message("again"), nil)
	require.NoError(t, err)
	assert.Equal(t, a.Report().Incoming.Host, b.Report().Incoming.Host)
	assert.Len(t, p.web.Requests(), requests)
	for _, q := range p.web.DNS.Queries()[queries:] {
		assert.NotContains(t, q, "MX")
		assert.NotContains(t, q, "SRV")
	}
}

// TestByHand takes the names that a user reads off the provider's page.
func TestByHand(t *testing.T) {
	p := newProvider(t)
	o := p.options()
	o.Incoming = []discover.Server{{Host: "imap.example.org"}}
	o.Outgoing = []discover.Server{{Host: "smtp.example.org", TLS: access.TLSStart}}
	a, err := p.open(o)
	require.NoError(t, err)
	assert.Empty(t, p.web.Requests())
	assert.Equal(t, 993, a.Report().Incoming.Port)
	_, err = a.Send(t.Context(), message("x"), nil)
	require.NoError(t, err)
	assert.Equal(t, 587, a.Report().Outgoing.Port)

	o.Incoming[0].Protocol, o.Incoming[0].Host = discover.POP3, "pop.example.org"
	a, err = p.open(o)
	require.NoError(t, err)
	assert.Equal(t, "POP3", a.Mailbox.Caps().Protocol)

	_, err = postroom.Open(t.Context(), "nobody", access.Password("", secret, nil), o)
	assert.ErrorIs(t, err, discover.ErrAddress)
	var wrongServer *net.AddrError
	for _, wrong := range []discover.Server{{}, {Host: "imap.example.org", Protocol: discover.SMTP}, {Host: "https://example.org/imap"}} {
		o.Incoming[0] = wrong
		_, err = p.open(o)
		assert.ErrorAs(t, err, &wrongServer)
	}
	o.Incoming, o.Outgoing = nil, []discover.Server{{Host: "smtp.example.org", Port: 70000}}
	_, err = p.open(o)
	assert.ErrorAs(t, err, &wrongServer, "nothing is looked up for settings that are wrong")
	assert.Empty(t, p.web.Requests())
}

// TestFallBack has IMAP out of reach or switched off: then it is POP3, whose mail
// lives here, what is sent included.
func TestFallBack(t *testing.T) {
	for name, prepare := range map[string]func(p *provider){
		"unreachable": func(p *provider) {
			p.web.Mail(p.host, "elsewhere.example.org", "", "")
			p.refuse("imap.example.org:993")
		},
		"switched off": func(p *provider) {
			p.host.Inject(mailtest.Fault{Kind: mailtest.FaultReply, Protocol: "imap", Command: "AUTHENTICATE",
				Text: "NO [AUTHENTICATIONFAILED] Your account is not enabled for IMAP use."})
			p.host.Inject(mailtest.Fault{Kind: mailtest.FaultReply, Protocol: "imap", Command: "LOGIN",
				Text: "NO [AUTHENTICATIONFAILED] Your account is not enabled for IMAP use."})
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t)
			p.publish("password-cleartext")
			prepare(p)
			require.NoError(t, p.host.Deliver(ann, "", []byte("Subject: there\r\n\r\nx\r\n"), nil))
			o := p.options()
			o.Dir = t.TempDir()
			a, err := p.open(o)
			require.NoError(t, err)
			assert.Equal(t, "POP3", a.Mailbox.Caps().Protocol)
			report := a.Report()
			require.Len(t, report.Tried, 2)
			var e *postroom.LoginError
			require.True(t, errors.As(report.Tried[0].Err, &e))
			assert.Contains(t, []postroom.Reason{postroom.Unreachable, postroom.SwitchedOff}, e.Reason)
			assert.Contains(t, report.String(), "IMAP cannot be used ("+string(e.Reason)+"), so this is POP3")

			done, err := a.Download(t.Context(), &transfer.Options{Remove: transfer.Remove{Stored: true}})
			require.NoError(t, err)
			assert.Equal(t, 1, done.Stored)
			assert.Equal(t, []string{"there"}, subjects(t, a.Local, mailbox.Inbox))
			r, err := a.Send(t.Context(), message("sent"), nil)
			require.NoError(t, err)
			assert.True(t, r.Copy.Local)
			assert.Equal(t, []string{"sent"}, subjects(t, a.Local, r.Copy.Folder))
		})
	}
}

// refuse has nothing listen at an address any more.
func (p *provider) refuse(addr string) {
	p.web.Serve(addr, nil, func(c *mailtest.Conn) { c.Cut() })
}

// TestWrongSecret ends at the first refusal: POP3 would say the same, and the
// account be closer to being locked.
func TestWrongSecret(t *testing.T) {
	p := newProvider(t)
	p.publish("password-cleartext")
	p.host.AddUser(ann, "another")
	_, err := p.open(p.options())
	assert.ErrorIs(t, err, mailbox.ErrAuth)
	var e *postroom.LoginError
	require.True(t, errors.As(err, &e))
	assert.Equal(t, postroom.WrongSecret, e.Reason)
	assert.NotContains(t, p.web.Dials(), p.web.Host("pop.example.org")+":995")
	assert.Equal(t, 1, strings.Count(p.host.Transcript(), "AUTHENTICATE ***")+strings.Count(p.host.Transcript(), "LOGIN ***"))
}

// TestConfirm: an answer that DNS alone gives, and that leads elsewhere, gets no
// secret before somebody has said yes.
func TestConfirm(t *testing.T) {
	p := newProvider(t)
	p.host.AddUser("ann@example.com", secret)
	p.web.DNS.SetSRV("_imaps._tcp.example.com", "0 1 993 imap.example.org.")
	p.web.DNS.SetSRV("_submissions._tcp.example.com", "0 1 465 smtp.example.org.")
	open := func(confirm func(context.Context, discover.Server) bool) (*postroom.Account, error) {
		o := p.options()
		o.Discover.NoGuess = true
		o.Confirm = confirm
		return postroom.Open(t.Context(), "ann@example.com", access.Password("", secret, nil), o)
	}
	_, err := open(nil)
	var e *postroom.LoginError
	require.True(t, errors.As(err, &e), "%v", err)
	assert.Equal(t, postroom.Unconfirmed, e.Reason)
	assert.Empty(t, p.host.Transcript(), "nothing was sent")

	p.web.DNS.SetSRV("_imap._tcp.example.com", "0 1 143 imap.example.org.")
	p.web.DNS.SetSRV("_pop3s._tcp.example.com", "0 1 995 pop.example.org.")
	questions := 0
	_, err = open(func(context.Context, discover.Server) bool { questions++; return false })
	assert.Error(t, err)
	assert.Equal(t, 1, questions, "who has said no is not asked again")

	var asked []string
	a, err := open(func(_ context.Context, s discover.Server) bool {
		asked = append(asked, s.Host)
		assert.NotEmpty(t, s.Confirm)
		return true
	})
	require.NoError(t, err)
	defer a.Close()
	assert.Equal(t, []string{"imap.example.org"}, asked)
	assert.Empty(t, a.Config().Incoming[0].Confirm, "it is confirmed")
	assert.NotEmpty(t, a.Config().Outgoing[0].Confirm, "this one is not yet")
}

// TestConfigUser stores the user name that was right, and it is right the next time,
// too, for a program that always gives the address.
func TestConfigUser(t *testing.T) {
	p := newProvider(t)
	p.host = mailtest.New(t, &mailtest.Options{Cert: mailtest.WebCertificate("imap.example.org")})
	p.host.AddUser("ann", secret)
	p.web.Mail(p.host, "imap.example.org", "", "")
	o := p.options()
	o.Incoming = []discover.Server{{Host: "imap.example.org", User: ann, AltUser: "ann", UserForm: "address"}}
	a, err := p.open(o)
	require.NoError(t, err)
	assert.Equal(t, "ann", a.Report().Incoming.User)
	assert.Equal(t, "local", a.Report().Incoming.UserForm)
	for _, user := range []string{"", ann, "ann"} {
		before := logins(p.host.Transcript())
		o.Incoming = a.Config().Incoming
		b, err := postroom.Open(t.Context(), ann, access.Password(user, secret, nil), o)
		require.NoError(t, err, user)
		require.NoError(t, b.Close())
		assert.Equal(t, before+1, logins(p.host.Transcript()), user)
	}
}

// TestOneLoginAProtocol: who is refused at one port is not asked again at another.
func TestOneLoginAProtocol(t *testing.T) {
	p := newProvider(t)
	for _, command := range []string{"AUTHENTICATE", "LOGIN"} {
		p.host.Inject(mailtest.Fault{Kind: mailtest.FaultReply, Protocol: "imap", Command: command, Times: -1,
			Text: "NO [AUTHENTICATIONFAILED] Your account is not enabled for IMAP use."})
	}
	o := p.options()
	o.Incoming = []discover.Server{{Host: "imap.example.org"}, {Host: "imap.example.org", TLS: access.TLSStart}, {Protocol: discover.POP3, Host: "pop.example.org"}}
	a, err := p.open(o)
	require.NoError(t, err)
	assert.Equal(t, "POP3", a.Mailbox.Caps().Protocol)
	assert.Equal(t, 1, strings.Count(p.host.Transcript(), "AUTHENTICATE ***")+strings.Count(p.host.Transcript(), "LOGIN ***"))
}

// TestOAuth2Only has a provider that takes tokens alone: a password is not sent, to
// the sender's server either.
func TestOAuth2Only(t *testing.T) {
	p := newProvider(t)
	p.publish("OAuth2")
	_, err := p.open(p.options())
	var e *postroom.LoginError
	require.True(t, errors.As(err, &e), "%v", err)
	assert.Equal(t, postroom.NeedsOAuth2, e.Reason)
	assert.Empty(t, p.host.Transcript())

	p.web.Serve("imap.example.org:993", &mailtest.ServeOptions{TLS: true}, func(c *mailtest.Conn) {
		c.Send("* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] hello\r\n")
		for {
			tag, command, _ := c.NextCommand()
			switch command {
			case "LIST":
				c.Send("* LIST () \"/\" INBOX\r\n* LIST (\\Sent) \"/\" Sent\r\n")
			case "APPEND":
				c.Sendf("%s NO it is full\r\n", tag)
				continue
			}
			c.Sendf("%s OK done\r\n", tag)
		}
	})
	token := access.OAuth2("", func(context.Context) (string, error) { return secret, nil }, nil)
	a, err := postroom.Open(t.Context(), ann, token, p.options())
	require.NoError(t, err)
	defer a.Close()
	_, err = a.Sender(t.Context())
	assert.NoError(t, err)
	p.canary.Value(a.Report())
	p.canary.Value(a.Config())
}

// TestAddresses opens accounts whose addresses are unusual, and sends from them.
func TestAddresses(t *testing.T) {
	for address, from := range map[string]string{
		"  Ann@Example.ORG. ": "Ann@example.org",
		`"a@b"@example.org`:   `"a@b"@example.org`,
		"ann+tag@example.org": "ann+tag@example.org",
		"ann@bücher.example":  "ann@xn--bcher-kva.example",
		"o'hara@example.org":  "o'hara@example.org",
	} {
		t.Run(address, func(t *testing.T) {
			p := newProvider(t)
			o := p.options()
			o.Incoming, o.Outgoing = []discover.Server{{Host: "imap.example.org", User: ann}}, []discover.Server{{Host: "smtp.example.org", User: ann}}
			a, err := postroom.Open(t.Context(), address, access.Password("", secret, nil), o)
			require.NoError(t, err)
			defer a.Close()
			_, err = a.Send(t.Context(), message("x"), nil)
			require.NoError(t, err)
			got, err := p.host.Messages("bob@example.org", mailbox.Inbox)
			require.NoError(t, err)
			require.Len(t, got, 1)
			assert.Contains(t, string(got[0].Raw), "From: "+from+"\r\n")
			assert.Contains(t, p.host.Transcript(), "MAIL FROM:<"+from+">")
		})
	}
}

// TestNoServers keeps the lookup's advice.
func TestNoServers(t *testing.T) {
	p := newProvider(t)
	o := p.options()
	o.Discover.NoGuess = true
	_, err := postroom.Open(t.Context(), "ann@nowhere.example", access.Password("", secret, nil), o)
	var e *discover.Error
	require.True(t, errors.As(err, &e), "%v", err)
	assert.NotEmpty(t, e.Advice)
}
