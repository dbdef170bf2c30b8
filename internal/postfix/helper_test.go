package postfix_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/imapsrc"
	"github.com/postroom-go/postroom/internal/postfix"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/popsrc"
	"github.com/postroom-go/postroom/smtpsink"
)

// patience bounds a conversation, and how long mail is waited for.
const patience = 30 * time.Second

// bounded is a context that ends what would hang.
func bounded(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// service is one of the server's ways in.
type service struct {
	name, addr string
	mode       access.TLSMode
}

func services(s *postfix.Server) []service {
	return []service{
		{"submissions", s.Submissions, access.TLSImplicit},
		{"submission", s.Submission, access.TLSStart},
		{"poor", s.Poor, access.TLSStart},
	}
}

// dial opens a sink; o may be nil.
func dial(t testing.TB, s *postfix.Server, way service, user string, o *smtpsink.Options) *smtpsink.Sink {
	t.Helper()
	var opts smtpsink.Options
	if o != nil {
		opts = *o
	}
	opts.Net.TLS, opts.Net.TLSConfig = way.mode, s.Dovecot.TLSConfig()
	sink, err := smtpsink.Dial(bounded(t), way.addr, access.Password(user, s.Dovecot.Password, nil), &opts)
	require.NoError(t, err)
	t.Cleanup(func() { _ = sink.Close() })
	return sink
}

// note is a message that differs from others by its subject. It has what Postfix
// would add.
func note(subject string) string {
	return "From: a@example.org\r\nDate: Thu, 26 Nov 2026 12:00:00 +0000\r\nMessage-ID: <" +
		strings.ReplaceAll(subject, " ", ".") + "@example.org>\r\nSubject: " + subject + "\r\n\r\nHello.\r\n"
}

// arrived waits until a user's INBOX has n messages.
func arrived(t testing.TB, s *postfix.Server, user string, n int) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	want := fmt.Sprintf("* STATUS INBOX (MESSAGES %d)", n)
	for {
		lines := s.Dovecot.Do(t, user, "STATUS INBOX (MESSAGES)")
		if slices.Contains(lines, want) {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("%d messages did not arrive: %q; see .ci/postfix log", n, lines)
		}
	}
}

// overIMAP and overPOP read all of a user's messages, in their order.
func overIMAP(t testing.TB, s *postfix.Server, user string) []string {
	t.Helper()
	mb, err := imapsrc.Dial(bounded(t), s.Dovecot.IMAPS, access.Password(user, s.Dovecot.Password, nil),
		&imapsrc.Options{Net: access.Options{TLSConfig: s.Dovecot.TLSConfig()}})
	require.NoError(t, err)
	defer mb.Close()
	return all(t, mb)
}

func overPOP(t testing.TB, s *postfix.Server, user string) []string {
	t.Helper()
	mb, err := popsrc.Dial(bounded(t), s.Dovecot.POP3S, access.Password(user, s.Dovecot.Password, nil),
		&popsrc.Options{Net: access.Options{TLSConfig: s.Dovecot.TLSConfig()}})
	require.NoError(t, err)
	defer mb.Close()
	return all(t, mb)
}

func all(t testing.TB, mb mailbox.Mailbox) []string {
	t.Helper()
	var ids []mailbox.ID
	for sum, err := range mb.List(bounded(t), mailbox.Inbox, &mailbox.ListOptions{Fields: mailbox.FieldsNone}) {
		require.NoError(t, err)
		ids = append(ids, sum.ID)
	}
	var raws []string
	for m, err := range mailbox.Fetch(bounded(t), mb, ids, nil) {
		require.NoError(t, err)
		raw, err := io.ReadAll(m.Body)
		require.NoError(t, err)
		raws = append(raws, string(raw))
	}
	return raws
}

// raw is a conversation in which every octet is ours.
type raw struct {
	t  *testing.T
	nc net.Conn
	br *bufio.Reader
}

// converse opens one, inside TLS and logged in.
func converse(t *testing.T, s *postfix.Server, user string) *raw {
	t.Helper()
	nc, err := tls.DialWithDialer(&net.Dialer{Timeout: patience}, "tcp", s.Submissions, s.Dovecot.TLSConfig())
	require.NoError(t, err)
	t.Cleanup(func() { _ = nc.Close() })
	require.NoError(t, nc.SetDeadline(time.Now().Add(patience)))
	c := &raw{t, nc, bufio.NewReader(nc)}
	c.says("", "220 ")
	c.says("EHLO client.example.org\r\n", "250 ")
	c.says("AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00"+user+"\x00"+s.Dovecot.Password))+"\r\n", "235 ")
	return c
}

// says sends octets in one write and wants replies whose last lines begin so.
func (c *raw) says(octets string, replies ...string) {
	c.t.Helper()
	_, err := io.WriteString(c.nc, octets)
	require.NoError(c.t, err)
	for _, want := range replies {
		line := ""
		for len(line) < 4 || line[3] == '-' {
			line, err = c.br.ReadString('\n')
			require.NoError(c.t, err)
		}
		require.Truef(c.t, strings.HasPrefix(line, want), "%q, want %q", line, want)
	}
}

// ends wants the server to hang up.
func (c *raw) ends() {
	c.t.Helper()
	_, err := c.br.ReadByte()
	require.ErrorIs(c.t, err, io.EOF)
}
