package popsrc

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"io"
	"net"
	"net/textproto"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
)

const (
	testUser = "alice"
	canary   = "canary-5ecret"
)

var alice = access.Password(testUser, canary, nil)

// client dials scripted servers, and watches that the secret does not get out.
type client struct {
	t      *testing.T
	canary *mailtest.Canary
	opts   Options
	auth   access.Auth
}

func newClient(t *testing.T, mode access.TLSMode) *client {
	c := &client{t: t, canary: mailtest.NewCanary(t, canary), auth: alice}
	c.opts.Net = access.Options{
		TLS: mode, TLSConfig: mailtest.ClientTLS(), Trace: c.canary.Trace, Logger: c.canary.Logger(),
	}
	return c
}

func (c *client) dial(addr string) (*Mailbox, error) { return c.dialContext(c.t.Context(), addr) }

func (c *client) dialContext(ctx context.Context, addr string) (*Mailbox, error) {
	mb, err := Dial(ctx, addr, c.auth, &c.opts)
	c.canary.Error(err)
	if err == nil {
		c.t.Cleanup(func() { _ = mb.Close() })
	}
	return mb, err
}

// open dials a server that must let the client in.
func (c *client) open(addr string) *Mailbox {
	mb, err := c.dial(addr)
	require.NoError(c.t, err)
	return mb
}

// unsent fails the test if the password reached the server, or if anything that
// could carry it did.
func unsent(t *testing.T, srv *mailtest.Server) {
	t.Helper()
	said := srv.Transcript()
	for _, s := range []string{canary, base64.StdEncoding.EncodeToString([]byte(canary)), "C: USER", "C: PASS", "C: AUTH", "C: APOP"} {
		assert.NotContains(t, said, s)
	}
}

// caps are those of a decent server.
var caps = []string{"USER", "UIDL", "TOP", "PIPELINING", "RESP-CODES", "AUTH-RESP-CODE"}

// serve plays a session up to the maildrop: mails are its messages, dots
// unstuffed. Then it plays rest, if that is not nil.
func serve(c *mailtest.Conn, caps []string, mails []string, rest func(c *mailtest.Conn)) {
	mailtest.POPLogin(c, caps...)
	answerMaildrop(c, mails)
	if rest != nil {
		rest(c)
		return
	}
	c.Verb("BYE")
}

// answerMaildrop answers UIDL, LIST, TOP, RETR, DELE and RSET on the way.
func answerMaildrop(c *mailtest.Conn, mails []string) {
	number := func(args string) int {
		n, _, _ := strings.Cut(args, " ")
		i := 0
		for _, d := range n {
			i = 10*i + int(d-'0')
		}
		return i
	}
	send := func(text string) { c.Sendf("+OK\r\n%s.\r\n", stuff(text)) }
	c.Answer("UIDL", func(_, _ string) {
		var b strings.Builder
		for i := range mails {
			b.WriteString(num(i+1) + " uid" + num(i+1) + "\r\n")
		}
		c.Sendf("+OK\r\n%s.\r\n", b.String())
	})
	c.Answer("LIST", func(_, _ string) {
		var b strings.Builder
		for i, m := range mails {
			b.WriteString(num(i+1) + " " + num(len(m)) + "\r\n")
		}
		c.Sendf("+OK\r\n%s.\r\n", b.String())
	})
	c.Answer("RETR", func(_, args string) { send(mails[number(args)-1]) })
	c.Answer("TOP", func(_, args string) {
		header, _, _ := strings.Cut(mails[number(args)-1], "\r\n\r\n")
		send(header + "\r\n\r\n")
	})
	c.Answer("DELE", func(_, _ string) { c.Send("+OK\r\n") })
	c.Answer("RSET", func(_, _ string) { c.Send("+OK\r\n") })
}

func num(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return num(n/10) + num(n%10)
}

// stuff is what a correct server does to a message (RFC 1939 section 3).
func stuff(s string) string {
	if strings.HasPrefix(s, ".") {
		s = "." + s
	}
	return strings.ReplaceAll(s, "\r\n.", "\r\n..")
}

// mail is a message with that subject.
func mail(subject string) string {
	return "From: ann@example.org\r\nSubject: " + subject + "\r\n\r\nhello\r\n"
}

// summaries lists INBOX.
func summaries(t *testing.T, mb *Mailbox, opts *mailbox.ListOptions) []*mailbox.Summary {
	t.Helper()
	var all []*mailbox.Summary
	for s, err := range mb.List(t.Context(), "", opts) {
		require.NoError(t, err)
		all = append(all, s)
	}
	return all
}

func idsOf(t *testing.T, mb *Mailbox) []mailbox.ID {
	t.Helper()
	var ids []mailbox.ID
	for _, s := range summaries(t, mb, &mailbox.ListOptions{Fields: mailbox.FieldsNone}) {
		ids = append(ids, s.ID)
	}
	return ids
}

// read opens a message and reads it.
func read(t *testing.T, mb *Mailbox, id mailbox.ID) (string, error) {
	t.Helper()
	r, err := mb.Open(t.Context(), id, nil)
	if err != nil {
		return "", err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	return string(b), err
}

// naive is a client as it is often written: opportunistic, trusting. It is the
// negative control: what breaks it is a real attack.
type naive struct {
	t   *testing.T
	raw net.Conn
	nc  net.Conn
	*textproto.Reader
}

func newNaive(t *testing.T, addr string) *naive {
	nc, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	n := &naive{t: t, raw: nc, nc: nc}
	n.Reader = textproto.NewReader(bufio.NewReader(nc))
	_, _ = n.ReadLine() // whatever the greeting is
	return n
}

func (n *naive) cmd(line string) string {
	_, err := io.WriteString(n.nc, line+"\r\n")
	require.NoError(n.t, err)
	reply, _ := n.ReadLine()
	return reply
}

// upgrade uses TLS if the server likes to, and forgets what was buffered.
func (n *naive) upgrade() {
	if n.cmd("STLS") != "+OK" {
		return
	}
	cfg := mailtest.ClientTLS()
	cfg.ServerName = "localhost"
	n.nc = tls.Client(n.raw, cfg)
	n.Reader = textproto.NewReader(bufio.NewReader(n.nc))
}

func (n *naive) login() string {
	n.cmd("USER " + testUser)
	return n.cmd("PASS " + canary)
}
