package imapsrc_test

import (
	"bytes"
	"encoding/base64"
	"io"
	"math/rand/v2"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/postroom-go/postroom/imapsrc"
	"github.com/postroom-go/postroom/mailbox"
	"github.com/postroom-go/postroom/mailbox/access"
	"github.com/postroom-go/postroom/mailbox/mailtest"
	"github.com/postroom-go/postroom/smtpsink"
	"github.com/postroom-go/postroom/smtpsink/compose"
)

// withAttachment is a message with data as an attachment.
func withAttachment(data []byte, encoding string) []byte {
	var b bytes.Buffer
	b.WriteString("From: bob@example.com\r\nTo: " + user + "\r\nSubject: The file\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nHere.\r\n--b\r\n" +
		"Content-Type: application/octet-stream; name=data.bin\r\nContent-Transfer-Encoding: " + encoding +
		"\r\nContent-Disposition: attachment; filename=data.bin\r\n\r\n")
	if encoding == "base64" {
		for s := base64.StdEncoding.EncodeToString(data); s != ""; s = s[min(76, len(s)):] {
			b.WriteString(s[:min(76, len(s))] + "\r\n")
		}
	} else {
		w := quotedprintable.NewWriter(&b)
		w.Binary = true
		_, _ = w.Write(data)
		_ = w.Close()
	}
	b.WriteString("\r\n--b--\r\n")
	return b.Bytes()
}

// attachmentOf is the data of the file in a message.
func attachmentOf(t *testing.T, raw []byte) []byte {
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	require.NoError(t, err)
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	require.NoError(t, err)
	parts := multipart.NewReader(m.Body, params["boundary"])
	for {
		p, err := parts.NextPart()
		require.NoError(t, err)
		if p.FileName() == "" {
			continue
		}
		require.Equal(t, "base64", p.Header.Get("Content-Transfer-Encoding"))
		data, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, p))
		require.NoError(t, err)
		return data
	}
}

// TestForward passes on a message with a file of many windows, streamed from the
// IMAP server to the SMTP server.
func TestForward(t *testing.T) {
	data := make([]byte, 2<<20)
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range data {
		data[i] = byte(rng.Uint32())
	}
	for name, tt := range map[string]struct {
		flavour mailtest.IMAPFlavour
		part    string // what the file is asked for with,
		not     string // and what it is not
	}{
		"bare":     {mailtest.IMAPBare, "BODY.PEEK[2]<", "BINARY.PEEK"},
		"extended": {mailtest.IMAPExtended, "BINARY.PEEK[2]<", "BODY.PEEK[2]"},
		"rev2":     {mailtest.IMAPRev2, "BINARY.PEEK[2]<", "BODY.PEEK[2]"},
	} {
		for _, encoding := range []string{"base64", "quoted-printable"} {
			t.Run(name+"/"+encoding, func(t *testing.T) {
				t.Parallel()
				ctx := t.Context()
				h := mailtest.New(t, &mailtest.Options{IMAP: tt.flavour})
				h.AddUser(user, secret)
				require.NoError(t, h.Deliver(user, "", withAttachment(data, encoding), nil))
				auth, net := access.Password(user, secret, nil), access.Options{TLSConfig: h.ClientTLS()}
				mb, err := imapsrc.Dial(ctx, h.IMAPS, auth, &imapsrc.Options{Net: net})
				require.NoError(t, err)
				defer mb.Close()
				sink, err := smtpsink.Dial(ctx, h.SMTPS, auth, &smtpsink.Options{Net: net})
				require.NoError(t, err)
				defer sink.Close()

				var id mailbox.ID
				for s, err := range mb.List(ctx, mailbox.Inbox, nil) {
					require.NoError(t, err)
					id = s.ID
				}
				m, err := compose.Forward(ctx, mb, id, nil)
				require.NoError(t, err)
				m.From, m.To = []mail.Address{{Address: user}}, []mail.Address{{Address: user}}
				p, err := m.Prepare(ctx)
				require.NoError(t, err)
				defer p.Close()
				body, err := p.Open(ctx)
				require.NoError(t, err)
				defer body.Close()
				_, err = sink.Send(ctx, p.Envelope(), body, nil)
				require.NoError(t, err)

				got := h.Submissions()
				require.Len(t, got, 1)
				assert.True(t, bytes.Equal(data, attachmentOf(t, got[0].Raw)), "the octets differ")
				said := h.Transcript()
				assert.Greater(t, strings.Count(said, tt.part), 3)
				assert.NotContains(t, said, tt.not)
			})
		}
	}
}
