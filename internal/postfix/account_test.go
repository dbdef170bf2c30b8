package postfix_test

import (
	"net"
	"net/mail"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom"
	"github.com/postroom-go/postroom/discover"
	"github.com/postroom-go/postroom/internal/postfix"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/transfer"
	"github.com/postroom-go/postroom/smtpsink"
	"github.com/postroom-go/postroom/smtpsink/compose"
	"github.com/postroom-go/postroom/smtpsink/sent"
)

// server is one of the host's, as a user would type it.
func server(t testing.TB, p discover.Protocol, addr string, mode access.TLSMode) discover.Server {
	host, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	n, err := strconv.Atoi(port)
	require.NoError(t, err)
	return discover.Server{Protocol: p, Host: host, Port: n, TLS: mode}
}

// TestAccount opens an account on real servers, sends to itself, and finds the
// message and its copy: over IMAP at the server, over POP3 in a directory.
func TestAccount(t *testing.T) {
	s := postfix.Get(t)
	for name, incoming := range map[string]discover.Server{
		"IMAP": server(t, discover.IMAP, s.Dovecot.IMAPS, access.TLSImplicit),
		"POP3": server(t, discover.POP3, s.Dovecot.POP3, access.TLSStart),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			user := s.NewUser(t)
			ctx := bounded(t)
			opts := &postroom.Options{
				Incoming: []discover.Server{incoming},
				Outgoing: []discover.Server{server(t, discover.SMTP, s.Submission, access.TLSStart)},
				Net:      access.Options{TLSConfig: s.Dovecot.TLSConfig()},
			}
			if name == "POP3" {
				opts.Dir = t.TempDir()
				opts.POP3.Refresh = time.Nanosecond // mail comes while it is open
			}
			a, err := postroom.Open(ctx, user, access.Password("", s.Dovecot.Password, nil), opts)
			require.NoError(t, err)
			defer a.Close()
			r, err := a.Send(ctx, &compose.Message{
				To: []mail.Address{{Name: "Älice", Address: user}}, Subject: "Grüße", Text: "Hello.\n",
				Attachments: []compose.Attachment{{Name: "übersicht.txt", Data: []byte("1\n")}},
			}, nil)
			require.NoError(t, err)
			assert.Equal(t, smtpsink.Accepted, r.Receipt.Outcome)
			assert.Regexp(t, queueID, r.Receipt.QueueID)
			assert.Equal(t, sent.Filed, r.Copy.State)
			arrived(t, s, user, 1)

			box, copies := a.Mailbox, a.Mailbox
			if name == "POP3" {
				done, err := a.Download(ctx, &transfer.Options{Remove: transfer.Remove{Stored: true}})
				require.NoError(t, err)
				assert.Equal(t, 1, done.Stored)
				arrived(t, s, user, 0)
				box, copies = a.Local, a.Local
			}
			for _, in := range []struct {
				mb     mailbox.Mailbox
				folder string
			}{{box, mailbox.Inbox}, {copies, r.Copy.Folder}} {
				n := 0
				for m, err := range in.mb.List(ctx, in.folder, nil) {
					require.NoError(t, err)
					assert.Equal(t, "Grüße", m.Envelope.Subject)
					attached, err := mailbox.Attachments(ctx, in.mb, m.ID)
					require.NoError(t, err)
					require.Len(t, attached, 1)
					assert.Equal(t, "übersicht.txt", attached[0].Filename())
					n++
				}
				assert.Equal(t, 1, n, in.folder)
			}
		})
	}
}
